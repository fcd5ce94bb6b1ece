import { CommanderError } from "commander";
import { describe, expect, it } from "vitest";
import { describeError, exitCodeOf, Interrupted } from "../../src/cli/errors.js";
import { ArgumentError, CheckpointError, ConfigError, DeviceError, OutputError } from "../../src/errors.js";

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

  it("gives the message and the way out, no stack", () => {
    expect(describeError(error, { verbose: false })).toBe("darkroom: unet: no weights\n  download it again");
  });

  it("adds the stack and the cause when verbose", () => {
    expect(describeError(error, { verbose: true })).toMatch(/download it again\nCheckpointError: unet.*caused by: Error: ENOENT/s);
  });

  it("puts what hints say to programs in the words of the terminal", () => {
    const hint = "download it once without localFilesOnly, or give one: fromPretrained(path)";
    const words = describeError(new CheckpointError("none", { hint }), { verbose: false });
    expect(words).toBe("darkroom: none\n  download it once without --offline, or give one: fromPretrained(path)");
  });

  it("sends an unexpected error's reader to --verbose", () => {
    expect(describeError(new TypeError("x is undefined"), { verbose: false })).toMatch(/^darkroom: x is undefined\n.*--verbose/);
  });
});
