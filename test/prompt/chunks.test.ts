import "../../src/hub/open-checkpoint.js";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { ArgumentError } from "../../src/errors.js";
import { chunkPrompt, type PromptChunk } from "../../src/prompt/chunks.js";
import { CLIPTokenizer } from "../../src/tokenizer/clip.js";
import { setWarningHandler } from "../../src/warnings.js";
import { checkpoint } from "../helpers/fixtures.js";

let tokenizer: CLIPTokenizer;
beforeAll(async () => {
  tokenizer = await CLIPTokenizer.fromPretrained(checkpoint("tokenizer-clip"));
});

/** The words of every chunk. */
const words = (prompt: string) => chunkPrompt(tokenizer, prompt).map(({ ids }) => tokenizer.decode(ids.filter((id) => id < 49406)));
const lengths = (prompt: string) => words(prompt).map((text) => (text === "" ? 0 : text.split(" ").length));
const weightsOf = ({ weights }: PromptChunk, length: number) => weights.slice(0, length);

describe("the chunks of a prompt", () => {
  it("have the start token, 75 tokens of the prompt, and the end token", () => {
    const [first, second, ...others] = chunkPrompt(tokenizer, "fox ".repeat(80));
    expect([first?.ids.length, first?.ids[0], first?.ids[76], second?.ids.length, second?.ids[6]]).toEqual([77, 49406, 49407, 77, 49407]);
    expect(others).toEqual([]);
  });

  it("are one for an empty prompt", () => {
    expect(lengths("")).toEqual([0]);
  });

  it("are one for 75 tokens", () => {
    expect(lengths("fox ".repeat(75))).toEqual([75]);
  });

  it("have the weights of the prompt's tokens, and 1 for the others", () => {
    const [chunk] = chunkPrompt(tokenizer, "a (fox:1.3) [snow]") as [PromptChunk];
    expect(weightsOf(chunk, 5)).toEqual([1, 1, 1.3, 1 / 1.1, 1]);
    expect(chunk.weights.slice(4).every((weight) => weight === 1)).toBe(true);
  });

  it("end at a comma that is at most 20 tokens before the end", () => {
    // The comma is the 56th token. With the 19 tokens after it, the chunk is full.
    expect(lengths(`${"fox ".repeat(55)}, ${"tree ".repeat(25)}`)).toEqual([56, 25]);
    expect(lengths(`${"fox ".repeat(54)}, ${"tree ".repeat(25)}`)).toEqual([75, 5]);
  });

  it("begin with a comma that has no room in the previous one", () => {
    expect(words(`${"fox ".repeat(75)}, tree`)[1]).toBe(", tree");
  });

  it("end at BREAK, with padding", () => {
    expect(words("a fox BREAK snow BREAK")).toEqual(["a fox", "snow"]);
    expect(words("BREAK snow")).toEqual(["", "snow"]);
    expect(words("fox BREAK BREAK snow")).toEqual(["fox", "", "snow"]);
  });

  it("do not end at BREAK inside brackets, with a warning", () => {
    const warnings: string[] = [];
    const previous = setWarningHandler((message) => warnings.push(message));
    onTestFinished(() => void setWarningHandler(previous));
    expect(words("(a fox BREAK snow)")).toEqual(["a fox break snow"]);
    expect(warnings).toEqual(["BREAK inside brackets does not end a chunk: close the brackets before it and open them again after it"]);
  });
});

describe("a placeholder of several vectors", () => {
  /** The tokenizer with a word `style` of `vectors` vectors. */
  const withPlaceholder = (vectors: number) =>
    Object.assign(Object.create(tokenizer) as CLIPTokenizer, {
      encodePieces: (text: string) =>
        text.split(" ").flatMap((word) => (word === "style" ? [Array.from({ length: vectors }, () => 7)] : tokenizer.encodePieces(word))),
    });

  it("is not split between chunks", () => {
    const [first, second] = chunkPrompt(withPlaceholder(8), `${"fox ".repeat(70)}style fox`);
    expect(first?.ids.includes(7)).toBe(false);
    expect(second?.ids.filter((id) => id === 7)).toHaveLength(8);
  });

  it("carries one weight", () => {
    const [chunk] = chunkPrompt(withPlaceholder(3), "(style:1.2)") as [PromptChunk];
    expect(weightsOf(chunk, 5)).toEqual([1, 1.2, 1.2, 1.2, 1]);
  });

  it("is refused if it is larger than a chunk", () => {
    expect(() => chunkPrompt(withPlaceholder(76), "style")).toThrow(ArgumentError);
  });
});

describe("a hostile prompt", () => {
  it.each<[string, string]>([
    ["of escaped brackets", "\\(".repeat(100_000)],
    ["of colons", ":".repeat(100_000)],
    ["of letters", "a".repeat(100_000)],
  ])("%s is read in linear time: more would exceed the limit of a test", (_, prompt) => {
    expect(() => chunkPrompt(tokenizer, prompt.repeat(4))).not.toThrow();
  });
});
