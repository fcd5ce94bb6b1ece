import { describe, expect, it } from "vitest";
import { describeError } from "../../src/cli/errors.js";
import { toRequest } from "../../src/cli/generate-options.js";
import { number, oneOrNumbers, repeated, size, wholeNumber, word } from "../../src/cli/values.js";
import { ArgumentError } from "../../src/errors.js";
import { GENERATE_FIELDS } from "../../src/generate/request.js";
import { embeddedCheckpointPath } from "../../src/hub/embedded.js";

/** What the command line says of the error that `work` throws. */
function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return describeError(error, { verbose: false });
  }
  throw new Error("nothing was refused");
}

describe("wholeNumber", () => {
  const steps = wholeNumber("numInferenceSteps", GENERATE_FIELDS.numInferenceSteps);

  it("reads a number within its bounds", () => {
    expect(["1", "20", "+3"].map(steps)).toEqual([1, 20, 3]);
  });

  it.each(["0", "-1", "2.5", "", " 5", "5x", "0x10", "1e3", "NaN", "99999999999999999999"])(
    "refuses %j, with the option and what is expected",
    (text) => {
      expect(refusal(() => steps(text))).toBe(`darkroom: --steps is ${JSON.stringify(text)}; expected a whole number, at least 1`);
    },
  );

  it("refuses a number above its bounds", () => {
    expect(() => wholeNumber("numImagesPerPrompt", GENERATE_FIELDS.numImagesPerPrompt)("10001")).toThrow(/1 to 10000/);
  });
});

describe("number", () => {
  const guidance = number("guidanceScale", GENERATE_FIELDS.guidanceScale);

  it("reads decimals and exponents", () => {
    expect(["7.5", "0", ".5", "5.", "1e1"].map(guidance)).toEqual([7.5, 0, 0.5, 5, 10]);
  });

  it.each(["nan", "NaN", "Infinity", "", "1,5", "7.5x", "-1", "1e999"])("refuses %j", (text) => {
    expect(refusal(() => guidance(text))).toMatch(/--guidance is .*; expected a finite number, at least 0/);
  });
});

describe("oneOrNumbers", () => {
  const guidance = oneOrNumbers("guidanceScale", GENERATE_FIELDS.guidanceScale);

  it("reads a number, and numbers with commas between them", () => {
    expect(["7.5", "7,5, 1"].map(guidance)).toEqual([7.5, [7, 5, 1]]);
  });

  it.each(["7,", "7,-1", "7;5"])("refuses %j", (text) => {
    expect(refusal(() => guidance(text))).toMatch(/--guidance is .*; expected a finite number, at least 0, or a list/);
  });
});

describe("size", () => {
  it("reads width before height", () => {
    expect(size("--size")("512x768")).toEqual({ width: 512, height: 768 });
  });

  it.each(["64", "64x", "x64", "0x64", "64x-8", "64x64x64", "64 x 64", "6.5x8", "99999x64"])("refuses %j", (text) => {
    expect(() => size("--size")(text)).toThrow(/--size is .*; expected WIDTHxHEIGHT/);
  });
});

describe("repeated", () => {
  it("collects the values of an option given several times", () => {
    const read = repeated(number("controlnetConditioningScale", GENERATE_FIELDS.controlnetConditioningScale));
    expect(read("2", read("0.5", undefined))).toEqual([0.5, 2]);
  });
});

describe("word", () => {
  it("refuses a path out of the folder", () => {
    expect(() => word("variant", GENERATE_FIELDS.variant)("../x")).toThrow(ArgumentError);
  });

  it.each(["18446744073709551616", "1.5", "abc", ""])("refuses the seed %j", (text) => {
    expect(refusal(() => word("seed", GENERATE_FIELDS.seed)(text))).toMatch(/--seed is .*; expected a whole number from 0 to 2\^64 - 1/);
  });
});

describe("toRequest", () => {
  const options = { count: 1, device: "auto" } as const;

  it("leaves open what is not given", () => {
    expect(toRequest("fox", options)).toMatchObject({ model: undefined, numInferenceSteps: undefined, guidanceScale: undefined });
  });

  it("recognises the embedded checkpoint by a relative path", () => {
    expect(toRequest("fox", { ...options, model: "./models/emoji-128" }).model).toBe(embeddedCheckpointPath());
  });

  it("resolves the folder .", () => {
    expect(toRequest("fox", { ...options, model: "." }).model).toBe(process.cwd());
  });

  it("keeps a guidance of 0", () => {
    expect(toRequest("fox", { ...options, guidance: 0 }).guidanceScale).toBe(0);
  });

  it("draws a seed of 32 bits when none is given, and for -1, another each time", () => {
    const drawn = [undefined, "-1", "-1", "-1"].map((seed) => BigInt(toRequest("fox", { ...options, seed }).seed ?? -1));
    expect(drawn.every((each) => each >= 0n && each < 2n ** 32n)).toBe(true);
    expect(new Set(drawn).size).toBeGreaterThan(1);
  });

  it("refuses seeds that would pass 2^64 - 1", () => {
    const last = String(2n ** 64n - 1n);
    expect(toRequest("fox", { ...options, seed: last }).seed).toBe(2n ** 64n - 1n);
    expect(refusal(() => toRequest("fox", { ...options, seed: last, count: 2 }))).toMatch(
      /--seed is .* and --count 2: the last picture's seed/,
    );
  });
});
