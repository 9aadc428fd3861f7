import { describe, expect, it } from "vitest";
import { budgetForCoverage, budgetOnCurve, count, fromSlider, Left, liveRows, NEVER, parseBudget, percent, short, statusCodes, statusCounts, stepFrom, toSlider, valueAt } from "../src/budget";
import { STATUS } from "../src/colors";
import { Curve } from "../src/protocol";
import numbers from "./numbers.json";

describe("a typed budget", () => {
  it.each([
    ["180", 180],
    ["1,800", 1800],
    [" 10% ", 200],
    ["2.5 %", 50],
    ["100%", 2000],
    ["2000", 2000],
  ])("%s is %d of 2,000", (text, k) => expect(parseBudget(text, 2000)).toBe(k));
  it.each(["0", "2001", "101%", "1.5", "ten", "", "-3", "0.001%", "10 % of"])("'%s' is refused", (text) =>
    expect(parseBudget(text, 2000)).toBeNull(),
  );
});

describe("the slider", () => {
  it.each([1, 7, 1797, 100_000, 1_000_000])("comes back to the same budget of %d", (n) => {
    for (const k of [1, 2, 5, 90, 1000, 54_321, n].filter((k) => k <= n && k >= Math.floor(n / 500)))
      expect(Math.abs(fromSlider(toSlider(k, n), n) - k)).toBeLessThanOrEqual(1);
    expect(toSlider(n, n)).toBe(1);
    expect(fromSlider(1, n)).toBe(n);
    expect(fromSlider(0, n)).toBeGreaterThanOrEqual(1);
  });
  it.each([7, 60, 1797, 1_000_000])("moves with every press of an arrow key, of %d", (n) => {
    let [k, presses] = [1, 0];
    for (; k < n; presses++) {
      const next = stepFrom(k, 1, n);
      expect(next).toBeGreaterThan(k);
      expect(stepFrom(next, -1, n)).toBeLessThan(next);
      k = next;
    }
    expect(presses).toBeLessThanOrEqual(Math.min(n, 200 + Math.log(500) / 0.005));
    expect([stepFrom(n, 1, n), stepFrom(1, -1, n)]).toEqual([n, 1]);
  });
  it("gives equal ratios equal room", () => {
    const n = 100_000;
    expect(toSlider(2000, n) - toSlider(1000, n)).toBeCloseTo(toSlider(40_000, n) - toSlider(20_000, n), 9);
  });
});

describe("numbers", () => {
  it("are written to be read", () => {
    expect(count(1234567)).toBe("1,234,567");
// the server writes the same numbers the same way: tests/diagnostics/test_tables.py reads this file too
    for (const [value, text] of numbers.short) expect(short(Number(value))).toBe(text);
    for (const [value, text] of numbers.percent) expect(percent(Number(value))).toBe(text);
    expect(short(NaN)).toBe("-");
  });
});

// Rows in rank order. 0 stands alone; 1 is like 0 (covered from 1); 2 is a near-duplicate of 0; 3 is like 2;
// 4 stands alone; 5 is a near-duplicate of 4.
const coveredAt = Uint32Array.of(1, 1, 1, 3, 5, 5);
const duplicateAt = Uint32Array.of(NEVER, NEVER, 1, NEVER, NEVER, 5);
const { kept, redundant, covered, uncovered } = STATUS;

describe("the status of every row", () => {
  it.each([
    [1, [kept, covered, redundant, uncovered, uncovered, uncovered]],
    [3, [kept, kept, kept, covered, uncovered, uncovered]],
    [5, [kept, kept, kept, kept, kept, redundant]],
    [6, [kept, kept, kept, kept, kept, kept]],
  ])("at budget %d", (k, expected) => {
    const codes = new Uint8Array(6);
    statusCodes(coveredAt, duplicateAt, k, codes);
    expect([...codes]).toEqual(expected);
    const counts = statusCounts(codes, null);
    expect(counts.kept).toBe(k);
    expect(counts.kept + counts.redundant + counts.covered + counts.uncovered).toBe(6);
  });
  it("is none for deleted images", () => {
    const codes = new Uint8Array(6);
    statusCodes(coveredAt, duplicateAt, 3, codes);
    expect(statusCounts(codes, Uint8Array.of(1, 0, 1, 1, 1, 0))).toEqual({ kept: 2, redundant: 0, covered: 1, uncovered: 1 });
  });
  it("never uncovers what a smaller budget covered", () => {
    let before = 0;
    for (let k = 1; k <= 6; k++) {
      const codes = new Uint8Array(6);
      statusCodes(coveredAt, duplicateAt, k, codes);
      const now = 6 - statusCounts(codes, null).uncovered;
      expect(now).toBeGreaterThanOrEqual(before);
      before = now;
    }
  });
});

