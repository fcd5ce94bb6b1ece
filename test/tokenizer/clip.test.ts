import "../../src/hub/open-checkpoint.js";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ArgumentError, CheckpointError } from "../../src/errors.js";
import type { Folder } from "../../src/platform/folder.js";
import { CLIPTokenizer } from "../../src/tokenizer/clip.js";
import { checkpoint, readFixture } from "../helpers/fixtures.js";

interface Meta {
  readonly checkpoint: string;
  readonly model_max_length: number;
  readonly cases: readonly { readonly text: string; readonly ids: readonly number[] }[];
}

const start = "<|startoftext|>";
const end = "<|endoftext|>";
const clip = await CLIPTokenizer.fromPretrained(checkpoint("tokenizer-clip"));
const files = (...names: string[]) =>
  Object.fromEntries(names.map((name) => [name, readFileSync(`${checkpoint("tokenizer-mini")}/${name}`, "utf8")]));
const words = files("vocab.json", "merges.txt");

/** A folder of the given texts; an object stands for its JSON. */
function folderOf(contents: Record<string, string | object>): Folder {
  const bytes = new Map(
    Object.entries(contents).map(([name, content]) => [
      name,
      new TextEncoder().encode(typeof content === "string" ? content : JSON.stringify(content)),
    ]),
  );
  const folder: Partial<Folder> = {
    name: "memory",
    list: async () => [...bytes.keys()],
    has: async (path) => bytes.has(path),
    size: async (path) => bytes.get(path)?.length ?? 0,
    read: async (path) => bytes.get(path) ?? new Uint8Array(),
    open: (subfolder) => ({ ...folderOf({}), name: `memory/${subfolder}` }),
  };
  return folder as Folder;
}

describe.each(["tokenizer-clip", "tokenizer-mini"])("on %s", (name) => {
  const { meta, tensor } = readFixture<Meta>("tokenizer", name);
  const loaded = CLIPTokenizer.fromPretrained(checkpoint(meta.checkpoint));
  const cases = meta.cases.map(({ text, ids }, i) => ({ text, ids, i }));

  it.each(cases)("gives transformers' ids for $text", async ({ text, ids }) => {
    expect((await loaded).encode(text)).toEqual(ids);
  });

  it.each(cases)("cuts and pads $text as transformers does", async ({ text, i }) => {
    const { inputIds } = (await loaded).tokenize(text);
    expect(inputIds.reshape([meta.model_max_length]).data).toEqual(tensor(`padded.${i}`).data);
  });

  it("reads the model's length", async () => {
    expect((await loaded).modelMaxLength).toBe(meta.model_max_length);
  });
});

describe("encode", () => {
  it.each([
    ["takes a final sigma for a sigma like any other", "ΑΣ", [138, 109, 139, 481]],
    ["takes a special token in capitals for text", "<|ENDOFTEXT|>!!", [27, 347, 40786, 4160, 91, 285, 748]],
    ["splits at U+0085 but not at U+FEFF", "a\u0085b\ufeffc", [320, 321, 171, 119, 379, 322]],
    ["takes letters newer than Unicode 16 for signs", "\u{323b0}", [172, 110, 236, 364]],
    ["takes a lone surrogate for U+FFFD", "\ud800", clip.encode("\ufffd").slice(1, -1)],
    ["gives nothing for white space", " \t\r\n\u3000", []],
  ])("%s", (_, text, ids) => {
    expect(clip.encode(text)).toEqual([49406, ...ids, 49407]);
  });

  it("takes a prompt of ten thousand words", () => {
    expect(clip.encode("word ".repeat(10_000))).toHaveLength(10_002);
  });
});

