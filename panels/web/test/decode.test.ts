import { describe, expect, it } from "vitest";
import { bytesOf, countsOf, floatsOf, maskOf } from "../src/decode";
import { stepFor } from "../src/renderer";

const base64 = (buffer: ArrayBufferLike) => Buffer.from(buffer).toString("base64");

describe("the server's arrays", () => {
  it("are decoded exactly", () => {
    expect([...bytesOf("AAH/")]).toEqual([0, 1, 255]);
    const points = Float32Array.of(1.5, -2.25, 3e-7, 4e8);
    expect([...floatsOf(base64(points.buffer))]).toEqual([...points]);
    const counts = Uint32Array.of(0, 1, 4294967295);
    expect([...countsOf(base64(counts.buffer))]).toEqual([...counts]);
  });
  it("unpack bitmasks lowest bit first, and only as many as there are rows", () => {
    expect([...maskOf(base64(Uint8Array.of(0b00000101, 0b1).buffer), 9)]).toEqual([1, 0, 1, 0, 0, 0, 0, 0, 1]);
    expect(maskOf(base64(Uint8Array.of(255).buffer), 3)).toHaveLength(3);
  });
});

describe("decimation", () => {
  it("starts where drawing would be slow, and sooner while the map moves", () => {
    expect(stepFor(90_000, false)).toBe(1);
    expect(stepFor(90_000, true)).toBe(2);
    expect(stepFor(900_000, false)).toBe(4);
    expect(stepFor(0, false)).toBe(1);
    expect(stepFor(1e9, true)).toBe(31);
  });
});
