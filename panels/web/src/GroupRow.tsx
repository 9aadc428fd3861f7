import React, { useEffect, useRef } from "react";
import { count, percent } from "./budget";
import { KIND } from "./groups";
import { Member } from "./protocol";
import { TermName, TERMS } from "./terms";
import { Thumb } from "./Thumb";

/** The height of a row, as the list counts with it. */
export const ROW = 166;

export const TAG = "coreset_redundant";
export const DELETE_TAG = "coreset_delete";

/** What a person does with a group, by its number and its place in the list. */
export interface Does {
  focus: (number: number, at: number) => void;
  select: (number: number) => void;
  keep: (number: number, id: string) => void;
  apart: (number: number, id: string) => void;
  open: (id: string) => void;
  more: (number: number) => void;
}

interface Props {
  number: number;
  kind: number;
  size: number;
  certainty: number;
  noun: string;
  /** The images that are here already; null while they are on their way. */
  members: Member[] | null;
  /** Images with a smaller rank are in the coreset of the budget. */
  k: number;
  top: number;
  /** The place of the focused image in the group, null if another group is in focus. */
  at: number | null;
  selected: boolean;
  /** Always the same object, so that a row is drawn anew only if it changes. */
  does: Does;
}

const KINDS: Record<number, { label: string; term: TermName }> = {
  [KIND.exact]: { label: "the same pixels", term: "samePixels" },
  [KIND.nearCopy]: { label: "the same scene", term: "sameScene" },
  [KIND.lookAlike]: { label: "look-alikes", term: "lookAlikes" },
};

/** One group, side by side: the image that stays, then what it stands for. */
export const GroupRow = React.memo(function GroupRow(props: Props) {
  const { number, members, size, at, noun, does } = props;
  const focused = at !== null;
  const strip = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const tile = at === null ? undefined : (strip.current?.children[at] as HTMLElement | undefined);
    if (!tile || !strip.current) return;
    const { offsetLeft, offsetWidth } = tile;
    const { scrollLeft, clientWidth } = strip.current;
    if (offsetLeft < scrollLeft || offsetLeft + offsetWidth > scrollLeft + clientWidth) strip.current.scrollLeft = offsetLeft - 40;
  }, [at, members]);
  const sizes = new Set(members?.map((member) => member.size?.join()));
  return (
    <div
      className={`fc-group${focused ? " fc-focused" : ""}${props.selected ? " fc-selected" : ""}`}
      role="group"
      aria-label={`${count(size)} ${noun}, ${KINDS[props.kind].label}`}
      data-cy="coreset-group"
      data-group={number}
      style={{ top: props.top, height: ROW }}
    >
      <div className="fc-group-head" onClick={() => does.focus(number, 0)}>
        <label className="fc-check" onClick={(event) => event.stopPropagation()}>
          <input type="checkbox" tabIndex={-1} aria-label="Select this group" checked={props.selected} onChange={() => does.select(number)} />
          <b>
            {count(size)} {noun}
          </b>
        </label>
        <span className="fc-faint" title={TERMS[KINDS[props.kind].term]}>
          {KINDS[props.kind].label}
        </span>
        {props.kind === KIND.nearCopy && (
          <span className="fc-sure" title={TERMS.sure}>
            <i>
              <i style={{ width: `${100 * props.certainty}%` }} />
            </i>
            {percent(props.certainty)} sure
          </span>
        )}
      </div>
      <div className="fc-strip" ref={strip}>
        {(members ?? Array.from<null>({ length: Math.min(size, 6) }).fill(null)).map((member, place) => (
          <Tile
            key={member?.id ?? place}
            member={member}
            leads={place === 0}
            focused={at === place}
            kept={member?.rank != null && member.rank < props.k}
            sized={sizes.size > 1}
            onFocus={() => does.focus(number, place)}
            onKeep={() => member && does.keep(number, member.id)}
            onApart={() => member && does.apart(number, member.id)}
            onOpen={() => member && does.open(member.id)}
          />
        ))}
        {members && members.length < size && (
          <button type="button" className="fc-more" tabIndex={-1} onClick={() => does.more(number)}>
            {count(size - members.length)} more
          </button>
        )}
      </div>
    </div>
  );
});

interface TileProps {
  member: Member | null;
  leads: boolean;
  focused: boolean;
  kept: boolean;
  /** Whether the images of the group differ in size. */
  sized: boolean;
  onFocus: () => void;
  onKeep: () => void;
  onApart: () => void;
  onOpen: () => void;
}

function Tile({ member, leads, focused, kept, sized, onFocus, onKeep, onApart, onOpen }: TileProps) {
  if (!member) return <div className={`fc-tile fc-waiting${leads ? " fc-leads" : ""}`} />;
  const marks = [member.tags.includes(DELETE_TAG) ? "to delete" : member.tags.includes(TAG) ? "tagged" : "", kept ? "in coreset" : ""].filter(Boolean);
  const name = member.path?.replaceAll("\\", "/").split("/").pop() ?? "deleted";
  return (
    <figure
      className={`fc-tile${leads ? " fc-leads" : ""}${focused ? " fc-at" : ""}${member.tags.includes(DELETE_TAG) ? " fc-doomed" : ""}`}
      data-cy="coreset-tile"
      data-id={member.id}
      title={[name, member.size?.join(" × "), member.tags.join(", ")].filter(Boolean).join("\n")}
      onClick={onFocus}
      onDoubleClick={onOpen}
    >
      <Thumb path={member.path} box={member.box} />
      <div className="fc-marks">
        {marks.map((mark) => (
          <span key={mark} className={mark === "to delete" ? "fc-mark-bad" : ""} title={mark === "in coreset" ? TERMS.inCoreset : undefined}>
            {mark}
          </span>
        ))}
      </div>
      {!leads && (
        <div className="fc-offers">
          <button type="button" tabIndex={-1} data-cy="coreset-keep-instead" title="Keep this one instead (K)" onClick={onKeep}>
            Keep this
          </button>
          <button type="button" tabIndex={-1} data-cy="coreset-apart" title="This one is no copy of the others (X)" aria-label="No copy" onClick={onApart}>
            ✕
          </button>
        </div>
      )}
      <figcaption>
        {leads ? <b title={TERMS.stays}>stays</b> : member.agreement !== null ? <span title={TERMS.agree}>pixels agree {percent(Math.max(0, member.agreement))}</span> : null}
        {!leads && member.distance !== null && <span title={TERMS.distance}>distance {member.distance.toFixed(2)}</span>}
        {sized && member.size && <span>{member.size.join(" × ")}</span>}
      </figcaption>
    </figure>
  );
}
