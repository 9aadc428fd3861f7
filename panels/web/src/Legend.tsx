import React from "react";
import { count } from "./budget";
import { CATEGORIES, css, MISSING, Mode, neutral, ordered, STATUS, Status, statusColor } from "./colors";
import { STATUSES } from "./Budget";
import { Legend as Scale } from "./protocol";

interface Props {
  title: string;
  mode: Mode;
  /** "status" and "kept" are drawn without a scale from the server. */
  kind: "status" | "kept" | "scale";
  scale: Scale | null;
  /** Codes that the map shows alone; all if there are none. */
  only: ReadonlySet<number>;
  onToggle: (code: number) => void;
  /** Whether the map marks what the budget keeps. */
  marksKept: boolean;
  /** Opens the figures of the two runs that the colours compare. */
  onCompare?: () => void;
}

interface Entry {
  code: number;
  color: string;
  label: string;
  note?: string;
}

/** What the colours of the map mean; a click on an entry shows its images alone, a second one all again. */
export function Legend({ title, mode, kind, scale, only, onToggle, marksKept, onCompare }: Props) {
  return (
    <div className="fc-legend" data-cy="coreset-legend">
      {kind === "scale" && <b>{title}</b>}
      {kind === "scale" && scale?.kind === "ordered" && (
        <div className="fc-ramp">
          <span>{scale.low}</span>
          <i style={{ background: `linear-gradient(to right, ${ramp(mode)})` }} />
          <span>{scale.high}</span>
        </div>
      )}
      {entries(kind, scale, mode).map(({ code, color, label, note }) => (
        <button
          key={code}
          type="button"
          className={`fc-swatch${only.size && !only.has(code) ? " fc-left-out" : ""}`}
          aria-pressed={only.has(code)}
          data-cy={`coreset-legend-${code}`}
          title={only.has(code) ? "Show all again" : `Show only: ${label}`}
          onClick={() => onToggle(code)}
        >
          <i style={{ background: color }} />
          {label}
          {note && <small>{note}</small>}
        </button>
      ))}
      {kind === "scale" && marksKept && <span className="fc-faint">large, ringed: kept</span>}
      {onCompare && (
        <button type="button" className="fc-compare" data-cy="coreset-compare" title="Overlap, coverage and class drift of the two runs" onClick={onCompare}>
          Compare…
        </button>
      )}
    </div>
  );
}

function entries(kind: Props["kind"], scale: Scale | null, mode: Mode): Entry[] {
  const status = (name: Status, label: string) => ({ code: STATUS[name], color: css(statusColor(name, mode)), label });
  if (kind === "status") return STATUSES.map((entry) => status(entry.status, entry.label));
  if (kind === "kept") return [status("kept", "Kept"), status("covered", "Not kept")];
  if (!scale) return [];
  const named = scale.kind === "category" ? scale.labels : [];
  const found: Entry[] = named.map((label, code) => ({
    code,
    color: css(CATEGORIES[code] ?? neutral(mode)),
    label,
    note: scale.kind === "category" ? count(scale.counts[code]) : undefined,
  }));
  if (scale.missing) {
    const label = (scale.kind === "category" && scale.missingLabel) || "no value";
    found.push({ code: MISSING, color: css(neutral(mode)), label, note: count(scale.missing) });
  }
  return found;
}

const ramp = (mode: Mode) => [0, 0.25, 0.5, 0.75, 1].map((t) => css(ordered(t, mode))).join(", ");
