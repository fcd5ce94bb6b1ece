import "../../src/hub/open-checkpoint.js";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { T5Tokenizer } from "../../src/tokenizer/t5.js";
import { MemoryFolder } from "../fuzz/memory-folder.js";
import { checkpoint } from "../helpers/fixtures.js";
import { temporaryFolder } from "../helpers/temporary.js";

const tokenizer = await T5Tokenizer.fromPretrained(checkpoint("tokenizer-t5-mini"));
const bytes = (name: string) => readFileSync(`${checkpoint("tokenizer-t5-mini")}/${name}`);
const folderOf = (files: Readonly<Record<string, Uint8Array | string>>) =>
  new MemoryFolder(new Map(Object.entries(files).map(([name, content]) => [name, Buffer.from(content)])));
const open = (files: Readonly<Record<string, Uint8Array | string>>) => T5Tokenizer.fromPretrained(folderOf(files));
const config = bytes("tokenizer_config.json");
const whole = (change: (json: Record<string, unknown>) => void) => {
  const json = JSON.parse(bytes("tokenizer.json").toString());
  change(json);
  return JSON.stringify(json);
};

describe("T5's tokenizer", () => {
  const prompts = [
    "a photo of a red fox, ﬁne １２ ½",
    "e\u0301 and <extra_id_5> </s> \u2581\u2581two",
    "",
    " \n\t",
    "北京 unknownword 🦊\u200dx",
  ];

  it("reads tokenizer.json as spiece.model, which needs no config", async () => {
    const [json, model] = await Promise.all([
      open({ "tokenizer.json": bytes("tokenizer.json"), "tokenizer_config.json": config }),
      open({ "spiece.model": bytes("spiece.model") }),
    ]);
    for (const prompt of prompts) {
      expect(json.encode(prompt)).toEqual(tokenizer.encode(prompt));
      expect(model.encode(prompt)).toEqual(tokenizer.encode(prompt));
    }
    expect([json.vocabSize, model.vocabSize]).toEqual([443, 443]);
  });

  it("reads unknown characters in a row as one unknown token", () => {
    expect(tokenizer.encode("🦊🦊🦊").filter((id) => id === 2)).toHaveLength(1);
  });

  it("cuts a text before its end token, and says what it cuts off", () => {
    const { inputIds, attentionMask, truncated } = tokenizer.tokenize(["a red fox in the snow", "a"], {
      maxLength: 3,
      padding: "max_length",
      truncation: true,
    });
    expect(inputIds.shape).toEqual([2, 3]);
    expect(inputIds.data[2]).toBe(BigInt(tokenizer.eosTokenId));
    expect([...attentionMask.data]).toEqual([1n, 1n, 1n, 1n, 1n, 0n]);
    expect(truncated).toEqual(["d fox in the snow", undefined]);
  });

  it("refuses files of other tokenizers, and damaged ones", async () => {
    const vocab = { "tokenizer.json": whole((json) => Object.assign(json, { model: { type: "BPE", vocab: {}, merges: [] } })) };
    await expect(open(vocab)).rejects.toThrow("is not a T5 tokenizer");
    const lower = { "tokenizer.json": whole((json) => Object.assign(json, { normalizer: { type: "Lowercase" } })) };
    await expect(open(lower)).rejects.toThrow('normalises texts by "Lowercase"; expected Precompiled');
    const model = bytes("spiece.model");
    await expect(open({ "spiece.model": model.subarray(0, 5000) })).rejects.toThrow("is not a SentencePiece model");
    await expect(open({ "spiece.model": "hello" })).rejects.toThrow("spiece.model");
    await expect(open({ "tokenizer_config.json": config })).rejects.toThrow("has neither spiece.model nor tokenizer.json");
  });

  it("saves its files unchanged", async () => {
    const folder = `${temporaryFolder()}/tokenizer`;
    await tokenizer.savePretrained(folder);
    for (const name of ["spiece.model", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"]) {
      expect(readFileSync(`${folder}/${name}`)).toEqual(bytes(name));
    }
  });
});
