import "../../src/hub/open-checkpoint.js";
import fc from "fast-check";
import { expect } from "vitest";
import { CLIPTokenizer } from "../../src/tokenizer/clip.js";
import { checkpoint } from "../helpers/fixtures.js";
import { filesOf } from "../helpers/hub-server.js";
import { editedBytes, editedJson, hostileText, hostileValue } from "./hostile.js";
import { type Files, MemoryFolder } from "./memory-folder.js";
import { attack, refusing, surface } from "./surface.js";

const FILES: Files = new Map(filesOf(checkpoint("tokenizer-mini")));
const json = (path: string) => JSON.parse(String(FILES.get(path) ?? "{}"));
const vocab = json("vocab.json");
const merges = String(FILES.get("merges.txt"));

const TOKENIZER_JSON = {
  added_tokens: [{ id: 0, content: "<|startoftext|>", normalized: false, single_word: false, special: true }],
  model: { type: "BPE", vocab, merges: merges.split("\n").filter((line) => line !== "" && !line.startsWith("#")) },
};
const ADDED = { "<fox>": 5000, "<cat>": 5001, fox: 12 };
const SPECIAL = {
  bos_token: "<|startoftext|>",
  eos_token: { content: "<|endoftext|>", normalized: true },
  additional_special_tokens: ["<a>"],
};

/** The tokenizer with one file edited. */
function withFile(
  path: string,
  content: fc.Arbitrary<string | Uint8Array>,
  others: Readonly<Record<string, unknown>> = {},
): fc.Arbitrary<Files> {
  return content.map((own) => {
    const extra = Object.entries(others).map(([name, value]) => [name, Buffer.from(JSON.stringify(value))] as const);
    return new Map([...FILES, ...extra, [path, Buffer.from(own as string)]]);
  });
}

/** Tokens whose contents and flags are anybody's. */
const tokens = fc.record({
  content: hostileText,
  normalized: fc.boolean(),
  single_word: fc.boolean(),
});

const TEXTS = ["a red fox", "", "<fox>fox<|endoftext|> 's don't 123 é🦊\ud800", `${"a ".repeat(100)}`];

async function strike(files: Files): Promise<void> {
  const tokenizer = await refusing(() => CLIPTokenizer.fromPretrained(new MemoryFolder(files)));
  if (!tokenizer) return;
  for (const text of TEXTS) {
    await refusing(() => tokenizer.tokenize(text, { maxLength: 77 }));
    const ids = await refusing(() => tokenizer.encode(text));
    if (ids) await refusing(() => tokenizer.decode(ids));
  }
  await refusing(() => tokenizer.addToken("<style>", 3));
  expect(await refusing(() => tokenizer.encode("<style>"))).toBeDefined();
}

/** Files with only tokenizer.json in place of vocab.json and merges.txt. */
const whole = editedJson(TOKENIZER_JSON).map((text): Files => {
  const rest = [...FILES].filter(([path]) => path !== "vocab.json" && path !== "merges.txt");
  return new Map([...rest, ["tokenizer.json", Buffer.from(text)]]);
});

surface("a tokenizer's files", [
  attack("vocab.json with entries that are wrong", withFile("vocab.json", editedJson(vocab)), strike, { runs: 60 }),
  attack("merges.txt with damaged bytes", withFile("merges.txt", editedBytes(Buffer.from(merges))), strike, { runs: 150 }),
  attack("tokenizer.json with fields that are wrong", whole, strike, { runs: 60 }),
  attack(
    "tokenizer_config.json with fields that are wrong",
    withFile("tokenizer_config.json", editedJson(json("tokenizer_config.json"))),
    strike,
    {
      runs: 200,
    },
  ),
  attack("added_tokens.json with fields that are wrong", withFile("added_tokens.json", editedJson(ADDED)), strike, { runs: 100 }),
  attack("special_tokens_map.json with fields that are wrong", withFile("special_tokens_map.json", editedJson(SPECIAL)), strike, {
    runs: 150,
  }),
  attack(
    "tokenizer_config.json with tokens of all kinds",
    withFile(
      "tokenizer_config.json",
      fc
        .array(fc.tuple(fc.oneof(fc.nat().map(String), hostileText), fc.oneof(tokens, hostileValue)), { maxLength: 20 })
        .map((list) => JSON.stringify({ ...json("tokenizer_config.json"), added_tokens_decoder: Object.fromEntries(list) })),
    ),
    strike,
    { runs: 150 },
  ),
  attack(
    "with very many added tokens",
    fc
      .tuple(fc.constantFrom(1000, 100_000, 400_000), fc.constantFrom("added_tokens.json", "special_tokens_map.json"))
      .map(([count, path]) => {
        const names = Array.from({ length: count }, (_, i) => `<t${i}>`);
        const content =
          path === "added_tokens.json" ? Object.fromEntries(names.map((name, i) => [name, i])) : { additional_special_tokens: names };
        const many = [path, Buffer.from(JSON.stringify(content))] as const;
        return new Map([...FILES, many]);
      }),
    strike,
    { runs: 4, isBrief: true },
  ),
]);
