import { describe, expect, it, onTestFinished } from "vitest";
import * as errors from "../src/errors.js";
import { ArgumentError, CheckpointError } from "../src/errors.js";
import { given } from "../src/given.js";
import { messageOf } from "../src/message-of.js";
import { Tensor } from "../src/tensor/tensor.js";
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

  it("is cut if it would fill the screen", () => {
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

describe("an error about an option", () => {
  const error = new ArgumentError((name) => `${name("numInferenceSteps")} is 0`, {
    argument: "numInferenceSteps",
    hint: (name) => `or give ${name("variant", { value: "fp16" })}`,
  });

  it("names it in camelCase", () => {
    expect(error).toMatchObject({ argument: "numInferenceSteps", message: "numInferenceSteps is 0", hint: 'or give variant: "fp16"' });
  });

  it("can be spelled differently by the command line", () => {
    const inPython = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    expect(error.spell(inPython)).toEqual({ message: "num_inference_steps is 0", hint: "or give variant" });
  });
});

describe("the message of a thrown value", () => {
  it.each([
    ["an error", new Error("broken"), "broken"],
    ["a text", "broken", "broken"],
    ["nothing", undefined, "undefined"],
  ])("is a text for %s", (_, thrown, message) => {
    expect(messageOf(thrown)).toBe(message);
  });
});

describe("a value in a message", () => {
  it.each([
    ["20", '"20" (a string)'],
    [20, "20 (a number)"],
    [20n, "20n (a bigint)"],
    [Number.NaN, "NaN (a number)"],
    [true, "true (a boolean)"],
    [null, "null"],
    [undefined, "undefined"],
    [[1, "a", null], '[1, "a", null] (a list)'],
    [[1, 2, 3, 4, 5], "[1, 2, 3, 4, ...] (a list)"],
    [{ steps: 3, size: 2 }, "{ steps, size } (an object)"],
    [{}, "{} (an object)"],
    [Object.create(null), "{} (an object)"],
    [Tensor.zeros([2, 3]), "a Tensor of float32 [2,3]"],
    [new AbortController(), "an AbortController"],
    [Tensor, "the class Tensor"],
    [() => 1, "a function"],
    [Symbol("a"), "Symbol(a) (a symbol)"],
    ["x".repeat(1000), `"${"x".repeat(80)}..." (a string)`],
  ])("is shown with its type: %s", (value, text) => expect(given(value)).toBe(text));
});

describe("the name of an error", () => {
  it.each(Object.entries(errors))("is %s in minified code, too", (name, type) => {
    const { name: renamed } = type;
    Object.defineProperty(type, "name", { value: "x" });
    onTestFinished(() => void Object.defineProperty(type, "name", { value: renamed }));
    expect(new type("", { problem: "disk", needed: 2, available: 1 }).name).toBe(name);
  });
});
