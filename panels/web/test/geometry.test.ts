import { describe, expect, it } from "vitest";
import { fit, inPolygon, NearestPoint, Point, rowsInPolygon, simplify, toPlane, toScreen, zoomAt } from "../src/geometry";

const SIZE = { width: 400, height: 300 };

/** A repeatable stream of numbers in [0, 1). */
function stream(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 16807) % 2147483647) / 2147483647;
}

function cloud(n: number, seed = 1): [Float32Array, Float32Array] {
  const next = stream(seed);
  return [Float32Array.from({ length: n }, next), Float32Array.from({ length: n }, next)];
}

describe("the camera", () => {
  it("shows all points inside the margin", () => {
    const xs = Float32Array.of(-10, 30, 5);
    const ys = Float32Array.of(2, 4, 9);
    const camera = fit(xs, ys, SIZE, { top: 20, bottom: 40, side: 10 });
    for (let i = 0; i < 3; i++) {
      const [px, py] = toScreen([xs[i], ys[i]], camera, SIZE);
      expect(px).toBeGreaterThanOrEqual(10 - 1e-3);
      expect(px).toBeLessThanOrEqual(390 + 1e-3);
      expect(py).toBeGreaterThanOrEqual(20 - 1e-3);
      expect(py).toBeLessThanOrEqual(260 + 1e-3);
    }
  });
  it("fits one point and none", () => {
    expect(fit(Float32Array.of(3), Float32Array.of(4), SIZE)).toMatchObject({ x: 3, y: 4 });
    expect(fit(new Float32Array(0), new Float32Array(0), SIZE)).toEqual({ x: 0, y: 0, scale: 1, stretch: 1 });
  });
  it("fills the canvas by stretching one axis, but not beyond twice the other", () => {
    const wide = { width: 1000, height: 250 };
    const square = fit(Float32Array.of(0, 1), Float32Array.of(0, 1), wide);
    expect(square).toMatchObject({ scale: 250, stretch: 2 });
    const flat = fit(Float32Array.of(0, 3), Float32Array.of(0, 1), wide);
    expect(flat.scale * flat.stretch * 3).toBeCloseTo(1000);
    expect(flat.scale).toBeCloseTo(250);
    expect(fit(Float32Array.of(0, 1), Float32Array.of(0, 1), { width: 100, height: 900 }).stretch).toBe(0.5);
  });
  it("turns screen to plane and back", () => {
    const camera = { x: 3, y: -2, scale: 7, stretch: 1.5 };
    const [px, py] = toScreen(toPlane([123, 45], camera, SIZE), camera, SIZE);
    expect(px).toBeCloseTo(123, 9);
    expect(py).toBeCloseTo(45, 9);
    expect(toScreen([3, -1], camera, SIZE)[1]).toBeLessThan(150); // y points up
  });
  it("zooms about the cursor", () => {
    const camera = { x: 3, y: -2, scale: 7, stretch: 1.5 };
    const before = toPlane([50, 80], camera, SIZE);
    const zoomed = zoomAt(camera, [50, 80], 2.5, SIZE);
    expect(zoomed.scale).toBeCloseTo(17.5);
    toPlane([50, 80], zoomed, SIZE).forEach((value, i) => expect(value).toBeCloseTo(before[i], 9));
  });
});

describe("a lasso", () => {
  const square: Point[] = [[0, 0], [2, 0], [2, 2], [0, 2]];
  it("knows inside from outside", () => {
    expect(inPolygon(1, 1, square)).toBe(true);
    expect(inPolygon(3, 1, square)).toBe(false);
    expect(inPolygon(1, -0.1, square)).toBe(false);
  });
  it("leaves out what a crossing outline winds around twice", () => {
    const twice: Point[] = [[0, 0], [4, 0], [4, 4], [0, 4], [0, 0], [1, 1], [3, 1], [3, 3], [1, 3], [1, 1]];
    expect(inPolygon(0.5, 2, twice)).toBe(true);
    expect(inPolygon(2, 2, twice)).toBe(false);
  });
  it("counts a disc like the formula does", () => {
    const [xs, ys] = cloud(4000);
    const disc = Array.from({ length: 720 }, (_, i): Point => [0.5 + 0.3 * Math.cos((i * Math.PI) / 360), 0.5 + 0.3 * Math.sin((i * Math.PI) / 360)]);
    const found = new Set(rowsInPolygon(xs, ys, disc));
    for (let i = 0; i < xs.length; i++) {
      const r = Math.hypot(xs[i] - 0.5, ys[i] - 0.5);
      if (Math.abs(r - 0.3) > 1e-4) expect(found.has(i)).toBe(r < 0.3);
    }
    expect(found.size / 4000).toBeCloseTo(Math.PI * 0.09, 1);
  });
  it("passes over rows that are not in view", () => {
    const xs = Float32Array.of(1, 1, 5);
    const ys = Float32Array.of(1, 1, 1);
    expect([...rowsInPolygon(xs, ys, square, Uint8Array.of(0, 1, 1))]).toEqual([1]);
  });
  it("is simplified without leaving the tolerance", () => {
    const next = stream(5);
    const path = Array.from({ length: 300 }, (_, i): Point => [i, 20 * Math.sin(i / 20) + next()]);
    const short = simplify(path, 1);
    expect(short.length).toBeLessThan(80);
    expect(short[0]).toEqual(path[0]);
    expect(short[short.length - 1]).toEqual(path[299]);
    for (const [x, y] of path) {
      const at = short.findIndex(([sx]) => sx >= x);
      const [[ax, ay], [bx, by]] = [short[Math.max(0, at - 1)], short[at]];
      const line = bx === ax ? ay : ay + ((by - ay) * (x - ax)) / (bx - ax);
      expect(Math.abs(line - y)).toBeLessThan(2); // vertical distance; the tolerance is perpendicular
    }
  });
});

describe("the point under the cursor", () => {
  it("is the nearest one, as a full search finds it", () => {
    const [xs, ys] = cloud(3000, 7);
    const nearest = new NearestPoint(xs, ys);
    const next = stream(11);
    for (let trial = 0; trial < 300; trial++) {
      const at: Point = [next() * 1.2 - 0.1, next() * 1.2 - 0.1];
      let best = -1;
      let distance = 0.03;
      for (let i = 0; i < xs.length; i++) {
        const d = Math.hypot(xs[i] - at[0], ys[i] - at[1]);
        if (d <= distance) [best, distance] = [i, d];
      }
      expect(nearest.find(at, 0.03, null)).toBe(best);
    }
  });
  it("is the nearest on a stretched screen", () => {
    const nearest = new NearestPoint(Float32Array.of(0, 0.3), Float32Array.of(0.4, 0));
    expect(nearest.find([0, 0], 1, null)).toBe(1);
    expect(nearest.find([0, 0], 1, null, 2)).toBe(0);
    expect(nearest.find([0.5, 0], 0.25, null, 2)).toBe(-1);
  });
  it("is none out of reach, and never a hidden one", () => {
    const nearest = new NearestPoint(Float32Array.of(0, 1), Float32Array.of(0, 0));
    expect(nearest.find([0.4, 0], 0.1, null)).toBe(-1);
    expect(nearest.find([0.1, 0], 2, Uint8Array.of(0, 1))).toBe(1);
  });
  it("is found among points that coincide", () => {
    const same = new Float32Array(50).fill(2);
    expect(new NearestPoint(same, same).find([2, 2], 1, null)).toBeGreaterThanOrEqual(0);
  });
});
