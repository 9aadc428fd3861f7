import React from "react";
import { count } from "./budget";
import { CATEGORIES, css, Mode, neutral, ordered, statusColor } from "./colors";
import { STATUSES } from "./Budget";
import { Legend as Scale } from "./protocol";

interface Props {
  title: string;
  mode: Mode;
  /** "status" and "kept" are drawn without a scale from the server. */
  kind: "status" | "kept" | "scale";
  scale: Scale | null;
  /** Opens the figures of the two runs that the colours compare. */
  onCompare?: () => void;
}

/** What the colours of the map mean. */
export function Legend({ title, mode, kind, scale, onCompare }: Props) {
  return (
    <div className="fc-legend" data-cy="coreset-legend">
      {kind === "status" && STATUSES.map(({ status, label }) => <Swatch key={status} color={css(statusColor(status, mode))} label={label} />)}
      {kind === "kept" && (
        <>
          <Swatch color={css(statusColor("kept", mode))} label="Kept" />
          <Swatch color={css(statusColor("covered", mode))} label="Not kept" />
        </>
      )}
      {kind === "scale" && <b>{title}</b>}
      {kind === "scale" && scale?.kind === "ordered" && (
        <div className="fc-ramp">
          <span>{scale.low}</span>
          <i style={{ background: `linear-gradient(to right, ${ramp(mode)})` }} />
          <span>{scale.high}</span>
        </div>
      )}
      {kind === "scale" &&
        scale?.kind === "category" &&
        scale.labels.map((label, code) => (
          <Swatch key={label} color={css(CATEGORIES[code] ?? neutral(mode))} label={label} note={count(scale.counts[code])} />
        ))}
      {kind === "scale" && !!scale?.missing && (
        <Swatch color={css(neutral(mode))} label={(scale.kind === "category" && scale.missingLabel) || "no value"} note={count(scale.missing)} />
      )}
      {kind === "scale" && <span className="fc-faint">large, ringed: kept</span>}
      {onCompare && (
        <button type="button" data-cy="coreset-compare" title="Overlap, coverage and class drift of the two runs" onClick={onCompare}>
          Compare…
        </button>
      )}
    </div>
  );
}

const ramp = (mode: Mode) => [0, 0.25, 0.5, 0.75, 1].map((t) => css(ordered(t, mode))).join(", ");

function Swatch({ color, label, note }: { color: string; label: string; note?: string }) {
  return (
    <span className="fc-swatch">
      <i style={{ background: color }} />
      {label}
      {note && <small>{note}</small>}
    </span>
  );
}
