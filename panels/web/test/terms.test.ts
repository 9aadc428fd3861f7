import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { TERMS } from "../src/terms";

const SOURCES = readdirSync("src").filter((name) => name.endsWith(".tsx")).map((name) => readFileSync(`src/${name}`, "utf8")).join("\n");
/** Words of the trade that curators need not know. */
const JARGON = /embedding|vector|neighbou?r|cluster|radius|kappa|entropy|quantile|centroid|manifold|\btau\b|\bk\b/i;

describe.each(Object.entries(TERMS))("the term %s", (name, text) => {
  it("is explained in one sentence of plain words", () => {
    expect(text).toMatch(/^[A-Z][^.]*\.$/);
    expect(text.length).toBeLessThanOrEqual(120);
    expect(text).not.toMatch(JARGON);
  });
  it("is on show", () => expect(SOURCES).toMatch(new RegExp(`name="${name}"|TERMS\\.${name}\\b|term: "${name}"`)));
});
