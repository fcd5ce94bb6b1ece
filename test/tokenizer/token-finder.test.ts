import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type FindableToken, TokenFinder } from "../../src/tokenizer/token-finder.js";

const finder = (...contents: string[]) => new TokenFinder(contents.map((content, id) => ({ content, id, singleWord: false })));
const found = (tokens: TokenFinder, text: string) => [...tokens.find(text)].map(({ id, start, end }) => [id, text.slice(start, end)]);

/** The tokens that a regular expression of all of them, the longest first, finds. It is correct, but too slow for many or long tokens. */
function byPattern(tokens: readonly FindableToken[], text: string): readonly (readonly [number, number])[] {
  const edge = "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}]";
  const alternatives = tokens
    .toSorted((a, b) => b.content.length - a.content.length)
    .map(({ content, singleWord }) => {
      const literal = content.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
      return singleWord ? `(?<!${edge})${literal}(?!${edge})` : literal;
    });
  const matches = tokens.length > 0 ? text.matchAll(new RegExp(alternatives.join("|"), "gu")) : [];
  return [...matches].map((match) => [match.index, match.index + match[0].length]);
}

describe("tokens in a text", () => {
  it("are found from left to right, the longest first", () => {
    expect(found(finder("<a>", "<a>_1", "a"), "a<a>_1<a>")).toEqual([
      [2, "a"],
      [1, "<a>_1"],
      [0, "<a>"],
    ]);
  });

  it("are found if a longer token begins there but does not end", () => {
    expect(found(finder("ab", "abcd"), "abcab")).toEqual([
      [0, "ab"],
      [0, "ab"],
    ]);
  });

  it("that are single words are found only without a letter or digit next to them", () => {
    const fox = new TokenFinder([{ content: "fox", id: 0, singleWord: true }]);
    expect(found(fox, "fox foxy firefox é‿fox 7fox (fox) 🦊fox 𝐚fox")).toHaveLength(3);
  });

  it("with the same content have the first one's id", () => {
    expect(found(finder("x", "x"), "x")).toEqual([[0, "x"]]);
  });

  it("are not found within a character of two code units", () => {
    expect(found(finder("\ud83e", "\udd8a"), "🦊")).toEqual([]);
  });

  it("are found where a regular expression of all of them finds them", () => {
    const letters = fc.string({ unit: fc.constantFrom("a", "b", "é", "_", " ", "(", "🦊", "7", "\u0301"), minLength: 1, maxLength: 4 });
    const tokens = fc.array(fc.record({ content: letters, id: fc.nat(), singleWord: fc.boolean() }), { maxLength: 6 });
    const text = fc.array(letters, { maxLength: 12 }).map((parts) => parts.join(""));
    fc.assert(
      fc.property(tokens, text, (list, words) => {
        const places = [...new TokenFinder(list).find(words)].map(({ start, end }) => [start, end]);
        expect(places).toEqual(byPattern(list, words));
      }),
      { numRuns: 1000 },
    );
  });
});
