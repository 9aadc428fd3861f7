import { describe, expect, it } from "vitest";
import { CATEGORIES, LEVELS, MISSING, Mode, neutral, ordered, paletteTexture, parseHex, RGB, rgbToLab, labToRgb, STATUS, Status, statusColor } from "../src/colors";

const MODES: Mode[] = ["dark", "light"];
const STATUSES = Object.keys(STATUS) as Status[];

/** Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB. */
const DEFICIENCIES: Record<string, number[][]> = {
  none: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  protanopia: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
  deuteranopia: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
  tritanopia: [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
};

const linear = (x: number) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
const gamma = (x: number) => (x <= 0.0031308 ? 12.92 * x : 1.055 * x ** (1 / 2.4) - 0.055);

function seen(color: RGB, matrix: number[][]): RGB {
  const light = color.map(linear);
  return matrix.map((row) => gamma(Math.min(1, Math.max(0, row.reduce((sum, m, i) => sum + m * light[i], 0))))) as unknown as RGB;
}

const difference = (a: RGB, b: RGB) => Math.hypot(...rgbToLab(a).map((x, i) => x - rgbToLab(b)[i]));

describe("OKLab", () => {
  it("gives white, black and Ottosson's own example", () => {
    expect(rgbToLab([1, 1, 1])[0]).toBeCloseTo(1, 4);
    expect(rgbToLab([0, 0, 0])[0]).toBeCloseTo(0, 6);
    const red = rgbToLab([1, 0, 0]);
    [0.628, 0.225, 0.126].forEach((x, i) => expect(red[i]).toBeCloseTo(x, 2));
  });
  it("comes back to the same colour", () => {
    for (const color of CATEGORIES) labToRgb(rgbToLab(color)).forEach((x, i) => expect(x).toBeCloseTo(color[i], 3));
  });
});

describe("the ordered palette", () => {
  it.each(MODES)("grows lighter in steps that look equal (%s)", (mode) => {
    const colors = Array.from({ length: 11 }, (_, i) => ordered(i / 10, mode));
    const steps = colors.slice(1).map((color, i) => difference(color, colors[i]));
    const mean = steps.reduce((sum, step) => sum + step) / steps.length;
    for (const step of steps) expect(step / mean).toBeGreaterThan(0.8);
    for (const step of steps) expect(step / mean).toBeLessThan(1.2);
    const lightness = colors.map((color) => rgbToLab(color)[0]);
    for (let i = 1; i < 11; i++) expect(lightness[i]).toBeGreaterThan(lightness[i - 1]);
  });
  it.each(Object.keys(DEFICIENCIES))("keeps its order for %s", (name) => {
    for (const mode of MODES) {
      const lightness = Array.from({ length: 11 }, (_, i) => rgbToLab(seen(ordered(i / 10, mode), DEFICIENCIES[name]))[0]);
      for (let i = 1; i < 11; i++) expect(lightness[i]).toBeGreaterThan(lightness[i - 1]);
    }
  });
});

describe("the status colours", () => {
  const cases = MODES.flatMap((mode) => Object.keys(DEFICIENCIES).map((name) => [mode, name] as const));
  it.each(cases)("are told apart on %s ground with %s", (mode, name) => {
    for (const a of STATUSES)
      for (const b of STATUSES.slice(STATUSES.indexOf(a) + 1)) {
        const gap = difference(seen(statusColor(a, mode), DEFICIENCIES[name]), seen(statusColor(b, mode), DEFICIENCIES[name]));
        expect(gap, `${a} and ${b}`).toBeGreaterThan(0.08);
      }
  });
});

describe("the palette texture", () => {
  it("holds one colour a code and the neutral for missing values", () => {
    const texture = paletteTexture("ordered", "dark");
    const at = (code: number) => [...texture.slice(4 * code, 4 * code + 3)];
    expect(at(LEVELS - 1)).toEqual(ordered(1, "dark").map((x) => Math.round(x * 255)));
    expect(at(MISSING)).toEqual(neutral("dark").map((x) => Math.round(x * 255)));
    const status = paletteTexture("status", "light");
    expect([...status.slice(4 * STATUS.kept, 4 * STATUS.kept + 3)]).toEqual(statusColor("kept", "light").map((x) => Math.round(x * 255)));
    expect([...paletteTexture("category", "dark").slice(0, 3)]).toEqual(CATEGORIES[0].map((x) => Math.round(x * 255)));
  });
  it("reads hexadecimal colours", () => expect(parseHex("#ff8000")).toEqual([1, 128 / 255, 0]));
});
