import { CommanderError } from "commander";
import { describe, expect, it } from "vitest";
import { describeError, exitCodeOf, Interrupted } from "../../src/cli/errors.js";
import { ArgumentError, CheckpointError, ConfigError, type DarkroomError, DeviceError, OutputError } from "../../src/errors.js";
import { wrongArgument } from "../../src/given.js";
import type { Wording } from "../../src/wording.js";

describe("exitCodeOf", () => {
  it.each([
    [new TypeError("x"), 1],
    [new ArgumentError("x"), 2],
    [new CommanderError(1, "commander.unknownOption", "x"), 2],
    [new CommanderError(0, "commander.helpDisplayed", "x"), 0],
    [new CheckpointError("x"), 3],
    [new ConfigError("x"), 3],
    [new DeviceError("x"), 4],
    [new OutputError("x"), 5],
    [new Interrupted(130), 130],
  ])("gives %s the code %d", (error, code) => expect(exitCodeOf(error)).toBe(code));
});

describe("describeError", () => {
  const error = new CheckpointError("unet: no weights", { hint: "download it again", cause: new Error("ENOENT") });

  it("gives message and hint, no stack", () => {
    expect(describeError(error, { verbose: false })).toBe("darkroom: unet: no weights\n  download it again");
  });

  it("adds the stack and the cause when verbose", () => {
    expect(describeError(error, { verbose: true })).toMatch(/download it again\nCheckpointError: unet.*caused by: Error: ENOENT/s);
  });

  const told = (error: DarkroomError) => describeError(error, { verbose: false });

  it.each<[Wording, string]>([
    [(name) => `raise ${name("numInferenceSteps")}`, "raise --steps"],
    [(name) => `load this with ${name("loadLoraWeights")}`, "load this with --lora"],
    [(name) => `ask for it: ${name("variant", { value: "fp16" })}`, "ask for it: --variant fp16"],
    [(name) => name("vae", { code: "fromSingleFile(path, { vae: ... })" }), "--vae"],
    [
      (name) => name("featureExtractor", { code: "fromPretrained(path, { featureExtractor: ... })" }),
      "in a program, fromPretrained(path, { featureExtractor: ... })",
    ],
    ["numInferenceSteps.txt is no folder", "numInferenceSteps.txt is no folder"],
  ])("spells the options that a hint names as the command line does: %s", (hint, words) => {
    expect(told(new CheckpointError("none", { hint }))).toBe(`darkroom: none\n  ${words}`);
  });

  it("names the option that an error is about: in the message, or before it", () => {
    expect(told(wrongArgument("clipSkip", 1.5, "a whole number"))).toBe("darkroom: --clip-skip is 1.5 (a number); expected a whole number");
    expect(told(wrongArgument("width", 63, "a multiple of 8", { type: "number" }))).toBe(
      "darkroom: --size: width is 63; expected a multiple of 8",
    );
    expect(told(new ArgumentError("there is nothing to paint", { argument: "strength" }))).toBe(
      "darkroom: --strength: there is nothing to paint",
    );
    expect(told(new ArgumentError("eta is 2", { argument: "eta" }))).toBe("darkroom: eta is 2");
  });

  it("names an option once, if the message begins with it or another", () => {
    const about = (message: string, argument: string) => told(new ArgumentError(message, { argument }));
    expect(about("--hires-tile needs --hires", "hires")).toBe("darkroom: --hires-tile needs --hires");
    expect(about("--ip-blocks has up.block_9", "ipAdapterScale")).toBe("darkroom: --ip-blocks has up.block_9");
    expect(about("there is no second pass without --hires", "hires")).toBe("darkroom: there is no second pass without --hires");
  });

  it("mentions --verbose for an unexpected error", () => {
    expect(describeError(new TypeError("x is undefined"), { verbose: false })).toMatch(/^darkroom: x is undefined\n.*--verbose/);
  });
});
