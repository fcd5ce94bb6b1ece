import { describe, expect, it, onTestFinished } from "vitest";
import { CheckpointError } from "../src/errors.js";
import { setWarningHandler, warn } from "../src/warnings.js";

// What names and values of files may hold.
const hostile = "\u001b[2J\u009b31m\u0007\u202egnp.exe";

describe("a message that quotes a file", () => {
  it("shows control characters instead of sending them to the terminal", () => {
    const error = new CheckpointError(`tensor ${hostile}`, { hint: hostile });
    expect(error.message).toBe("tensor \\u001b[2J\\u009b31m\\u0007\\u202egnp.exe");
    expect(error.hint).toBe("\\u001b[2J\\u009b31m\\u0007\\u202egnp.exe");
  });

  it("keeps its lines", () => {
    expect(new CheckpointError("a\n\tb").message).toBe("a\n\tb");
  });

  it("is cut where it would fill the screen", () => {
    expect(new CheckpointError("x".repeat(10_000_000)).message).toBe(`${"x".repeat(2000)}...`);
  });

  it("may be a warning", () => {
    const warnings: string[] = [];
    const previous = setWarningHandler((message) => warnings.push(message));
    onTestFinished(() => void setWarningHandler(previous));
    warn(`left out: ${hostile}`);
    expect(warnings).toEqual(["left out: \\u001b[2J\\u009b31m\\u0007\\u202egnp.exe"]);
  });
});
