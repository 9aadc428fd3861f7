import React, { useState } from "react";
import { count, percent } from "./budget";
import { CATEGORIES, css } from "./colors";
import { useLoaded } from "./hooks";
import { LearningChart } from "./LearningCurve";
import { Call, Campaign, Legend, Round } from "./protocol";
import { changeOf, dayOf, isClear, oneDecimal, parseTarget, restOf } from "./rounds";
import { memory } from "./server";
import { Spots } from "./Spots";
import { Term } from "./Term";
import { TERMS } from "./terms";
import { ChosenCampaign } from "./useCampaign";

export interface Props {
  dataset: string;
  campaign: ChosenCampaign;
  call: Call;
  /** Runs an action and says so until it is done. */
  act: (label: string, done: Promise<unknown>) => void;
  width: number;
  wide: boolean;
  /** The legend of the map if it is coloured by round: the timeline takes its colours. */
  legend: Legend | null;
}

/** Rounds of the timeline that are shown before one asks for all. */
const SHOWN = 4;
const TARGET = 0.9;

/** Targets chosen earlier, by campaign. */
const targets = new Map<string, number>();

/** What a campaign of labelling rounds has brought, and how to carry it on. */
export function Rounds({ dataset, campaign, call, act, width, wide, legend }: Props) {
  const { value, error, keys, pick } = campaign;
  if (!value) return <p className="fc-message">{error || "Loading the labelling rounds …"}</p>;
  const last = value.rounds[value.rounds.length - 1];
  const open = value.rounds.filter((round) => round.open);
  const identity = `${dataset}/${value.key}/${value.version}`;
  return (
    <>
      <div className="fc-scroll" data-cy="coreset-rounds">
        <section className="fc-section">
          <div className="fc-rounds-head">
            <h3>
              <Term name="round">Rounds</Term>
            </h3>
            <span className="fc-faint">labels in {value.labelField}</span>
            {keys.length > 1 && (
              <select aria-label="Labelling rounds" data-cy="coreset-campaign" value={value.key} onChange={(event) => pick(event.target.value)}>
                {keys.map((key) => (
                  <option key={key}>{key}</option>
                ))}
              </select>
            )}
          </div>
          {error && <p className="fc-warning">{error}</p>}
          <Timeline
            rounds={value.rounds}
            color={(number) => roundColor(legend, number)}
            onOpen={(number) => act(`Opening round ${number} …`, call("show_round", { key: value.key, number }))}
          />
        </section>
        <Growth key={value.key} identity={identity} campaign={value} call={call} width={width} height={wide ? 170 : 190} />
        <Spots key={identity} identity={identity} campaign={value} call={call} act={act} />
      </div>
      <div className="fc-actions">
        {open.map(({ number }) => (
          <button key={number} type="button" className="fc-primary" data-cy="coreset-record-round" onClick={() => act("", call("record_batch", { key: value.key, number }))}>
            Record round {number}…
          </button>
        ))}
        <div>
          {last && (
            <button type="button" data-cy="coreset-open-batch" onClick={() => act("Opening the batch …", call("show_round", { key: value.key, number: last.number }))}>
              {last.open ? "Open the batch" : "Open the last batch"}
            </button>
          )}
          <button type="button" className={open.length ? "" : "fc-primary"} data-cy="coreset-next-batch" onClick={() => act("", call("select_batch", { key: value.key }))}>
            Select next batch…
          </button>
        </div>
      </div>
    </>
  );
}

/** The colour that the map gives a round; null where it is not coloured by named rounds. */
function roundColor(legend: Legend | null, number: number): string | null {
  const code = legend?.kind === "category" ? legend.labels.indexOf(`round ${number}`) : -1;
  return code < 0 ? null : css(CATEGORIES[code]);
}

interface TimelineProps {
  rounds: Round[];
  color: (number: number) => string | null;
  onOpen: (number: number) => void;
}