describe("the smallest budget for a coverage", () => {
  it("is the one at which enough rows are covered, and not the one before", () => {
    expect(budgetForCoverage(coveredAt, 0.5, null)).toBe(1);
    expect(budgetForCoverage(coveredAt, 4 / 6, null)).toBe(3);
    expect(budgetForCoverage(coveredAt, 1, null)).toBe(5);
    expect(budgetForCoverage(coveredAt, 1, Uint8Array.of(1, 1, 1, 1, 0, 0))).toBe(3);
  });
  it("is none where nothing covers", () => {
    expect(budgetForCoverage(Uint32Array.of(1, NEVER), 1, null)).toBeNull();
    expect(budgetForCoverage(new Uint32Array(0), 0.5, null)).toBeNull();
  });
});

describe("budgets of what is left", () => {
  const left = new Left(6, Uint8Array.of(1, 0, 1, 1, 0, 1));
  it("count images, not ranks", () => {
    expect(left.n).toBe(4);
    expect([0, 1, 2, 3, 4, 5, 6].map((k) => left.among(k))).toEqual([0, 1, 1, 2, 3, 3, 4]);
    for (const kept of [1, 2, 3, 4]) expect(left.among(left.rankFor(kept))).toBe(kept);
    expect(left.rankFor(2)).toBe(3);
  });
  it("are ranks where nothing was deleted", () => {
    const all = new Left(6, null);
    expect([all.n, all.among(4), all.rankFor(4)]).toEqual([6, 4, 4]);
  });
});

const curve: Curve = {
  budgets: [1, 10, 100],
  figures: [
    { id: "coverage", label: "Covered", share: true, better: "high", explanation: "", values: [0.1, 0.5, 1], mean: [0.2, 0.3, 1], sd: [0.1, 0.01, 0] },
    { id: "near_duplicate_rate", label: "Near", share: true, better: "low", explanation: "", values: [0, 0.2, 0.4], mean: [0, 0.01, 0.4], sd: [0, 0.01, 0] },
  ],
  knees: [10],
  note: "",
};

describe("the curve", () => {
  it("is read in the logarithm of the budget", () => {
    const { values } = curve.figures[0];
    expect(valueAt(curve.budgets, values, 10)).toBeCloseTo(0.5);
    expect(valueAt(curve.budgets, values, Math.sqrt(1000))).toBeCloseTo(0.75);
    expect(valueAt(curve.budgets, values, 1000)).toBe(1);
    expect(valueAt(curve.budgets, values, 0.5)).toBe(0.1);
  });
  it("gives the budget for a coverage", () => {
    expect(budgetOnCurve(curve, 0.5)).toBe(10);
    expect(budgetOnCurve(curve, 0.75)).toBe(32);
    expect(budgetOnCurve(curve, 0.05)).toBe(1);
    expect(budgetOnCurve({ ...curve, figures: [{ ...curve.figures[0], values: [0.1, 0.2, 0.3] }] }, 0.9)).toBeNull();
  });
  it("is judged against random as the report is: beyond three standard deviations", () => {
    expect(liveRows(curve, 10).map((row) => row.verdict)).toEqual(["better", "worse"]);
    expect(liveRows(curve, 1).map((row) => row.verdict)).toEqual(["same", "same"]);
    expect(liveRows(curve, 10)[0]).toMatchObject({ label: "Covered", value: "50 %", random: "30 %" });
  });
});
