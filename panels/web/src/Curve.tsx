import React, { useRef } from "react";
import { count, figureOf, fromSlider, percent, toSlider, valueAt } from "./budget";
import { Curve } from "./protocol";

interface Props {
  curve: Curve;
  n: number;
  k: number;
  width: number;
  height: number;
  onBudget: (k: number) => void;
}

const LEFT = 30;
const RIGHT = 8;
const TOP = 8;
const BOTTOM = 20;

/** Coverage and redundancy against the budget; a click or a drag sets the budget. */
export function CurveChart({ curve, n, k, width, height, onBudget }: Props) {
  const dragging = useRef(false);
  const inner = Math.max(40, width - LEFT - RIGHT);
  const x = (budget: number) => LEFT + toSlider(budget, n) * inner;
  const y = (share: number) => TOP + (1 - share) * (height - TOP - BOTTOM);
  const shown = curve.budgets.map((_, i) => i).filter((i) => i === curve.budgets.length - 1 || toSlider(curve.budgets[i + 1], n) > 0);
  const covered = figureOf(curve, "coverage");
  const redundant = figureOf(curve, "near_duplicate_rate");
  const line = (values: number[]) => shown.map((i, at) => `${at ? "L" : "M"}${x(curve.budgets[i])},${y(values[i])}`).join("");
  const edge = (side: number) => covered.mean.map((mean, i) => Math.min(1, Math.max(0, mean + 2 * side * covered.sd[i])));
  const [low, high] = [edge(-1), edge(1)];
  const band = `${line(high)}${[...shown].reverse().map((i) => `L${x(curve.budgets[i])},${y(low[i])}`).join("")}Z`;
  const set = (event: React.PointerEvent<SVGSVGElement>) => {
    const { left, width: shownWidth } = event.currentTarget.getBoundingClientRect();
    onBudget(fromSlider((((event.clientX - left) / shownWidth) * width - LEFT) / inner, n));
  };
  const coverage = valueAt(curve.budgets, covered.values, k);
  const redundancy = valueAt(curve.budgets, redundant.values, k);
  const ticks = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1].filter((share) => share * n >= 1 && toSlider(share * n, n) > 0.02);

  return (
    <svg
      className="fc-curve"
      data-cy="coreset-curve"
      viewBox={`0 0 ${width} ${height}`}
      width={width}
      height={height}
      role="img"
      aria-label={`At ${count(k)} kept: ${percent(coverage)} covered, ${percent(redundancy)} of the kept are near-duplicates`}
      onPointerDown={(event) => {
        dragging.current = true;
        event.currentTarget.setPointerCapture(event.pointerId);
        set(event);
      }}
      onPointerMove={(event) => dragging.current && set(event)}
      onPointerUp={() => (dragging.current = false)}
    >
      {[0, 0.5, 1].map((share) => (
        <g key={share}>
          <line x1={LEFT} x2={width - RIGHT} y1={y(share)} y2={y(share)} className="fc-gridline" />
          <text x={LEFT - 6} y={y(share) + 3.5} textAnchor="end" className="fc-tick">
            {share * 100}
          </text>
        </g>
      ))}
      {ticks.map((share) => (
        <text key={share} x={x(share * n)} y={height - 5} textAnchor={share === 1 ? "end" : "middle"} className="fc-tick">
          {share * 100} %
        </text>
      ))}
      <path d={band} className="fc-band" />
      <path d={line(redundant.values)} className="fc-line fc-line-redundant" />
      <path d={line(covered.values)} className="fc-line fc-line-covered" />
      {curve.knees.map((knee) => (
        <g key={knee} className="fc-knee">
          <title>{`Knee at ${count(knee)}: beyond it one more brings less than the average one`}</title>
          <circle cx={x(knee)} cy={y(valueAt(curve.budgets, covered.values, knee))} r={4.5} />
        </g>
      ))}
      <line x1={x(k)} x2={x(k)} y1={TOP - 4} y2={height - BOTTOM} className="fc-marker" data-cy="coreset-marker" />
      <circle cx={x(k)} cy={y(redundancy)} r={3.5} className="fc-dot-redundant" />
      <circle cx={x(k)} cy={y(coverage)} r={4} className="fc-dot-covered" />
    </svg>
  );
}
