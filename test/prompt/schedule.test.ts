import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/errors.js";
import { isScheduled, promptSchedule } from "../../src/prompt/schedule.js";

const schedule = (prompt: string, steps = 10) => promptSchedule(prompt, steps).map(({ until, text }) => [until, text]);
const everyStep = (...texts: string[]) => Array.from({ length: 10 }, (_, i) => [i + 1, texts[i % texts.length]]);

describe("AUTOMATIC1111's own examples of prompt editing", () => {
  it.each<[string, unknown[]]>([
    ["test", [[10, "test"]]],
    [
      "a [b:3]",
      [
        [3, "a "],
        [10, "a b"],
      ],
    ],
    [
      "a [b: 3]",
      [
        [3, "a "],
        [10, "a b"],
      ],
    ],
    [
      "a [[[b]]:2]",
      [
        [2, "a "],
        [10, "a [[b]]"],
      ],
    ],
    [
      "[(a:2):3]",
      [
        [3, ""],
        [10, "(a:2)"],
      ],
    ],
    [
      "a [b : c : 1] d",
      [
        [1, "a b  d"],
        [10, "a  c  d"],
      ],
    ],
    [
      "a[b:[c:d:2]:1]e",
      [
        [1, "abe"],
        [2, "ace"],
        [10, "ade"],
      ],
    ],
    ["a [unbalanced", [[10, "a [unbalanced"]]],
    [
      "a [b:.5] c",
      [
        [5, "a  c"],
        [10, "a b c"],
      ],
    ],
    [
      "((a][:b:c [d:3]",
      [
        [3, "((a][:b:c "],
        [10, "((a][:b:c d"],
      ],
    ],
    ["[a|(b:1.1)]", everyStep("a", "(b:1.1)")],
    ["[fe|]male", everyStep("female", "male")],
    ["[fe|||]male", everyStep("female", "male", "male", "male")],
  ])("%s", (prompt, texts) => {
    expect(schedule(prompt)).toEqual(texts);
  });

  it("fantasy landscape", () => {
    const prompt =
      "fantasy landscape with a [mountain:lake:0.25] and [an oak:a christmas tree:0.75][ in foreground::0.6][: in background:0.25] [shoddy:masterful:0.5]";
    expect(schedule(prompt, 100)).toEqual([
      [25, "fantasy landscape with a mountain and an oak in foreground shoddy"],
      [50, "fantasy landscape with a lake and an oak in foreground in background shoddy"],
      [60, "fantasy landscape with a lake and an oak in foreground in background masterful"],
      [75, "fantasy landscape with a lake and an oak in background masterful"],
      [100, "fantasy landscape with a lake and a christmas tree in background masterful"],
    ]);
  });
});

// The results of its parser with lark 1.1.2.
describe("prompt editing", () => {
  it.each<[string, string, unknown[]]>([
    [
      "takes away",
      "[a::3]",
      [
        [3, "a"],
        [10, ""],
      ],
    ],
    ["is done from the beginning at step 0 and below", "[a:0][b:-2]", [[10, "ab"]]],
    ["takes no more steps than there are", "[a:99]", [[10, ""]]],
    ["reads a number with a point as a fraction, 1 and more too", "[a:1.0][b:1.5]", [[10, ""]]],
    [
      "reads white space around the number",
      "[a: 3\n]",
      [
        [3, ""],
        [10, "a"],
      ],
    ],
    ["needs a number", "[a:b]", [[10, "[a:b]"]]],
    ["needs no more than two colons", "[a:b:c:3]", [[10, "[a:b:c:3]"]]],
    [
      "goes on beside brackets that mean nothing",
      "(a:b:c) [d:3]",
      [
        [3, "(a:b:c) "],
        [10, "(a:b:c) d"],
      ],
    ],
    [
      "leaves escaped brackets as they are",
      "[a:\\]:3]",
      [
        [3, "a"],
        [10, "\\]"],
      ],
    ],
    ["leaves the whole prompt as it is for a | on its own", "a | b [c:2]", [[10, "a | b [c:2]"]]],
    ["leaves the whole prompt as it is for a | beside a number", "[a|b:c:3] [d:2]", [[10, "[a|b:c:3] [d:2]"]]],
    ["leaves the whole prompt as it is for a backslash at its end", "[a:2]\\", [[10, "[a:2]\\"]]],
  ])("%s", (_, prompt, texts) => {
    expect(schedule(prompt)).toEqual(texts);
  });

  it("may contain alternating words", () => {
    expect(schedule("x [[a|b]:c:2] y", 4)).toEqual([
      [1, "x a y"],
      [2, "x b y"],
      [3, "x c y"],
      [4, "x c y"],
    ]);
  });

  it.each([
    ["[a:b:3]", true],
    ["([a|b]:1.2)", true],
    ["[a] (b:1.2) [c:d]", false],
  ])("%s is found: %s", (prompt, found) => {
    expect(isScheduled(prompt)).toBe(found);
  });
});

// Found at random. All prompts that its parser reads in one way only come out the same; those with stray brackets it reads anew in every
// process.
describe("prompt editing in any order gives what lark 1.1.2 and 1.3.1 gave for", () => {
  it.each<[string, unknown[]]>([
    [
      "[ BREAK ][:+2]",
      [
        [2, "[ BREAK ]"],
        [10, "[ BREAK ]"],
      ],
    ],
    [
      "((\\|[:0.25 ]狐:0 )[:0x1 ])",
      [
        [2, "((\\|狐:0 )[:0x1 ])"],
        [10, "((\\|狐:0 )[:0x1 ])"],
      ],
    ],
    [
      "[(]\\\\[[]:[é[🦊:狐\\]: 1 ][::5.5 ]]aBREAKb:3]",
      [
        [1, "[(]\\\\[]"],
        [3, "[(]\\\\[]"],
        [10, "[(]\\\\[é狐\\]]aBREAKb"],
      ],
    ],
    [
      "[  ][BREAK,\\|🦊:\\\\ BREAK :1e1 ][\\\\🦊::3 ]",
      [
        [3, "[  ]BREAK,\\|🦊\\\\🦊"],
        [10, "[  ]BREAK,\\|🦊"],
      ],
    ],
  ])("%s", (prompt, texts) => {
    expect(schedule(prompt)).toEqual(texts);
  });
});

describe("a hostile prompt", () => {
  it("is refused for brackets without end", () => {
    expect(() => promptSchedule("[".repeat(100_000), 10)).toThrow(ArgumentError);
    expect(() => promptSchedule("[a:(".repeat(30_000), 10)).toThrow(ArgumentError);
  });

  it.each<[string, string]>([
    ["of edits", "[a:b:3]".repeat(15_000)],
    ["of alternatives", `[${"a|".repeat(50_000)}b]`],
    ["of colons", `[${":".repeat(100_000)}]`],
    ["of closing brackets", ")]".repeat(50_000)],
    ["of nested edits", `${"[a:".repeat(250)}b${":3]".repeat(250)}`.repeat(50)],
  ])("%s is read in linear time: more would exceed the limit of a test", (_, prompt) => {
    expect(() => promptSchedule(prompt.repeat(10), 50)).not.toThrow();
  });
});
