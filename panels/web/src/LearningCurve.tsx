import React from "react";
import { count, percent } from "./budget";
import { LearningCurve } from "./protocol";
import { curveScale, Frame, oneDecimal, splitLine } from "./rounds";

interface Props {
  curve: LearningCurve;
  target: number | null;
  width: number;
  height: number;
}

/** The metric of every round with its standard error, the fitted curve with its band, dotted where it is continued. */
export function LearningChart({ curve, target, width, height }: Props) {
  const frame: Frame = { width, height, left: 38, right: 10, top: 10, bottom: 34 };
  const scale = curveScale(curve, target, frame);
  const { x, y } = scale;
  const path = (pairs: [number, number][]) => pairs.map(([n, value], at) => `${at ? "L" : "M"}${x(n)},${y(value)}`).join("");
  const { line, points } = curve;
  const bottom = height - frame.bottom;
  const inside = (value: number) => Math.min(bottom, Math.max(frame.top, y(value)));
  const band =
    line &&
    `M${line.n.map((n, i) => `${x(n)},${inside(line.high[i])}`).join("L")}` +
      `${[...line.n.keys()].reverse().map((i) => `L${x(line.n[i])},${inside(line.low[i])}`).join("")}Z`;
  const last = points[points.length - 1];
  const [fitted, continued] = line ? splitLine(line, last.n) : [points.map(({ n, value }): [number, number] => [n, value]), []];

  return (
    <svg
      className="fc-learning"
      data-cy="coreset-learning-curve"
      viewBox={`0 0 ${width} ${height}`}
      width={width}
      height={height}
      role="img"
      aria-label={`${curve.label}: ${points.map(({ n, value }) => `${oneDecimal(value)} with ${count(n)} labels`).join(", ")}`}
    >
      {scale.yTicks.map((tick) => (
        <g key={tick}>
          <line x1={frame.left} x2={width - frame.right} y1={y(tick)} y2={y(tick)} className="fc-gridline" />
          <text x={frame.left - 6} y={y(tick) + 3.5} textAnchor="end" className="fc-tick">
            {percent(tick)}
          </text>
        </g>
      ))}
      {scale.xTicks.filter(Number.isInteger).map((tick) => (
        <text key={tick} x={x(tick)} y={height - 19} textAnchor={x(tick) > width - 24 ? "end" : "middle"} className="fc-tick">
          {count(tick)}
        </text>
      ))}
      <text x={(frame.left + width - frame.right) / 2} y={height - 5} textAnchor="middle" className="fc-tick">
        labels
      </text>
      {band && <path d={band} className="fc-band" data-cy="coreset-learning-band" />}
      {target !== null && <line x1={frame.left} x2={width - frame.right} y1={y(target)} y2={y(target)} className="fc-target-line" />}
      <path d={path(fitted)} className={line ? "fc-line fc-line-covered" : "fc-line fc-line-between"} />
      {continued.length > 0 && <path d={path(continued)} className="fc-line fc-line-continued" data-cy="coreset-learning-continued" />}
      {curve.random.map(({ n, value }) => (
        <circle key={`random-${n}`} cx={x(n)} cy={y(value)} r={3.5} className="fc-random" data-cy="coreset-learning-random">
          <title>{`${count(n)} random labels: ${oneDecimal(value)}`}</title>
        </circle>
      ))}
      {points.map(({ n, value, error }) => (
        <g key={n} className="fc-measured" data-cy="coreset-learning-point">
          <title>{`${count(n)} labels: ${oneDecimal(value)}${error === null ? "" : ` ± ${(100 * error).toFixed(1)}`}`}</title>
          {error !== null && <line x1={x(n)} x2={x(n)} y1={Math.max(frame.top, y(Math.min(1, value + error)))} y2={Math.min(bottom, y(Math.max(0, value - error)))} />}
          <circle cx={x(n)} cy={y(value)} r={4} />
        </g>
      ))}
    </svg>
  );
}