describe("tokenize", () => {
  it("puts prompts of different lengths in one tensor", () => {
    const { inputIds, truncated } = clip.tokenize(["a cat", ""]);
    expect(inputIds.shape).toEqual([2, 77]);
    expect(inputIds.toArray().slice(77, 80)).toEqual([49406, 49407, 49407]);
    expect(truncated).toEqual([undefined, undefined]);
  });

  it("pads only to the longest prompt, if asked", () => {
    expect(clip.tokenize(["a cat", "a"], { padding: "longest" }).inputIds.toArray()).toEqual([
      49406, 320, 2368, 49407, 49406, 320, 49407, 49407,
    ]);
  });

  it("keeps the start, the first 75 tokens and the end of a longer prompt", () => {
    const ids = clip.tokenize("cat ".repeat(100)).inputIds.toArray();
    expect(ids).toEqual([49406, ...Array(75).fill(2368), 49407]);
  });

  it("cuts nothing from a prompt that just fits", () => {
    expect(clip.tokenize("cat ".repeat(75)).truncated).toEqual([undefined]);
  });

  it("quotes what it cut as it was written", () => {
    const { truncated } = clip.tokenize(["cat", `${"very ".repeat(75)}Detailed  Photo, (8K)`]);
    expect(truncated).toEqual([undefined, "Detailed  Photo, (8K)"]);
  });

  it("quotes from within a word that it cut in two", () => {
    expect(clip.tokenize(`${"x ".repeat(73)}Antidisestablishmentarianism`).truncated).toEqual(["stablishmentarianism"]);
  });

  it("quotes text without spaces from the character where it was cut", () => {
    const text = "猫".repeat(100);
    expect(clip.tokenize(text).truncated).toEqual([clip.decode(clip.encode(text).slice(76, -1))]);
  });

  it("quotes composed text as it was written", () => {
    expect(clip.tokenize(`${"x ".repeat(75)}cafe\u0301 noir`).truncated).toEqual(["cafe\u0301 noir"]);
  });

  it("does not cut longer prompts, if asked", () => {
    const { inputIds, truncated } = clip.tokenize(["cat ".repeat(100), "cat"], { truncation: false });
    expect(inputIds.shape).toEqual([2, 102]);
    expect(truncated).toEqual([undefined, undefined]);
  });

  it.each([1, 0, 2.5, Number.NaN])("refuses a length of %s", (maxLength) => {
    expect(() => clip.tokenize("a", { maxLength })).toThrow(ArgumentError);
  });
});

describe("decode", () => {
  it("gives the text in lower case, with spaces between words, as transformers does", () => {
    expect(clip.decode(clip.encode("Hello, World! don't 12"))).toBe(`${start}hello , world ! don 't 1 2 ${end}`);
  });

  it("leaves out ids that are not in the vocabulary", () => {
    expect(clip.decode([2368, 1_000_000])).toBe("cat");
  });
});

// Expected ids are transformers' for the same files.
describe("added tokens", () => {
  const token = (content: string) => ({ content, lstrip: false, normalized: true, rstrip: false, single_word: false });
  const names = { bos_token: start, eos_token: end, unk_token: end, pad_token: end };

  it.each([
    [
      "matches the end token of Stable Diffusion 1 in lower case only, its start token in any",
      { special_tokens_map: { bos_token: token(start), eos_token: token(end), unk_token: token(end), pad_token: end } },
      "A <|ENDOFTEXT|> <|STARTOFTEXT|> b",
      [320, 27, 347, 524, 639, 69, 600, 1052, 91, 285, 1512, 321],
    ],
    [
      "takes the pad token of Stable Diffusion 2 out of the text",
      { special_tokens_map: { bos_token: token(start), eos_token: token(end), unk_token: token(end), pad_token: "!" } },
      "A <|ENDOFTEXT|> b!",
      [320, 1513, 321, 0],
    ],
    [
      "lets the config's own list come before the special tokens map",
      {
        tokenizer_config: { ...names, pad_token: "!", added_tokens_decoder: { 0: { content: "!", normalized: false, special: true } } },
        special_tokens_map: { pad_token: end },
      },
      "hi!!",
      [71, 328, 0, 0],
    ],
    [
      "knows the words of added_tokens.json, in any case",
      { tokenizer_config: names, added_tokens: { "<cat-toy>": 1514, "<Cat-Toy>": 1515, StyleX: 1516 } },
      "a <cat-toy> StyleX stylex",
      [320, 1514, 1516, 1516],
    ],
    [
      "finds a single word only where it stands alone",
      {
        tokenizer_config: {
          ...names,
          added_tokens_decoder: {
            1514: { content: "cat", single_word: true, normalized: false },
            1515: { content: "Dog", single_word: true, normalized: true },
          },
        },
      },
      "cat cats Dog dogs",
      [1481, 66, 1032, 1514, 639, 1345],
    ],
    [
      "gives new ids to special tokens that the vocabulary lacks",
      { tokenizer_config: { ...names, pad_token: "[PAD]", additional_special_tokens: ["<x>"] } },
      "<x> [PAD] [pad]",
      [1515, 1514, 314, 79, 680, 316],
    ],
  ])("%s", async (_, configs, text, ids) => {
    const jsons = Object.fromEntries(Object.entries(configs).map(([name, json]) => [`${name}.json`, json]));
    const tokenizer = await CLIPTokenizer.fromPretrained(folderOf({ ...words, ...jsons }));
    expect(tokenizer.encode(text)).toEqual([1512, ...ids, 1513]);
  });
});

const manyTokens = Object.fromEntries(Array.from({ length: 30_000 }, (_, i) => [`<token ${i}>`, i]));

