import { describe, expect, it } from "vitest";
import { LearningCurve, Round, WeakSpot } from "../src/protocol";
import { changeOf, curveScale, dayOf, evidenceOf, isClear, niceTicks, parseTarget, restOf, splitLine } from "../src/rounds";

const FRAME = { width: 300, height: 150, left: 40, right: 10, top: 10, bottom: 20 };
const curve = (points: LearningCurve["points"], line: LearningCurve["line"] = null): LearningCurve => ({ points, random: [], line, label: "accuracy", note: "", advice: [] });

describe("words", () => {
  it("writes changes in points", () => {
    expect(changeOf([0.065, 0.025])).toBe("+6.5 ± 2.5");
    expect(changeOf([-0.035, 0.019])).toBe("−3.5 ± 1.9");
    expect(isClear([0.065, 0.025])).toBe(true);
    expect(isClear([-0.035, 0.019])).toBe(false);
  });
  it("reads days without the reader's time zone", () => {
    expect(dayOf("2026-11-29T23:50:00+00:00")).toBe("29 Nov 2026");
    expect(dayOf("yesterday")).toBe("yesterday");
  });
  it("names what was not labelled", () => {
    expect(restOf({ skipped: 2, offTopic: 1 } as Round)).toBe("2 skipped, 1 off-topic");
    expect(restOf({ skipped: 0, offTopic: 0 } as Round)).toBe("");
  });
  it("says where an expected error comes from", () => {
    const spot = { accuracy: null, interval: null, tested: 0, covered: 0.25 } as WeakSpot;
    expect(evidenceOf(spot, "objects")).toBe("No test objects here; 25 % lie near a labelled one.");
    expect(evidenceOf({ ...spot, accuracy: 0.9, interval: [0.596, 0.982], tested: 10 }, "objects")).toBe(
      "90 % of 10 test objects right (60 to 98 %); 25 % lie near a labelled one.",
    );
  });
  it("takes targets as people type them", () => {
    expect(["90", "90 %", "0.9", ".9"].map(parseTarget)).toEqual([0.9, 0.9, 0.9, 0.9]);
    expect(["0", "100", "", "much", "-5", "120 %"].map(parseTarget)).toEqual([null, null, null, null, null, null]);
  });
});

describe("the curve", () => {
  it("shows every point, bar and target inside the frame", () => {
    const points = [{ n: 30, value: 0.7, error: 0.03 }, { n: 60, value: 0.99, error: 0.02 }];
    const scale = curveScale(curve(points), 0.95, FRAME);
    expect(scale.x(0)).toBe(40);
    expect(scale.x(60)).toBeCloseTo(290 - 250 * (1 - 1 / 1.04));
    for (const value of [0.67, 0.7, 0.95, 0.99, 1]) {
      expect(scale.y(value)).toBeGreaterThanOrEqual(10);
      expect(scale.y(value)).toBeLessThanOrEqual(130);
    }
    expect(scale.y(0.7)).toBeGreaterThan(scale.y(0.99));
  });
  it("has a scale with one round, and with equal ones", () => {
    for (const points of [[{ n: 4, value: 1, error: null }], [{ n: 4, value: 0, error: null }, { n: 8, value: 0, error: null }]]) {
      const scale = curveScale(curve(points), null, FRAME);
      expect([scale.x(4), scale.y(points[0].value)].every(Number.isFinite)).toBe(true);
      expect(scale.yTicks.length).toBeGreaterThan(1);
    }
  });
  it("leaves room for the labels that it is continued to", () => {
    const line = { n: [30, 60, 120], value: [0.7, 0.8, 0.85], low: [0.65, 0.75, 0.7], high: [0.75, 0.85, 0.95] };
    const scale = curveScale(curve([{ n: 60, value: 0.8, error: null }], line), null, FRAME);
    expect(scale.x(120)).toBeGreaterThan(270);
    expect(scale.x(120)).toBeLessThan(290);
    expect(splitLine(line, 60)).toEqual([[[30, 0.7], [60, 0.8]], [[60, 0.8], [120, 0.85]]]);
    expect(splitLine(line, 200)[1]).toEqual([]);
  });
  it("is not pressed flat by a band that is wide below the first rounds", () => {
    const line = { n: [30, 60, 120], value: [0.7, 0.8, 0.85], low: [0, 0.78, 0.82], high: [0.95, 0.82, 0.88] };
    const scale = curveScale(curve([{ n: 30, value: 0.7, error: null }, { n: 60, value: 0.8, error: null }], line), null, FRAME);
    expect(scale.y(0.7) - scale.y(0.8)).toBeGreaterThan(40); // a third of the frame
    expect(scale.y(0.88)).toBeGreaterThanOrEqual(10);
    expect(scale.y(0)).toBeGreaterThan(130);
  });
  it("has round ticks", () => {
    expect(niceTicks(0, 150, 4)).toEqual([0, 50, 100, 150]);
    expect(niceTicks(0.62, 0.97, 4)).toEqual([0.7, 0.8, 0.9]);
    expect(niceTicks(0, 8, 4)).toEqual([0, 2, 4, 6, 8]);
  });
});
