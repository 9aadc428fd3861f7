import React from "react";
import { Call, RunList } from "./protocol";

/** What the panel shows while there is no run: what it is for, and the next step. */
export function Empty({ list, call, notice }: { list: RunList; call: Call; notice: string }) {
  const ready = list.embeddings.length > 0;
  return (
    <div className="fc-empty" data-cy="coreset-empty">
      {notice && <p data-cy="coreset-notice">{notice}</p>}
      <Sketch />
      <h2>Choose what is worth keeping</h2>
      <p>
        Score the dataset once, then see what covers it, what repeats something else and what a budget would leave out.
      </p>
      <ol>
        <li className={ready ? "fc-done" : ""}>
          {ready ? `Embeddings: ${list.embeddings.slice(0, 3).join(", ")}` : "Compute embeddings"}
        </li>
        <li>Compute scores</li>
        <li>Move the budget here and save the view</li>
      </ol>
      {ready ? (
        <button type="button" className="fc-primary" data-cy="coreset-run-scores" onClick={() => call("run_scores", {})}>
          Compute scores…
        </button>
      ) : (
        <button type="button" className="fc-primary" data-cy="coreset-embed" disabled={!list.samples} onClick={() => call("compute_embeddings", {})}>
          Compute embeddings…
        </button>
      )}
      {!list.samples && <p className="fc-faint">The dataset has no samples yet.</p>}
    </div>
  );
}

/** A small map: many dropped, few kept. */
function Sketch() {
  const dots = [[14, 34], [22, 26], [26, 40], [34, 32], [30, 22], [62, 18], [70, 26], [78, 16], [72, 10], [66, 32], [58, 52], [68, 58], [50, 60], [60, 66]];
  const kept = [[24, 32], [71, 20], [59, 59]];
  return (
    <svg className="fc-sketch" viewBox="0 0 96 76" width={120} aria-hidden="true">
      {kept.map(([x, y]) => (
        <circle key={x} cx={x} cy={y} r={17} className="fc-sketch-reach" />
      ))}
      {dots.map(([x, y]) => (
        <circle key={`${x} ${y}`} cx={x} cy={y} r={2.4} className="fc-sketch-dot" />
      ))}
      {kept.map(([x, y]) => (
        <circle key={x} cx={x} cy={y} r={4} className="fc-sketch-kept" />
      ))}
    </svg>
  );
}
