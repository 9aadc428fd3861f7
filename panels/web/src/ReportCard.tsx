import React, { useState } from "react";
import { Report, ReportRow } from "./protocol";
import { Term } from "./Term";
import { TERMS } from "./terms";

interface Props {
  /** Rows that follow the slider at once. */
  live: ReportRow[];
  note: string;
  /** What is measured anew for the budget. */
  report: Report | null;
  busy: boolean;
  error: string;
}

const VERDICTS = { better: "▲ better", worse: "▼ worse", same: "≈ like random" } as const;

/** The figures of the coreset beside what a random subset of its size would show. */
export function ReportCard({ live, note, report, busy, error }: Props) {
  const [hovered, setHovered] = useState<string | null>(null);
  const rows = [...live, ...(report?.rows ?? [])];
  const explained = rows.find((row) => row.label === hovered);
  return (
    <section className="fc-section" data-cy="coreset-report" aria-busy={busy}>
      <h3>
        <Term name="report">Report</Term> <span className="fc-busy">{busy ? "measuring …" : ""}</span>
      </h3>
      {error && <p className="fc-warning">{error}</p>}
      {rows.length > 0 && (
        <>
          <table className="fc-report" onMouseLeave={() => setHovered(null)}>
            <thead>
              <tr>
                <td />
                <th scope="col" title={TERMS.this}>
                  this
                </th>
                <th scope="col" title={TERMS.random}>
                  random
                </th>
                <td />
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <tr
                  key={row.label}
                  className={busy && !live.includes(row) ? "fc-stale" : ""}
                  tabIndex={0}
                  title={row.explanation}
                  onMouseEnter={() => setHovered(row.label)}
                  onFocus={() => setHovered(row.label)}
                >
                  <th scope="row">{row.label}</th>
                  <td>{row.value}</td>
                  <td className="fc-faint">{row.random ?? ""}</td>
                  <td className={`fc-verdict fc-${row.verdict}`} title={row.verdict ? TERMS.verdict : undefined}>{row.verdict ? VERDICTS[row.verdict] : ""}</td>
                </tr>
              ))}
            </tbody>
          </table>
          <p className="fc-explain">{explained ? `${explained.label}: ${explained.explanation}.` : note}</p>
          {(report?.warnings ?? []).map((warning) => (
            <p key={warning} className="fc-warning">
              {warning}
            </p>
          ))}
        </>
      )}
    </section>
  );
}
