/** Budgets: how many images are kept, and what that makes of every image. */
import { STATUS, Status } from "./colors";
import { Curve, CurveFigure, ReportRow } from "./protocol";

/** In `duplicateAt`: no other image is a near-duplicate. */
export const NEVER = 0xffffffff;

/** The smallest budget that the slider offers: 1 in 500. The number box takes any. */
const smallest = (n: number) => Math.max(1, Math.floor(n / 500));

/** Where a budget lies on the slider and on the curve, 0 to 1: budgets are read in ratios, so the scale is a logarithm. */
export function toSlider(k: number, n: number): number {
  const low = smallest(n);
  if (n <= low) return 1;
  return Math.min(1, Math.max(0, Math.log(k / low) / Math.log(n / low)));
}

/** The budget at a place of the slider. */
export function fromSlider(t: number, n: number): number {
  const low = smallest(n);
  return Math.min(n, Math.max(1, Math.round(low * (n / low) ** Math.min(1, Math.max(0, t)))));
}

/** The budget one press of an arrow key away: half a percent of the slider, and never the same one. */
export function stepFrom(k: number, by: 1 | -1, n: number): number {
  const near = fromSlider(toSlider(k, n) + 0.005 * by, n);
  return Math.min(n, Math.max(1, by > 0 ? Math.max(k + 1, near) : Math.min(k - 1, near)));
}

/** A budget as typed: "180", "1,800", "10%" or "2.5 %"; null if it is none. */
export function parseBudget(text: string, n: number): number | null {
  const match = /^\s*([\d,]*\.?\d+)\s*(%?)\s*$/.exec(text);
  if (!match) return null;
  const value = Number(match[1].replaceAll(",", ""));
  const k = match[2] ? Math.round((value / 100) * n) : value;
  return Number.isInteger(k) && k >= 1 && k <= n ? k : null;
}

/** A share as a percentage with as many digits as say something. */
export function percent(share: number): string {
  const value = share * 100;
  if (value > 0 && value < 0.1) return "< 0.1 %";
  if (value > 99.9 && value < 100) return "> 99.9 %";
  return `${value < 10 && !Number.isInteger(value) ? value.toFixed(1) : Math.round(value)} %`;
}

export const count = (value: number) => value.toLocaleString("en-US");

/** A number of rows in words, e.g. "1 frame" of 1 and "frames". */
export const counted = (n: number, noun: string) => `${count(n)} ${n === 1 ? noun.replace(/s$/, "") : noun}`;

/** Budgets in images that are left, where some were deleted since the run, and as the first k of its ranking. */
export class Left {
  /** The ranks that are left, ascending; null if all are. */
  private readonly ranks: Uint32Array | null;
  /** How many are left. */
  readonly n: number;

  constructor(n: number, alive: Uint8Array | null) {
    this.ranks = alive && Uint32Array.from({ length: n }, (_, rank) => rank).filter((rank) => alive[rank]);
    this.n = this.ranks?.length ?? n;
  }

  /** How many of the first k are left. */
  among(k: number): number {
    if (!this.ranks) return k;
    let [low, high] = [0, this.ranks.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.ranks[middle] < k) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The smallest k whose first k hold so many that are left. */
  rankFor(count: number): number {
    return this.ranks ? this.ranks[count - 1] + 1 : count;
  }
}

/** What each row is at budget k; rows are in rank order, so the first k are kept. */
export function statusCodes(coveredAt: Uint32Array, duplicateAt: Uint32Array, k: number, into: Uint8Array): void {
  into.fill(STATUS.kept, 0, k);
  for (let row = k; row < into.length; row++) {
    if (duplicateAt[row] <= k) into[row] = STATUS.redundant;
    else into[row] = coveredAt[row] <= k ? STATUS.covered : STATUS.uncovered;
  }
}

/** How many rows have each status; deleted ones have none. */
export function statusCounts(codes: Uint8Array, alive: Uint8Array | null): Record<Status, number> {
  const counts = { uncovered: 0, covered: 0, redundant: 0, kept: 0 };
  const names = Object.keys(STATUS) as Status[];
  const byCode = new Uint32Array(names.length);
  for (let row = 0; row < codes.length; row++) if (!alive || alive[row]) byCode[codes[row]]++;
  for (const name of names) counts[name] = byCode[STATUS[name]];
  return counts;
}

/** The smallest budget at which a share of the rows is covered, or null where even all do not reach it. */
export function budgetForCoverage(coveredAt: Uint32Array, share: number, alive: Uint8Array | null): number | null {
  const sorted = alive ? coveredAt.filter((_, row) => alive[row]) : coveredAt.slice();
  if (!sorted.length) return null;
  sorted.sort();
  const needed = Math.ceil(share * sorted.length - 1e-9);
  const k = sorted[Math.max(0, needed - 1)];
  return k === NEVER ? null : Math.max(1, k);
}

/** The same read off the curve, between its budgets. */
export function budgetOnCurve(curve: Curve, share: number): number | null {
  const { values } = figureOf(curve, "coverage");
  const at = values.findIndex((value) => value >= share);
  if (at < 0) return null;
  if (at === 0) return curve.budgets[0];
  const t = (share - values[at - 1]) / (values[at] - values[at - 1]);
  return Math.ceil(Math.exp(mix(Math.log(curve.budgets[at - 1]), Math.log(curve.budgets[at]), t)) - 1e-9);
}

export function figureOf(curve: Curve, id: string): CurveFigure {
  const figure = curve.figures.find((candidate) => candidate.id === id);
  if (!figure) throw new Error(`The curve has no figure '${id}'.`);
  return figure;
}

const mix = (from: number, to: number, t: number) => from + t * (to - from);

/** A line of the curve at a budget, linear in the logarithm of the budget as the server reads it. */
export function valueAt(budgets: number[], values: number[], k: number): number {
  if (!budgets.length) return NaN;
  if (k <= budgets[0]) return values[0];
  for (let i = 1; i < budgets.length; i++) {
    if (k <= budgets[i]) {
      const t = Math.log(k / budgets[i - 1]) / Math.log(budgets[i] / budgets[i - 1]);
      return mix(values[i - 1], values[i], t);
    }
  }
  return values[values.length - 1];
}

/** Three significant digits. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return "-";
  return Math.abs(value) >= 1000 ? count(Math.round(value)) : String(Number(value.toPrecision(3)));
}

/** The rows of the report that follow the slider. */
export function liveRows(curve: Curve, k: number): ReportRow[] {
  return curve.figures.map(({ label, share, better, explanation, values, mean, sd }) => {
    const [value, random, spread] = [values, mean, sd].map((line) => valueAt(curve.budgets, line, k));
    const gap = value - random;
    const like = Math.abs(gap) <= 3 * spread;
    const write = share ? percent : short;
    return {
      label,
      value: write(value),
      random: write(random),
      verdict: !better ? null : like ? "same" : gap > 0 === (better === "high") ? "better" : "worse",
      explanation,
    };
  });
}
