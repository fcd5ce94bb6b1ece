import "../../src/hub/open-checkpoint.js";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Qwen2Tokenizer } from "../../src/tokenizer/qwen2.js";
import { MemoryFolder } from "../fuzz/memory-folder.js";
import { checkpoint } from "../helpers/fixtures.js";
import { temporaryFolder } from "../helpers/temporary.js";

const tokenizer = await Qwen2Tokenizer.fromPretrained(checkpoint("tokenizer-qwen-mini"));
const FILES = ["vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json"] as const;
type File = (typeof FILES)[number];
const text = (name: File) => readFileSync(`${checkpoint("tokenizer-qwen-mini")}/${name}`, "utf8");
const folderOf = (files: Readonly<Record<string, string>>) =>
  new MemoryFolder(new Map(Object.entries(files).map(([name, content]) => [name, Buffer.from(content)])));
const config = text("tokenizer_config.json");

describe("Qwen's tokenizer", () => {
  // The ids are those of transformers' Qwen2Tokenizer.
  it.each([
    ["'\u017f is a contraction, as 's is", "it'\u017f", [269, 6, 129, 123]],
    ["a mark composes with the letter before it", "e\u0301", [127, 102]],
    ["spaces before a word: the last one belongs to it", "a   fox", [64, 220, 220, 486]],
    ["U+0085 is a space, U+FEFF is not", "a\u0085b\ufeffc", [64, 126, 227, 65, 171, 119, 123, 66]],
    ["line breaks stay with the signs before them", "!!\r\n\n x", [0, 0, 201, 580, 220, 87]],
  ] as const)("%s", (_, input, expected) => {
    expect(tokenizer.encode(input)).toEqual(expected);
  });

  it("reads vocab.json and merges.txt as tokenizer.json", async () => {
    const [json, parts] = await Promise.all([
      Qwen2Tokenizer.fromPretrained(folderOf({ "tokenizer.json": text("tokenizer.json"), "tokenizer_config.json": config })),
      Qwen2Tokenizer.fromPretrained(
        folderOf({ "vocab.json": text("vocab.json"), "merges.txt": text("merges.txt"), "tokenizer_config.json": config }),
      ),
    ]);
    const prompt = "A Tiny  Robot\tin the\n\nRain, 北京 <|im_end|>\n<think>";
    expect(json.encode(prompt)).toEqual(tokenizer.encode(prompt));
    expect(parts.encode(prompt)).toEqual(tokenizer.encode(prompt));
  });

  it("refuses the tokenizer.json of a model that splits texts in another way", async () => {
    const other = text("tokenizer.json").replaceAll("\\\\p{N}|", "\\\\p{N}{1,3}|");
    await expect(Qwen2Tokenizer.fromPretrained(folderOf({ "tokenizer.json": other, "tokenizer_config.json": config }))).rejects.toThrow(
      "splits texts by the pattern",
    );
  });

  it("decodes what it encoded, special tokens too", () => {
    const prompt = "a red fox 🦊 北京<|im_end|>\n";
    expect(tokenizer.decode(tokenizer.encode(prompt))).toBe(prompt);
  });

  it("reads lone surrogates as U+FFFD", () => {
    expect(tokenizer.encode("a\ud800b")).toEqual(tokenizer.encode("a\ufffdb"));
  });

  it("pads to the longest text, or to a length with the mask of what is text, and says what it cuts off", () => {
    const { inputIds, attentionMask } = tokenizer.tokenize(["a fox", "a"]);
    expect(inputIds.shape).toEqual([2, 2]);
    expect([...attentionMask.data]).toEqual([1n, 1n, 1n, 0n]);
    expect(inputIds.data[3]).toBe(BigInt(tokenizer.padTokenId));
    const cut = tokenizer.tokenize("a red fox at night", { maxLength: 3, padding: "max_length", truncation: true });
    expect(cut.inputIds.shape).toEqual([1, 3]);
    expect(cut.truncated).toEqual(["at night"]);
    expect(() => tokenizer.tokenize("a", { maxLength: 0 })).toThrow("maxLength");
  });

  it("takes the chat template of its own file before that of tokenizer_config.json", async () => {
    const files = { "vocab.json": text("vocab.json"), "merges.txt": text("merges.txt"), "tokenizer_config.json": config };
    const own = await Qwen2Tokenizer.fromPretrained(folderOf({ ...files, "chat_template.jinja": "{{ messages[0].content }}!" }));
    expect(own.applyChatTemplate([{ role: "user", content: "hi" }])).toBe("hi!");
  });

  it("refuses templates that are broken, endless, or missing", async () => {
    const files = { "vocab.json": text("vocab.json"), "merges.txt": text("merges.txt"), "tokenizer_config.json": config };
    const withTemplate = (template: string) => Qwen2Tokenizer.fromPretrained(folderOf({ ...files, "chat_template.jinja": template }));
    await expect(withTemplate("{% for %}")).rejects.toThrow("is not a Jinja template");
    const endless = await withTemplate("{% for i in range(1000000000) %}a{% endfor %}");
    expect(() => endless.applyChatTemplate([])).toThrow("range of 1000000000 numbers");
    const refusing = await withTemplate("{{ raise_exception('no user') }}");
    expect(() => refusing.applyChatTemplate([])).toThrow("no user");
    const { chat_template: _, ...bare } = JSON.parse(config);
    const without = await Qwen2Tokenizer.fromPretrained(folderOf({ ...files, "tokenizer_config.json": JSON.stringify(bare) }));
    expect(() => without.applyChatTemplate([{ role: "user", content: "hi" }])).toThrow("has no chat template");
  });

  it("saves its files unchanged", async () => {
    const folder = `${temporaryFolder()}/tokenizer`;
    await tokenizer.savePretrained(folder);
    for (const name of FILES) expect(readFileSync(`${folder}/${name}`, "utf8")).toBe(text(name));
  });
});
