/** Labelling rounds: words, numbers and the geometry of the learning curve. */
import { count } from "./budget";
import { LearningCurve, Round, WeakSpot } from "./protocol";

/** A day as people read it, e.g. "29 Nov 2026". */
export function dayOf(created: string): string {
  const date = new Date(created);
  if (Number.isNaN(date.getTime())) return created;
  return date.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
}

/** A share with one decimal, e.g. "91.5 %"; small differences between rounds matter. */
export const oneDecimal = (share: number) => `${(100 * share).toFixed(1)} %`;

/** A change of the accuracy in points, e.g. "+2.5 ± 1.5". */
export const changeOf = ([change, error]: [number, number]) =>
  `${change < 0 ? "−" : "+"}${Math.abs(100 * change).toFixed(1)} ± ${(100 * error).toFixed(1)}`;

/** Whether a change is larger than chance would explain. */
export const isClear = ([change, error]: [number, number]) => Math.abs(change) > 2 * error;

/** What became of a batch besides labels, e.g. "2 skipped, 1 off-topic". */
export function restOf({ skipped, offTopic }: Round): string {
  return [skipped && `${count(skipped)} skipped`, offTopic && `${count(offTopic)} off-topic`].filter(Boolean).join(", ");
}

/** Where the expected error of a weak spot was read from. */
export function evidenceOf({ accuracy, interval, tested, covered }: WeakSpot, noun: string): string {
  const near = `${Math.round(100 * covered)} % lie near a labelled one`;
  if (accuracy === null || !interval) return `No test ${noun} here; ${near}.`;
  const [low, high] = interval.map((end) => Math.round(100 * end));
  return `${Math.round(100 * accuracy)} % of ${tested} test ${noun} right (${low} to ${high} %); ${near}.`;
}

/** A target as typed: "90", "90 %" or "0.9"; null if it is none. */
export function parseTarget(text: string): number | null {
  const match = /^\s*(\d*\.?\d+)\s*(%?)\s*$/.exec(text);
  if (!match) return null;
  const value = Number(match[1]);
  const share = match[2] || value >= 1 ? value / 100 : value;
  return share > 0 && share < 1 ? share : null;
}

export interface Frame {
  width: number;
  height: number;
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** Room right of the last round, as a share of the labels. */
const MARGIN = 0.04;

export interface Scale {
  x: (labels: number) => number;
  y: (value: number) => number;
  xTicks: number[];
  yTicks: number[];
}

/**
 * Places of the curve's parts in a frame: labels from 0, and as much of 0 to 1 as is needed. Of the band, what follows the
 * last round counts: below the first ones it may reach to 0, and would press all that is measured into a line.
 */
export function curveScale({ points: measured, random, line }: LearningCurve, target: number | null, frame: Frame): Scale {
  const points = [...measured, ...random];
  const labels = Math.max(1, ...points.map(({ n }) => n), ...(line?.n ?? []));
  const ends = points.flatMap(({ value, error }) => [value - (error ?? 0), value + (error ?? 0)]);
  const foreseen = (line?.n ?? []).flatMap((n, i) => (n < (measured.at(-1)?.n ?? 0) ? [] : [line!.low[i], line!.high[i]]));
  const values = [...ends, ...(line?.value ?? []), ...foreseen, ...(target === null ? [] : [target])];
  const room = 0.06 * Math.max(0.1, Math.max(...values) - Math.min(...values));
  const low = Math.max(0, Math.min(...values) - room);
  const high = Math.min(1, Math.max(...values) + room);
  const inner = frame.width - frame.left - frame.right;
  return {
    x: (n) => frame.left + (n / labels / (1 + MARGIN)) * inner,
    y: (value) => frame.height - frame.bottom - ((value - low) / (high - low)) * (frame.height - frame.top - frame.bottom),
    xTicks: niceTicks(0, labels, 4),
    yTicks: niceTicks(low, high, 4),
  };
}

/** Round numbers within a range, at most `most` steps apart. */
export function niceTicks(low: number, high: number, most: number): number[] {
  const rough = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough * (1 - 1e-9))!;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, nth) => Number(((first + nth) * step).toPrecision(12)));
}

/** The line up to the labels at hand, and from there on; both hold the point where they meet. */
export function splitLine(line: NonNullable<LearningCurve["line"]>, atHand: number): [[number, number][], [number, number][]] {
  const pairs = line.n.map((n, i): [number, number] => [n, line.value[i]]);
  const after = pairs.findIndex(([n]) => n > atHand);
  if (after < 0) return [pairs, []];
  return [pairs.slice(0, after), pairs.slice(Math.max(0, after - 1))];
}
