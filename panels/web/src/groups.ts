/** Groups of near-duplicates as numbers: which are listed, in what order, which lie in sight, and what an action covers. */
import { GroupList } from "./protocol";

/** The groups with their arrays decoded. */
export interface Groups extends Omit<GroupList, "kinds" | "sizes" | "certainty" | "distance"> {
  kinds: Uint8Array;
  sizes: Uint32Array;
  certainty: Float32Array;
  distance: Float32Array;
}

export const KIND = { exact: 0, nearCopy: 1, lookAlike: 2 } as const;

/** Copies are shown apart from what only looks alike to the model. */
export type Tab = "copies" | "look-alikes";
export type Order = "size" | "certainty";

const isCopy = (groups: Groups, number: number) => groups.kinds[number] !== KIND.lookAlike;

/** The numbers of the groups of a tab: the largest first, or the most certain (of look-alikes, the closest) first. */
export function listed(groups: Groups, tab: Tab, order: Order): number[] {
  const { sizes, certainty, distance } = groups;
  const numbers = Array.from(sizes.keys()).filter((number) => sizes[number] > 1 && isCopy(groups, number) === (tab === "copies"));
  const bySize = (a: number, b: number) => sizes[b] - sizes[a];
  const byCertainty = (a: number, b: number) => (tab === "copies" ? certainty[b] - certainty[a] : distance[a] - distance[b]);
  const [first, second] = order === "size" ? [bySize, byCertainty] : [byCertainty, bySize];
  return numbers.sort((a, b) => first(a, b) || second(a, b) || a - b);
}

/** The copies that are at least so certain. */
export function certainEnough(groups: Groups, least: number): number[] {
  return Array.from(groups.sizes.keys()).filter((number) => groups.sizes[number] > 1 && groups.certainty[number] >= least);
}

/** How many images groups hold besides their representatives. */
export const restOf = (groups: Groups, numbers: Iterable<number>) => {
  let rest = 0;
  for (const number of numbers) rest += Math.max(0, groups.sizes[number] - 1);
  return rest;
};

/** Browsers draw elements up to about this many pixels high; longer lists are scrolled in proportion. */
const TALLEST = 8_000_000;

export interface Sight {
  /** Places of the list in sight, from the first to before the last. */
  first: number;
  last: number;
  /** Where the first one lies in the scrolled element. */
  top: number;
  /** How high the scrolled element is. */
  height: number;
}

/** The part of a list of equal rows that is in sight, and a few rows around it. */
export function sightOf(scrolled: number, shown: number, row: number, n: number, around = 2): Sight {
  const whole = n * row;
  const height = Math.min(whole, TALLEST);
  const ratio = height > shown ? (whole - shown) / (height - shown) : 1;
  const from = Math.min(Math.max(0, whole - shown), Math.max(0, scrolled) * ratio);
  const first = Math.max(0, Math.floor(from / row) - around);
  const last = Math.min(n, Math.ceil((from + shown) / row) + around);
  return { first, last, top: scrolled - (from - first * row), height };
}

/** How far to scroll so that a row is in sight: not at all if it is. */
export function scrollTo(place: number, scrolled: number, shown: number, row: number, n: number): number {
  const whole = n * row;
  const height = Math.min(whole, TALLEST);
  const ratio = height > shown ? (whole - shown) / (height - shown) : 1;
  const from = scrolled * ratio;
  const wanted = Math.max((place + 1) * row - shown, Math.min(from, place * row));
  return wanted === from ? scrolled : wanted / ratio;
}
