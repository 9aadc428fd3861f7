import { describe, expect, it } from "vitest";
import { certainEnough, Groups, listed, restOf, scrollTo, sightOf } from "../src/groups";

const groups: Groups = {
  version: "1",
  kinds: Uint8Array.of(1, 2, 0, 1, 2, 1),
  sizes: Uint32Array.of(3, 9, 2, 5, 2, 0),
  certainty: Float32Array.of(0.9, NaN, 1, 0.6, NaN, NaN),
  distance: Float32Array.of(0.2, 0.5, 0, 0.3, 0.1, NaN),
  falseAlarms: 0.01,
  fingerprints: true,
  marked: 0,
};

describe("the groups of a tab", () => {
  it("are the largest first", () => {
    expect(listed(groups, "copies", "size")).toEqual([3, 0, 2]);
    expect(listed(groups, "look-alikes", "size")).toEqual([1, 4]);
  });
  it("or the most certain first; look-alikes the closest", () => {
    expect(listed(groups, "copies", "certainty")).toEqual([2, 0, 3]);
    expect(listed(groups, "look-alikes", "certainty")).toEqual([4, 1]);
  });
});

describe("what an action covers", () => {
  it("are copies above a certainty, never look-alikes, never what was dissolved", () => {
    expect(certainEnough(groups, 0.5)).toEqual([0, 2, 3]);
    expect(certainEnough(groups, 0.9)).toEqual([2]); // 0.9 as float32 is a little less
    expect(certainEnough(groups, 0)).toEqual([0, 2, 3]);
  });
  it("is counted without the representatives", () => expect(restOf(groups, [0, 1, 5])).toBe(2 + 8));
});

describe("a long list", () => {
  it.each([0, 10, 5_000, 50_000])("shows what is scrolled to, and little more (row %d)", (place) => {
    const n = 50_001;
    const shown = 600;
    const scrolled = scrollTo(place, 0, shown, 150, n);
    const { first, last, top, height } = sightOf(scrolled, shown, 150, n);
    expect(first).toBeLessThanOrEqual(place);
    expect(last).toBeGreaterThan(place);
    expect(last - first).toBeLessThanOrEqual(5 + 5);
    const y = top + (place - first) * 150 - scrolled;
    expect(y).toBeGreaterThanOrEqual(-1);
    expect(y + 150).toBeLessThanOrEqual(shown + 1);
    expect(height).toBeLessThanOrEqual(8_000_000);
  });
  it("of a million groups can be scrolled to its end", () => {
    const n = 1_000_000;
    const { height } = sightOf(0, 600, 150, n);
    const end = sightOf(height - 600, 600, 150, n);
    expect(end.last).toBe(n);
    expect(scrollTo(n - 1, 0, 600, 150, n)).toBeCloseTo(height - 600, 3);
  });
  it("stays where it is if the row is in sight", () => expect(scrollTo(3, 300, 600, 150, 100)).toBe(300));
  it("may be empty or short", () => {
    expect(sightOf(0, 600, 150, 0)).toEqual({ first: 0, last: 0, top: 0, height: 0 });
    expect(sightOf(0, 600, 150, 2)).toEqual({ first: 0, last: 2, top: 0, height: 300 });
    expect(scrollTo(1, 0, 600, 150, 2)).toBe(0);
  });
});
