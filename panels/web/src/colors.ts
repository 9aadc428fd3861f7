/**
 * Colours of the map. Ordered values run along a straight line in OKLab from blue to yellow: equal steps of the value
 * are equal steps to the eye, and blue against yellow survives every red-green deficiency. Categories use the palette
 * of Okabe and Ito (2008).
 */

export type RGB = readonly [number, number, number];
export type Mode = "dark" | "light";

/** Codes are bytes; this one means "no value". */
export const MISSING = 255;
/** Ordered values use the codes 0 to 254. */
export const LEVELS = 255;

type Lab = readonly [number, number, number];

const clamp = (value: number) => Math.min(1, Math.max(0, value));

/** OKLab (Ottosson 2020) to sRGB in [0, 1]. */
export function labToRgb([L, a, b]: Lab): RGB {
  const l = (L + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (L - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (L - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const gamma = (x: number) => clamp(x <= 0.0031308 ? 12.92 * x : 1.055 * x ** (1 / 2.4) - 0.055);
  return [
    gamma(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    gamma(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    gamma(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s),
  ];
}

/** sRGB in [0, 1] to OKLab. */
export function rgbToLab(rgb: RGB): Lab {
  const [r, g, b] = rgb.map((x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4));
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

/** "#rrggbb" to sRGB in [0, 1]. */
export function parseHex(hex: string): RGB {
  const value = parseInt(hex.slice(1), 16);
  return [((value >> 16) & 255) / 255, ((value >> 8) & 255) / 255, (value & 255) / 255];
}

export const css = (rgb: RGB) => `rgb(${rgb.map((x) => Math.round(x * 255)).join(" ")})`;

/** Ends of the ordered palette: on dark ground large values shine, on light ground small ones stay visible. */
const ENDS: Record<Mode, [Lab, Lab]> = {
  dark: [
    [0.42, -0.02, -0.14],
    [0.93, -0.03, 0.16],
  ],
  light: [
    [0.34, -0.015, -0.13],
    [0.83, -0.01, 0.16],
  ],
};

/** The ordered palette at t in [0, 1]. */
export function ordered(t: number, mode: Mode): RGB {
  const [from, to] = ENDS[mode];
  return labToRgb(from.map((x, i) => x + (to[i] - x) * t) as unknown as Lab);
}

/** Okabe and Ito's colours without black, which neither ground shows well. */
export const CATEGORIES: readonly RGB[] = [
  "#56b4e9",
  "#e69f00",
  "#009e73",
  "#cc79a7",
  "#f0e442",
  "#d55e00",
  "#0072b2",
].map(parseHex);

/** What an image is at a budget; the codes of the map's first colouring, from the last to be drawn to the first. */
export const STATUS = { uncovered: 0, covered: 1, redundant: 2, kept: 3 } as const;
export type Status = keyof typeof STATUS;

const STATUS_COLORS: Record<Mode, Record<Status, string>> = {
  dark: { uncovered: "#ff6f3c", covered: "#6f7a88", redundant: "#f3d34a", kept: "#4aa8f0" },
  light: { uncovered: "#d1430c", covered: "#aab2bd", redundant: "#c79a00", kept: "#0b66b8" },
};

export const statusColor = (status: Status, mode: Mode): RGB => parseHex(STATUS_COLORS[mode][status]);
export const neutral = (mode: Mode): RGB => parseHex(mode === "dark" ? "#5d6672" : "#b9c0c9");

/** 256 RGBA colours, one a code, as the renderer's palette texture. */
export function paletteTexture(kind: "status" | "ordered" | "category", mode: Mode): Uint8Array {
  const texture = new Uint8Array(256 * 4);
  const names = Object.keys(STATUS) as Status[];
  for (let code = 0; code < 256; code++) {
    let color = neutral(mode);
    if (kind === "ordered" && code !== MISSING) color = ordered(code / (LEVELS - 1), mode);
    if (kind === "category" && code < CATEGORIES.length) color = CATEGORIES[code];
    const status = names.find((name) => STATUS[name] === code);
    if (kind === "status" && status) color = statusColor(status, mode);
    texture.set([...color.map((x) => Math.round(x * 255)), 255], code * 4);
  }
  return texture;
}
