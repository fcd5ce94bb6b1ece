import { describe, expect, it } from "vitest";
import { formatBytes, formatPart } from "../../src/cli/bytes.js";

describe("formatBytes", () => {
  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.0 kB"],
    [99_960, "100 kB"],
    [999_600, "1.0 MB"],
    [3_438_354_725, "3.4 GB"],
    [5e15, "5000 TB"],
  ])("writes %d as %s", (bytes, text) => expect(formatBytes(bytes)).toBe(text));
});

describe("formatPart", () => {
  it.each([
    [0, 3.4e9, "0.0 of 3.4 GB"],
    [1.26e9, 3.4e9, "1.3 of 3.4 GB"],
    [120, 685_000, "0.1 of 685 kB"],
  ])("writes %d of %d as %s", (part, whole, text) => expect(formatPart(part, whole)).toBe(text));
});
