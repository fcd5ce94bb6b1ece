import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/errors.js";
import { findSyntax, parseAttention } from "../../src/prompt/attention.js";

const parsed = (prompt: string) => parseAttention(prompt).map(({ text, weight }) => [text, weight]);

describe("AUTOMATIC1111's own examples of emphasis", () => {
  it.each<[string, [string, number][]]>([
    ["normal text", [["normal text", 1]]],
    [
      "an (important) word",
      [
        ["an ", 1],
        ["important", 1.1],
        [" word", 1],
      ],
    ],
    ["(unbalanced", [["unbalanced", 1.1]]],
    ["\\(literal\\]", [["(literal]", 1]]],
    ["(unnecessary)(parens)", [["unnecessaryparens", 1.1]]],
    [
      "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
      [
        ["a ", 1],
        ["house", 1.5730000000000004],
        [" ", 1.1],
        ["on", 1],
        [" a ", 1.1],
        ["hill", 0.55],
        [", sun, ", 1.1],
        ["sky", 1.4641000000000006],
        [".", 1.1],
      ],
    ],
  ])("%s", (prompt, parts) => {
    expect(parsed(prompt)).toEqual(parts);
  });
});

describe("emphasis", () => {
  it.each<[string, string, [string, number][]]>([
    ["divides in square brackets", "[word]", [["word", 1 / 1.1]]],
    ["takes weights below 1", "(word:0.25)", [["word", 0.25]]],
    ["takes white space around a weight", "(word: 1.5 )", [["word", 1.5]]],
    ["takes a weight without a leading digit", "(word:.5)", [["word", 0.5]]],
    ["leaves a weight alone that no bracket belongs to", "word:1.5)", [["word:1.5)", 1]]],
    ["leaves a weight alone that is no number", "(word:1.2.3)", [["word:1.2.3", 1.1]]],
    ["leaves a weight alone in digits of other scripts, which Python reads", "(word:٣)", [["word:٣", 1.1]]],
    ["gives square brackets no weight of their own", "[word:1.5]", [["word:1.5", 1 / 1.1]]],
    ["reads an escaped backslash", "a\\\\(b)", [["a\\", 1] as [string, number], ["b", 1.1] as [string, number]]],
    ["drops a backslash before other characters", "a\\b", [["ab", 1]]],
    ["is 1 for an empty prompt", "", [["", 1]]],
  ])("%s", (_, prompt, parts) => {
    expect(parsed(prompt)).toEqual(parts);
  });
});

describe("findSyntax", () => {
  it.each([
    ["a (red:1.3) fox", "(red:1.3)"],
    ["((red: .5 ), blue:1.1)", "(red: .5 )"],
    ["(狐:-1)", "(狐:-1)"],
    ["a picture (16:9) at (12:30)", undefined],
    ["(red) [blue] note: 5) [16:9] ((1))", undefined],
    ["a ((red, blue)) fox", "((red, blue))"],
    ["a [red:blue:0.5] fox", "[red:blue:0.5]"],
    ["a [snow:10] fox", "[snow:10]"],
    ["(".repeat(100_000), undefined],
    ["(a".repeat(100_000), undefined],
    ["[a:".repeat(100_000), undefined],
  ])("finds the first part that is no plain text: %.30s", (prompt, found) => {
    expect(findSyntax(prompt)).toBe(found);
  });
});

describe("BREAK", () => {
  it("stands on its own, without the white space next to it", () => {
    expect(parsed("a fox  BREAK  snow")).toEqual([
      ["a fox", 1],
      ["BREAK", -1],
      ["snow", 1],
    ]);
  });

  it.each(["break", "BREAKFAST", "xBREAK", "éBREAK", "BREAK_"])("is not the text %s", (text) => {
    expect(parsed(text)).toEqual([[text, 1]]);
  });

  it("is a word whose weight changes inside brackets, as in AUTOMATIC1111", () => {
    expect(parsed("(a BREAK b)")).toEqual([
      ["a", 1.1],
      ["BREAK", -1.1],
      ["b", 1.1],
    ]);
  });
});

describe("emphasis in any order is what parse_prompt_attention gave for", () => {
  it.each<[string, [string, number][]]>([
    [
      "[, ([_:🦊: 0.25 ]BREAK,: 0.5 )]",
      [
        [", ", 0.9090909090909091],
        ["_:🦊: 0.25 ", 0.4132231404958677],
        ["", 0.45454545454545453],
        ["BREAK", -0.45454545454545453],
        [",", 0.45454545454545453],
      ],
    ],
    [
      "é[[BREAK  ](_): 0x1 ]",
      [
        ["é", 1.0],
        ["", 0.8264462809917354],
        ["BREAK", -0.8264462809917354],
        ["", 0.8264462809917354],
        ["_", 1.0],
        [": 0x1 ", 0.9090909090909091],
      ],
    ],
    [
      "(\\(-111_0\\:BREAK(aBREAKb\\[",
      [
        ["(-111_0:", 1.1],
        ["BREAK", -1.1],
        ["", 1.1],
        ["aBREAKb[", 1.2100000000000002],
      ],
    ],
    [
      "[[[]::3 ](\\( : 5.5 )[, []fox: 0]]",
      [
        ["::3 ", 0.8264462809917354],
        ["( ", 5.0],
        [", fox: 0", 0.8264462809917354],
      ],
    ],
  ])("%s", (prompt, parts) => {
    expect(parsed(prompt)).toEqual(parts);
  });
});

describe("a hostile prompt", () => {
  it("is refused for brackets without end", () => {
    expect(() => parseAttention("(".repeat(100_000))).toThrow("the prompt has more than 256 brackets open at once");
    expect(() => parseAttention("[a(".repeat(50_000))).toThrow(ArgumentError);
  });

  it.each<[string, string]>([
    ["of pairs of brackets", "(a)[b]".repeat(20_000)],
    ["of closing brackets", ")]".repeat(50_000)],
    ["of digits", `(a:${"1".repeat(100_000)}`],
    ["of white space", `a:${" ".repeat(100_000)}BREA${" ".repeat(100_000)}K`],
    ["of nested weights", "((((a:1.1) b:1.2) c:0.9) d:1.1)".repeat(5000)],
  ])("%s is read in linear time: more would exceed the limit of a test", (_, prompt) => {
    expect(parseAttention(prompt.repeat(10)).length).toBeGreaterThan(0);
  });
});
