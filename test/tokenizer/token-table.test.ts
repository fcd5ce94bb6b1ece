import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { scanMerges, scanVocabulary } from "../../src/tokenizer/token-table.js";
import { checkpoint } from "../helpers/fixtures.js";

const bytes = (text: string) => new TextEncoder().encode(text);
const scanned = (text: string) => scanVocabulary(bytes(text));

describe("a vocabulary read as bytes", () => {
  it.each(["tokenizer-clip", "tokenizer-mini", "tokenizer-qwen-mini"])("is what JSON.parse reads: %s", (name) => {
    const text = readFileSync(`${checkpoint(name)}/vocab.json`, "utf8");
    const table = scanned(text);
    const entries = Object.entries<number>(JSON.parse(text));
    expect(table?.size).toBe(entries.length);
    expect(Object.fromEntries(table?.entries() ?? [])).toEqual(Object.fromEntries(entries));
    expect(entries.every(([token, id]) => table?.get(token) === id)).toBe(true);
    expect(table?.get("no such token")).toBeUndefined();
  });

  it("reads escapes, spaces and texts that occur twice as JSON.parse does", () => {
    const text = ' { "a\\"\\\\\\/\\b\\f\\n\\r\\t" : 1 ,\n"\\u0120t":2,"\\ud83e\\udd8a":3, "x":4,"x":5,"__proto__":6,"":0} ';
    const table = scanned(text);
    const json: Record<string, number> = JSON.parse(text);
    expect(Object.keys(json).map((token) => table?.get(token))).toEqual(Object.values(json));
    expect(table?.size).toBe(Object.keys(json).length);
    expect(table?.get("🦊")).toBe(3);
  });

  it.each([
    "",
    "{}",
    "[]",
    '{"a":1',
    '{"a":1,}',
    '{"a":-1}',
    '{"a":1.5}',
    '{"a":01}',
    '{"a":"1"}',
    '{"a":1}x',
    '{"\\ud800":1}',
    '{"\\x":1}',
    '{"\\u12":1}',
    '{"a\nb":1}',
    '{"a":9999999999}',
    '{"a":{}}',
  ])("is left to the parser of JSON if it is %s", (text) => {
    expect(scanned(text)).toBeUndefined();
  });
});

describe("merges read as bytes", () => {
  it("have the ranks of their lines, whatever ends the lines", () => {
    const table = scanMerges(bytes("#version: 0.2\r\na b\r\n\r\nab c\nĠ t"));
    expect(["a b", "ab c", "Ġ t", "a c"].map((pair) => table?.get(pair))).toEqual([0, 1, 2, undefined]);
    expect(scanMerges(bytes("#version: 0.2\n"))?.size).toBe(0);
  });

  it.each(["a", "a b c", " a", "a ", "a  b"])("are left to the parser of lines if one is %j", (line) => {
    expect(scanMerges(bytes(`x y\n${line}\n`))).toBeUndefined();
  });
});
