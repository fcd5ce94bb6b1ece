import "../../src/hub/open-checkpoint.js";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { ArgumentError } from "../../src/errors.js";
import { CLIPTokenizer } from "../../src/tokenizer/clip.js";
import { setWarningHandler } from "../../src/warnings.js";
import { checkpoint } from "../helpers/fixtures.js";

/** What transformers and diffusers' maybe_convert_prompt gave; see fixtures/make/textual_inversion.py. */
interface Tokens {
  readonly tokens: readonly { readonly token: string; readonly vectors: number }[];
  readonly cases: readonly {
    readonly checkpoint: string;
    readonly texts: readonly { readonly text: string; readonly ids: readonly number[] }[];
    readonly decoded: readonly { readonly text: string; readonly ids: readonly number[] }[];
  }[];
}

const file = fileURLToPath(new URL("../fixtures/textual-inversion/tokens.json", import.meta.url));
const fixture: Tokens = JSON.parse(readFileSync(file, "utf8"));

let warnings: string[];
beforeEach(() => {
  warnings = [];
  const previous = setWarningHandler((message) => warnings.push(message));
  onTestFinished(() => void setWarningHandler(previous));
});

const openTokenizer = () => CLIPTokenizer.fromPretrained(checkpoint("tokenizer-mini"));

describe.each(fixture.cases)("on $checkpoint with placeholders", ({ checkpoint: name, texts, decoded }) => {
  const loading = CLIPTokenizer.fromPretrained(checkpoint(name)).then((tokenizer) => {
    for (const { token, vectors } of fixture.tokens) tokenizer.addToken(token, vectors);
    return tokenizer;
  });

  it.each(texts)("gives Python's ids for $text", async ({ text, ids }) => {
    expect((await loading).encode(text)).toEqual(ids);
  });

  it.each(decoded)("reads ids as $text", async ({ text, ids }) => {
    expect((await loading).decode(ids)).toBe(text);
  });
});

describe("addToken", () => {
  it("numbers new ids from the end of the vocabulary on", async () => {
    const tokenizer = await openTokenizer();
    expect([tokenizer.addToken("<a>", 2), tokenizer.addToken("<b>")]).toEqual([
      [tokenizer.vocabSize, tokenizer.vocabSize + 1],
      [tokenizer.vocabSize + 2],
    ]);
  });

  it("numbers them from the id it is given", async () => {
    const tokenizer = await openTokenizer();
    expect(tokenizer.addToken("<a>", 2, 5000)).toEqual([5000, 5001]);
    expect(tokenizer.nextTokenId).toBe(5002);
  });

  it("counts a placeholder of n vectors as n tokens when a prompt is cut", async () => {
    const tokenizer = await openTokenizer();
    const ids = tokenizer.addToken("<a>", 3);
    const { inputIds, truncated } = tokenizer.tokenize("x <a> and more", { maxLength: 5 });
    expect(Array.from(inputIds.data.slice(2, 4), Number)).toEqual(ids.slice(0, 2));
    expect(truncated).toEqual(["<a> and more"]);
  });

  it("keeps a placeholder's ids together as one piece", async () => {
    const tokenizer = await openTokenizer();
    const ids = tokenizer.addToken("<a>", 3);
    expect(tokenizer.encodePieces("x <a>")).toEqual([[expect.any(Number)], ids]);
  });

  it("finds the longest of several tokens with the same beginning", async () => {
    const tokenizer = await openTokenizer();
    const [short, long] = [tokenizer.addToken("easynegative", 2), tokenizer.addToken("easynegativev2", 3)];
    expect(tokenizer.encodePieces("easynegativev2easynegative")).toEqual([long, short]);
  });

  it("becomes all vectors if a token with capitals is written as it was added", async () => {
    const tokenizer = await openTokenizer();
    const ids = tokenizer.addToken("EasyNegative", 3);
    expect(tokenizer.encodePieces("EasyNegative")).toEqual([ids]);
  });

  it("warns if another letter case gives the first vector only", async () => {
    const tokenizer = await openTokenizer();
    const [first] = tokenizer.addToken("<low-poly>", 3);
    expect(tokenizer.encodePieces("<Low-Poly>")).toEqual([[first]]);
    expect(warnings).toEqual(['"<Low-Poly>" uses only the first of the 3 vectors of <low-poly>; write it as <low-poly> to use all']);
  });

  it.each([
    ["a token of the vocabulary", "the", "token the is already in the tokenizer's vocabulary"],
    ["the end token", "<|endoftext|>", "token <|endoftext|> is already in the tokenizer's vocabulary"],
    ["a token that was added", "<a>", "token <a> is already in the tokenizer's vocabulary"],
    ["the name of an added token's vector", "<a>_1", "token <a>_1 is already in the tokenizer's vocabulary"],
    ["a token that differs in capitals only", "<A>", "token <A> differs from an existing token only in letter case, which does not count"],
    ["no text", "", 'the token is ""; expected a text without spaces at its ends'],
    ["white space at the ends", " <b>", 'the token is " <b>"; expected a text without spaces at its ends'],
  ])("refuses %s", async (_, token, message) => {
    const tokenizer = await openTokenizer();
    tokenizer.addToken("<a>", 2);
    expect(() => tokenizer.addToken(token)).toThrow(expect.objectContaining({ constructor: ArgumentError, message }));
  });

  it("refuses a token whose second vector's name is taken", async () => {
    const tokenizer = await openTokenizer();
    tokenizer.addToken("<a>_1");
    expect(() => tokenizer.addToken("<a>", 2)).toThrow("token <a>_1 is already in the tokenizer's vocabulary");
  });

  it.each([0, 1.5])("refuses %d vectors", async (vectors) => {
    const tokenizer = await openTokenizer();
    expect(() => tokenizer.addToken("<a>", vectors)).toThrow(`token <a> has ${vectors} vectors; expected at least 1`);
  });
});

describe("removeToken", () => {
  it("leaves the tokenizer as it was", async () => {
    const tokenizer = await openTokenizer();
    const [text, before] = ["a <low-poly>_1 fox", tokenizer.encode("a <low-poly>_1 fox")];
    tokenizer.addToken("<low-poly>", 3);
    tokenizer.removeToken("<low-poly>");
    expect(tokenizer.encode(text)).toEqual(before);
    expect(tokenizer.addedTokens).toEqual([]);
  });

  it("does not change the ids of other tokens", async () => {
    const tokenizer = await openTokenizer();
    tokenizer.addToken("<a>", 2);
    const ids = tokenizer.addToken("<b>", 2);
    tokenizer.removeToken("<a>");
    expect(tokenizer.encodePieces("<b>")).toEqual([ids]);
  });

  it("returns the ids that are free again", async () => {
    const tokenizer = await openTokenizer();
    const ids = tokenizer.addToken("<a>", 2);
    expect(tokenizer.removeToken("<a>")).toEqual(ids);
  });

  it("refuses a token that was not added", async () => {
    const tokenizer = await openTokenizer();
    expect(() => tokenizer.removeToken("<|endoftext|>")).toThrow("no token <|endoftext|> was added to the tokenizer");
  });
});