/** All rounds, the latest first; a click opens the batch. */
function Timeline({ rounds, color, onOpen }: TimelineProps) {
  const [all, setAll] = useState(false);
  const shown = [...rounds].reverse().slice(0, all ? rounds.length : SHOWN);
  return (
    <>
      <ol className="fc-timeline">
        {shown.map((round) => (
          <li key={round.number}>
            <button type="button" data-cy={`coreset-round-${round.number}`} title={round.why} onClick={() => onOpen(round.number)}>
              <i style={{ background: color(round.number) ?? undefined }} className={round.open ? "fc-open" : ""} />
              <b>Round {round.number}</b>
              <span className="fc-round-score">
                {round.open ? <em>open</em> : round.accuracy !== null && oneDecimal(round.accuracy)}
                {round.change && (
                  <small className={isClear(round.change) ? (round.change[0] > 0 ? "fc-better" : "fc-worse") : ""} title={TERMS.change}>
                    {changeOf(round.change)}
                  </small>
                )}
              </span>
              <span className="fc-round-says">
                <span title={TERMS.labelled}>
                  {count(round.labelled)} of {count(round.size)} labelled
                </span>
                {restOf(round) && <span>{restOf(round)}</span>}
                {round.coverage !== null && <span title={TERMS.nearLabel}>{percent(round.coverage)} covered</span>}
                <span title={TERMS.method}>{round.method}</span>
                <time dateTime={round.created}>{dayOf(round.created)}</time>
              </span>
              {round.open && (
                <span className="fc-progress" aria-hidden="true">
                  <i style={{ width: percent(round.size ? (round.labelled + round.skipped + round.offTopic) / round.size : 0).replace(" ", "") }} />
                </span>
              )}
            </button>
          </li>
        ))}
      </ol>
      {rounds.length > SHOWN && (
        <button type="button" className="fc-chip" onClick={() => setAll(!all)}>
          {all ? "Show the latest" : `Show all ${rounds.length} rounds`}
        </button>
      )}
    </>
  );
}

export interface OfCampaign {
  /** Dataset, campaign and its version. */
  identity: string;
  campaign: Campaign;
  call: Call;
}

/** The learning curve, and what it lets expect. */
function Growth({ identity, campaign: { key, metrics, rounds }, call, width, height }: OfCampaign & { width: number; height: number }) {
  const [picked, setPicked] = useState<string | null>(null);
  const [target, setTarget] = useState(targets.get(key) ?? TARGET);
  const [text, setText] = useState<string | null>(null);
  const metric = (metrics.find(({ id }) => id === picked) ?? metrics[0])?.id ?? "accuracy";
  const loaded = useLoaded(
    () => memory.get(`${identity}/curve/${metric}/${target}`, () => call("load_learning_curve", { key, metric, target })),
    [identity, metric, target],
  );
  const curve = loaded.value;
  const covered = rounds.flatMap(({ coverage }) => (coverage === null ? [] : [coverage]));
  const typed = text === null ? target : parseTarget(text);
  const commit = () => {
    if (typed !== null) {
      targets.set(key, typed);
      setTarget(typed);
    }
    setText(null);
  };
  return (
    <>
      <section className="fc-section">
        <div className="fc-rounds-head">
          <h3>
            <Term name="curve">Learning curve</Term>
          </h3>
          {metrics.length > 0 && (
            <select aria-label="Metric" data-cy="coreset-metric" value={metric} onChange={(event) => setPicked(event.target.value)}>
              {metrics.map(({ id, label }) => (
                <option key={id} value={id}>
                  {label}
                </option>
              ))}
            </select>
          )}
        </div>
        {loaded.error && <p className="fc-warning">{loaded.error}</p>}
        {!curve && !loaded.error && <p className="fc-note">Fitting the curve …</p>}
        {curve && curve.points.length > 0 && (
          <>
            <LearningChart curve={curve} target={target} width={width} height={height} />
            <p className="fc-key">
              <i className="fc-key-point" /> <Term name="points">{curve.label}, ± SE</Term>
              {curve.random.length > 0 && (
                <>
                  {" "}
                  <i className="fc-key-random" /> <Term name="randomPart">random labels alone</Term>
                </>
              )}
              {curve.line && (
                <>
                  {" "}
                  <i className="fc-key-band" /> <Term name="band">80 % band</Term> <i className="fc-key-continued" /> <Term name="continued">expected</Term>
                </>
              )}
            </p>
          </>
        )}
        {curve?.note && <p className="fc-note">{curve.note}</p>}
        {covered.length > 0 && (
          <p className="fc-note" data-cy="coreset-covered">
            <Term name="nearLabel">Covered</Term> by the labels after each round: {covered.map((share) => percent(share)).join(", ")}
          </p>
        )}
      </section>
      <section className="fc-section">
        <div className="fc-rounds-head">
          <h3>
            <Term name="advice">Advice</Term>
          </h3>
          <label className="fc-unit" title={TERMS.target}>
            target{" "}
            <input
              className={`fc-box fc-box-percent${typed === null ? " fc-wrong" : ""}`}
              data-cy="coreset-target"
              inputMode="decimal"
              aria-invalid={typed === null}
              value={text ?? String(Number((100 * target).toPrecision(4)))}
              onChange={(event) => setText(event.target.value)}
              onBlur={commit}
              onKeyDown={(event) => {
                if (event.key === "Enter") commit();
                if (event.key === "Escape") setText(null);
                event.stopPropagation();
              }}
            />{" "}
            %
          </label>
        </div>
        <ul className="fc-advice" data-cy="coreset-advice">
          {(curve?.advice ?? []).map((line) => (
            <li key={line.text} title={`Read from: ${line.evidence}`}>
              {line.text}
              <small>{line.evidence}</small>
            </li>
          ))}
        </ul>
      </section>
    </>
  );
}
