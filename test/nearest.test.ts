import { describe, expect, it } from "vitest";
import { resolveScheduler } from "../src/index.js";
import { mistypedName } from "../src/nearest.js";

const NAMES = ["sdxl", "sd15", "emoji-128", "lcm", "Euler a", "Karras", "n"];

describe("a name that is probably meant", () => {
  it.each([
    ["sxdl", "sdxl"],
    ["SD15", "sd15"],
    ["emoji128", "emoji-128"],
    ["emoji", "emoji-128"],
    ["lmc", "lcm"],
    ["euler_a", "Euler a"],
    ["karas", "Karras"],
    ["N", "n"],
  ])("is found for %s", (given, meant) => {
    expect(mistypedName(given, NAMES)).toBe(meant);
  });

  it.each(["zzz", "nope", "q", "xl", "flux", "", "stable-diffusion", "x".repeat(1_000_000)])("is none for %.20s", (given) => {
    expect(mistypedName(given, NAMES)).toBeUndefined();
  });
});

it("a scheduler is suggested only for a similar name", () => {
  expect(() => resolveScheduler("eular")).toThrow(/^there is no scheduler "eular"; did you mean euler\?/);
  for (const name of ["zzz", "nope"]) expect(() => resolveScheduler(name)).toThrow(new RegExp(`^there is no scheduler "${name}"(?!;)`));
});
