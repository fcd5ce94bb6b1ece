import { describe, expect, it } from "vitest";
import { toRequest } from "../../src/cli/generate-request.js";
import { number, repeated, seed, size, wholeNumber, word } from "../../src/cli/values.js";
import { ArgumentError } from "../../src/errors.js";
import { EMBEDDED_CHECKPOINT, embeddedCheckpointPath } from "../../src/hub/embedded.js";

describe("wholeNumber", () => {
  it("reads a number within its bounds", () => {
    expect(["1", "20", "+3"].map(wholeNumber("--steps", { min: 1 }))).toEqual([1, 20, 3]);
  });

  it.each(["0", "-1", "2.5", "", " 5", "5x", "0x10", "1e3", "NaN", "99999999999999999999"])(
    "refuses %j, naming option and expectation",
    (text) => {
      expect(() => wholeNumber("--steps", { min: 1 })(text)).toThrow(
        new ArgumentError(`--steps is ${JSON.stringify(text)}; expected a whole number of 1 or more`),
      );
    },
  );

  it("refuses a number above its bounds", () => {
    expect(() => wholeNumber("--count", { min: 1, max: 10 })("11")).toThrow(/from 1 to 10/);
  });
});

describe("number", () => {
  it("reads decimals and exponents", () => {
    expect(["7.5", "0", ".5", "5.", "1e1"].map(number("--guidance", { min: 0 }))).toEqual([7.5, 0, 0.5, 5, 10]);
  });

  it.each(["nan", "NaN", "Infinity", "", "1,5", "7.5x", "-1", "1e999"])("refuses %j", (text) => {
    expect(() => number("--guidance", { min: 0 })(text)).toThrow(/--guidance is .*; expected a number of 0 or more/);
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

describe("seed", () => {
  it("reads all 64 bits", () => {
    expect(seed("--seed")("18446744073709551615")).toBe(2n ** 64n - 1n);
  });

  it("draws one of 32 bits for -1, another each time", () => {
    const drawn = Array.from({ length: 4 }, () => seed("--seed")("-1"));
    expect(drawn.every((each) => each >= 0n && each < 2n ** 32n)).toBe(true);
    expect(new Set(drawn).size).toBeGreaterThan(1);
  });

  it.each(["18446744073709551616", "1.5", "abc", ""])("refuses %j", (text) => {
    expect(() => seed("--seed")(text)).toThrow(/--seed is .*; expected a whole number from 0 to 2\^64 - 1/);
  });
});

describe("repeated", () => {
  it("collects the values of an option given several times", () => {
    const read = repeated(number("--control-scale", { min: 0 }));
    expect(read("2", read("0.5", undefined))).toEqual([0.5, 2]);
  });
});

describe("word", () => {
  it("refuses what would lead out of the folder", () => {
    expect(() => word("--variant")("../x")).toThrow(ArgumentError);
  });
});

describe("toRequest", () => {
  const options = { count: 1, device: "auto" } as const;

  it("takes the embedded checkpoint with its own steps and guidance", () => {
    expect(toRequest("fox", options)).toMatchObject({ model: embeddedCheckpointPath(), steps: 20, guidance: 5 });
    expect(toRequest("fox", { ...options, model: EMBEDDED_CHECKPOINT })).toMatchObject({
      model: EMBEDDED_CHECKPOINT,
      steps: 20,
      guidance: 5,
    });
  });

  it("leaves the steps and guidance of other checkpoints to what they are", () => {
    expect(toRequest("fox", { ...options, model: "sd15" })).toMatchObject({ model: "sd15", steps: undefined, guidance: undefined });
  });

  it("starts from noise unless a picture is given", () => {
    expect(toRequest("fox", options).start).toEqual({ kind: "noise" });
    expect(toRequest("fox", { ...options, image: "in.png" }).start).toEqual({ kind: "image", image: "in.png", strength: undefined });
  });

  it("gives every ControlNet its picture in order, and one scale to all", () => {
    const control = { control: ["canny", "depth"], controlImage: ["c.png", "d.png"], controlScale: [0.5] };
    expect(toRequest("fox", { ...options, ...control }).start).toEqual({
      kind: "control",
      controls: [
        { folder: "canny", image: "c.png", scale: 0.5 },
        { folder: "depth", image: "d.png", scale: 0.5 },
      ],
    });
  });

  it("has the refiner take over at 0.8", () => {
    expect(toRequest("fox", { ...options, refiner: "refiner" }).refiner).toEqual({ folder: "refiner", from: 0.8 });
  });

  it("keeps a guidance of 0", () => {
    expect(toRequest("fox", { ...options, guidance: 0 }).guidance).toBe(0);
  });

  it("gives picture i the seed plus i", () => {
    expect(toRequest("fox", { ...options, seed: 7n, count: 3 }).seeds).toEqual([7n, 8n, 9n]);
  });

  it("draws a seed of 32 bits when none is given", () => {
    const [drawn = -1n] = toRequest("fox", options).seeds;
    expect(drawn >= 0n && drawn < 2n ** 32n).toBe(true);
  });

  it("refuses seeds that would pass 2^64 - 1", () => {
    const last = 2n ** 64n - 1n;
    expect(toRequest("fox", { ...options, seed: last }).seeds).toEqual([last]);
    expect(() => toRequest("fox", { ...options, seed: last, count: 2 })).toThrow(ArgumentError);
  });
});