describe("fromPretrained", () => {
  it("opens the tokenizer in a checkpoint's subfolder", async () => {
    const tokenizer = await CLIPTokenizer.fromPretrained(checkpoint("sd2-mini"), { subfolder: "tokenizer" });
    expect([tokenizer.padTokenId, tokenizer.bosTokenId, tokenizer.eosTokenId, tokenizer.vocabSize]).toEqual([0, 1512, 1513, 1514]);
  });

  it("works without any config", async () => {
    const tokenizer = await CLIPTokenizer.fromPretrained(folderOf(words));
    expect([tokenizer.modelMaxLength, tokenizer.padTokenId]).toEqual([77, 1513]);
  });

  it("reads Python's 1e30, no limit, as 77", async () => {
    const config = '{"model_max_length": 1000000000000000019884624838656}';
    const tokenizer = await CLIPTokenizer.fromPretrained(folderOf({ ...words, "tokenizer_config.json": config }));
    expect(tokenizer.modelMaxLength).toBe(77);
  });

  it("reads a pad token written as an object", async () => {
    const config = { pad_token: { __type: "AddedToken", content: "!", normalized: false } };
    const tokenizer = await CLIPTokenizer.fromPretrained(folderOf({ ...words, "tokenizer_config.json": config }));
    expect(tokenizer.padTokenId).toBe(0);
  });

  it("reads tokenizer.json if it is the only file", async () => {
    const merges = (words["merges.txt"] as string).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    const json = {
      added_tokens: [
        { id: 1512, content: start, normalized: true },
        { id: 1513, content: end, normalized: false },
      ],
      model: { type: "BPE", vocab: JSON.parse(words["vocab.json"] as string), merges: merges.map((merge) => merge.split(" ")) },
    };
    const tokenizer = await CLIPTokenizer.fromPretrained(folderOf({ "tokenizer.json": json }));
    expect(tokenizer.encode("A <|STARTOFTEXT|> b")).toEqual([1512, 320, 1512, 321, 1513]);
  });

  it("names a folder that does not exist", async () => {
    await expect(CLIPTokenizer.fromPretrained("no/such/folder")).rejects.toThrow("no/such/folder does not exist");
  });

  it("uses CLIP's special tokens if the config has null", async () => {
    const config = { bos_token: null, eos_token: null, pad_token: null };
    const tokenizer = await CLIPTokenizer.fromPretrained(folderOf({ ...words, "tokenizer_config.json": config }));
    expect([tokenizer.bosTokenId, tokenizer.eosTokenId, tokenizer.padTokenId]).toEqual([1512, 1513, 1513]);
  });

  it("reads merges with Windows line ends", async () => {
    const merges = (words["merges.txt"] as string).replaceAll("\n", "\r\n");
    const tokenizer = await CLIPTokenizer.fromPretrained(folderOf({ ...words, "merges.txt": merges }));
    expect(tokenizer.encode("a cat")).toEqual((await CLIPTokenizer.fromPretrained(folderOf(words))).encode("a cat"));
  });

  it.each([
    ["no vocabulary", { "merges.txt": "a b" }, "memory has neither vocab.json nor tokenizer.json"],
    ["no merges", { "vocab.json": { a: 0 } }, "memory has neither merges.txt nor tokenizer.json"],
    ["an empty vocabulary", { ...words, "vocab.json": {} }, "memory/vocab.json holds no tokens"],
    ["an id that is none", { ...words, "vocab.json": { a: "0" } }, 'the token "a" has the string "0"'],
    ["a merge that is none", { ...words, "merges.txt": "#version: 0.2\na b c" }, 'merge 1 is "a b c"'],
    [
      "a Git LFS pointer as merges",
      { ...words, "merges.txt": "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n" },
      "memory/merges.txt is not a merges file: it is a Git LFS pointer, not the file itself",
    ],
    [
      "a server's answer as merges",
      { ...words, "merges.txt": '{"error":"Unauthorized","message":"log in first"}' },
      'memory/merges.txt is not a merges file: it is JSON, a server\'s answer in place of the file: "log in first"',
    ],
    [
      "another tokenizer's merges",
      { ...words, "merges.txt": "#version: 0.2\nĠ t\n" },
      'merge 1 is "Ġ t", but vocab.json has no token "Ġt"',
    ],
    ["another kind of tokenizer", { "tokenizer.json": { model: { type: "Unigram" } } }, "is not a CLIP tokenizer"],
    ["added tokens without number", { ...words, "added_tokens.json": manyTokens }, "its 30002 added tokens have"],
    ["an endless token", { ...words, "tokenizer_config.json": { pad_token: "x".repeat(1001) } }, "a text of up to 1000 letters"],
    ["a special token that is none", { ...words, "tokenizer_config.json": { pad_token: 5 } }, "a special token is the number 5"],
  ])("refuses %s and says so", async (_, contents, message) => {
    const error = await CLIPTokenizer.fromPretrained(folderOf(contents as Record<string, string | object>)).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error.message).toContain(message);
  });
});
