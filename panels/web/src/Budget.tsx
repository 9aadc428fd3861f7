import React, { useEffect, useState } from "react";
import { count, fromSlider, parseBudget, percent, stepFrom, toSlider } from "./budget";
import { css, Mode, Status, statusColor } from "./colors";
import { CurveChart } from "./Curve";
import { Curve } from "./protocol";
import { Term } from "./Term";
import { TermName, TERMS } from "./terms";

interface Props {
  /** How many images there are, and how many of them are kept. */
  n: number;
  noun: string;
  k: number;
  /** Whether fingerprints told what is redundant. */
  fingerprints: boolean;
  /** The same of the run's time, which the curve counts in. */
  ranked: { n: number; k: number; onBudget: (k: number) => void };
  mode: Mode;
  width: number;
  wide: boolean;
  /** How many images have each status; null while that is being measured. */
  counts: Record<Status, number> | null;
  /** Why there are no counts, or that they are on their way. */
  countsNote: string;
  curve: Curve | null;
  curveNote: string;
  onBudget: (k: number) => void;
  /** The smallest budget for a share, or null. */
  budgetFor: (share: number) => number | null;
}

const TARGETS = [0.8, 0.9, 0.95, 0.99];
const ARROWS: Record<string, 1 | -1 | undefined> = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 };

/** From what is good to what is not. */
export const STATUSES: { status: Status; label: string; says: string; term: TermName }[] = [
  { status: "kept", label: "Kept", says: "in the coreset", term: "kept" },
  { status: "redundant", label: "Redundant", says: "look-alike of a kept one", term: "lookAlike" },
  { status: "covered", label: "Covered", says: "like a kept one", term: "covered" },
  { status: "uncovered", label: "Uncovered", says: "unlike any kept one", term: "uncovered" },
];

const NEAR_COPY = { says: "near-copy of a kept one", term: "nearCopy" } as const;

/** Chooses how much to keep, and says what that keeps, covers and leaves out. */
export function Budget(props: Props) {
  const { n, k, mode, counts, onBudget } = props;
  const tiles = STATUSES.map((tile) => (props.fingerprints && tile.status === "redundant" ? { ...tile, ...NEAR_COPY } : tile));
  return (
    <section className="fc-section">
      <div className="fc-budget-row">
        <h3>
          <Term name="budget">Budget</Term>
        </h3>
        <NumberBox label={`Budget in number of ${props.noun}`} name="count" value={count(k)} n={n} onBudget={onBudget} />
        <span className="fc-unit">{props.noun} =</span>
        <NumberBox
          label="Budget in percent"
          name="percent"
          value={((100 * k) / n).toFixed((100 * k) / n < 10 ? 2 : 1)}
          suffix="%"
          n={n}
          onBudget={onBudget}
        />
        <span className="fc-unit">%</span>
      </div>
      {counts ? (
        <>
          <div className="fc-bar" aria-hidden="true">
            {STATUSES.map(({ status }) => (
              <i key={status} style={{ flexGrow: counts[status], background: css(statusColor(status, mode)) }} />
            ))}
          </div>
          <dl className="fc-tiles">
            {tiles.map(({ status, label, says, term }) => (
              <div key={status} title={TERMS[term]} data-cy={`coreset-tile-${status}`}>
                <dt>
                  <i style={{ background: css(statusColor(status, mode)) }} />
                  {label}
                </dt>
                <dd>
                  <b>{percent(counts[status] / n)}</b> <span>{count(counts[status])}</span>
                  <small>{says}</small>
                </dd>
              </div>
            ))}
          </dl>
        </>
      ) : (
        <p className="fc-note">{props.countsNote}</p>
      )}
      {props.curve ? (
        <CurveChart curve={props.curve} {...props.ranked} width={props.width} height={props.wide ? 148 : 118} />
      ) : (
        <p className="fc-note">{props.curveNote}</p>
      )}
      <input
        className="fc-slider"
        data-cy="coreset-slider"
        aria-label="Budget"
        aria-valuetext={`${count(k)} ${props.noun}`}
        type="range"
        min={0}
        max={1000}
        step={1}
        value={Math.round(toSlider(k, n) * 1000)}
        onChange={(event) => onBudget(fromSlider(Number(event.target.value) / 1000, n))}
        onKeyDown={(event) => {
          const by = ARROWS[event.key];
          if (!by) return;
          event.preventDefault();
          onBudget(stepFrom(k, by, n));
        }}
      />
      {props.curve && (
        <p className="fc-key">
          <i className="fc-key-covered" /> <Term name="coverage">covered %</Term> <i className="fc-key-redundant" />{" "}
          <Term name="repeats">near-duplicates kept %</Term> <i className="fc-key-band" /> <Term name="chance">random</Term>{" "}
          <i className="fc-key-knee" /> <Term name="knee">knee</Term>
        </p>
      )}
      <div className="fc-targets">
        <Term name="smallest">Smallest budget covering</Term>
        {TARGETS.map((share) => {
          const budget = props.budgetFor(share);
          return (
            <button
              key={share}
              type="button"
              className="fc-chip"
              data-cy={`coreset-target-${Math.round(share * 100)}`}
              disabled={budget === null}
              title={budget === null ? "Not reached by any budget" : `${count(budget)} ${props.noun}`}
              onClick={() => budget !== null && onBudget(budget)}
            >
              {Math.round(share * 100)} %
            </button>
          );
        })}
      </div>
    </section>
  );
}

interface BoxProps {
  label: string;
  name: string;
  value: string;
  suffix?: string;
  n: number;
  onBudget: (k: number) => void;
}

/** A box that takes "180" as well as "10 %" and shows when it cannot. */
function NumberBox({ label, name, value, suffix = "", n, onBudget }: BoxProps) {
  const [text, setText] = useState<string | null>(null);
  useEffect(() => setText(null), [value]);
  const typed = text === null ? null : parseBudget(text.includes("%") ? text : text + suffix, n);
  const commit = () => {
    if (typed !== null) onBudget(typed);
    setText(null);
  };
  const wrong = text !== null && typed === null;
  return (
    <input
      className={`fc-box fc-box-${name}${wrong ? " fc-wrong" : ""}`}
      data-cy={`coreset-${name}`}
      aria-label={label}
      aria-invalid={wrong}
      title={wrong ? `A count from 1 to ${count(n)}, or a percentage` : label}
      inputMode="decimal"
      value={text ?? value}
      onChange={(event) => setText(event.target.value)}
      onBlur={commit}
      onKeyDown={(event) => {
        if (event.key === "Enter") commit();
        if (event.key === "Escape") setText(null);
        event.stopPropagation();
      }}
    />
  );
}
