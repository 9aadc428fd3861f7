import React, { useState } from "react";
import { count, percent } from "./budget";
import { useLoaded } from "./hooks";
import { WeakSpot } from "./protocol";
import { OfCampaign, Props } from "./Rounds";
import { evidenceOf } from "./rounds";
import { memory } from "./server";
import { Term } from "./Term";

interface LeftOut {
  tag: string;
  tagged: number;
}

/** Weak spots that were left out, by their version and place: tags stay when the panel is left. */
const leftOut = new Map<string, LeftOut>();

/** Where labels are missing; a click opens the images. */
export function Spots({ identity, campaign: { key, noun }, call, act }: OfCampaign & { act: Props["act"] }) {
  const [again, setAgain] = useState(0);
  const found = useLoaded(() => memory.get(`${identity}/spots/${again}`, () => call("load_weak_spots", { key })), [identity, again]);
  const [opened, setOpened] = useState<number | null>(null);
  const [, setChanges] = useState(0);
  const { spots, tags, version } = found.value ?? { spots: [], tags: [], version: "" };
  const keep = (place: number, done: LeftOut | null) => {
    if (done) leftOut.set(`${version}/${place}`, done);
    else leftOut.delete(`${version}/${place}`);
    setChanges((before) => before + 1);
  };
  const worst = Math.max(...spots.map(({ expectedError }) => expectedError ?? 0), 0.01);
  return (
    <section className="fc-section" data-cy="coreset-spots" aria-busy={found.busy}>
      <div className="fc-rounds-head">
        <h3>
          <Term name="spots">Weak spots</Term>
        </h3>
        <span className="fc-busy">{found.busy ? "looking …" : ""}</span>
        <button type="button" className="fc-chip" onClick={() => setAgain(again + 1)} disabled={found.busy}>
          Look again
        </button>
      </div>
      {found.error && <p className="fc-note">{found.error}</p>}
      {spots.length > 0 && (
        <table className="fc-report fc-spots">
          <thead>
            <tr>
              <th scope="col">
                <Term name="spot">predicted</Term>
              </th>
              <th scope="col">
                <Term name="share">{noun}</Term>
              </th>
              <th scope="col">
                <Term name="labels">labels</Term>
              </th>
              <th scope="col">
                <Term name="error">expected error</Term>
              </th>
            </tr>
          </thead>
          <tbody>
            {spots.map((spot, place) => (
              <React.Fragment key={place}>
                <SpotRow
                  spot={spot}
                  noun={noun}
                  worst={worst}
                  place={place}
                  opened={opened === place}
                  onOpen={() => {
                    setOpened(place);
                    act("Opening the weak spot …", call("show_weak_spot", { key, version, place }));
                  }}
                />
                {spot.notLearned && tags.length > 0 && (
                  <LeaveOut
                    things={`${count(spot.n)} ${noun}`}
                    place={place}
                    tags={tags}
                    done={leftOut.get(`${version}/${place}`) ?? null}
                    onTag={(tag) =>
                      act(
                        "Tagging …",
                        call("leave_out_spot", { key, version, place, tag }).then(({ tagged }) => keep(place, { tag, tagged })),
                      )
                    }
                    onUndo={() =>
                      act(
                        "Taking the tags back …",
                        call("bring_back_spot", { key, version, place }).then(() => keep(place, null)),
                      )
                    }
                  />
                )}
              </React.Fragment>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function SpotRow({ spot, noun, worst, place, opened, onOpen }: { spot: WeakSpot; noun: string; worst: number; place: number; opened: boolean; onOpen: () => void }) {
  const { expectedError: error } = spot;
  return (
    <tr className={opened ? "fc-opened" : ""} title={evidenceOf(spot, noun)} onClick={onOpen}>
      <th scope="row">
        <button type="button" data-cy={`coreset-spot-${place}`}>
          {spot.classes.join(", ") || `group ${place + 1}`}
        </button>
      </th>
      <td>
        {count(spot.n)} <span className="fc-faint">{percent(spot.share)}</span>
      </td>
      <td>
        {count(spot.labels)}
        {spot.notLearned && (
          <div className="fc-fair">
            <Term name="notLearned">not learned</Term>
          </div>
        )}
      </td>
      <td>
        {error === null ? (
          <span className="fc-faint">unknown</span>
        ) : (
          <span className="fc-error">
            <i>
              <i style={{ width: `${(100 * error) / worst}%` }} />
            </i>
            {percent(error)}
          </span>
        )}
      </td>
    </tr>
  );
}

interface LeaveOutProps {
  /** How many images a tag would leave out, in words. */
  things: string;
  place: number;
  tags: string[];
  done: LeftOut | null;
  onTag: (tag: string) => void;
  onUndo: () => void;
}

/** Offers to leave out what labels have not taught: it is not asked for again. */
function LeaveOut({ things, place, tags, done, onTag, onUndo }: LeaveOutProps) {
  return (
    <tr className="fc-leave-out" data-cy={`coreset-leave-out-${place}`}>
      <td colSpan={4}>
        {done ? (
          <>
            <span role="status">
              {count(done.tagged)} tagged <code>{done.tag}</code>, not asked for again.
            </span>{" "}
            <button type="button" className="fc-chip" onClick={onUndo}>
              Undo
            </button>
          </>
        ) : (
          <>
            <Term name="leaveOut">Leave out</Term>: tag {things}{" "}
            {tags.map((tag) => (
              <button key={tag} type="button" className="fc-chip" data-cy={`coreset-leave-out-${place}-${tag}`} onClick={() => onTag(tag)}>
                {tag}
              </button>
            ))}
          </>
        )}
      </td>
    </tr>
  );
}
