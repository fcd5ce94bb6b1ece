import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { embeddingOption, loraOption, toAdapters } from "../../src/cli/adapter-options.js";
import { isRemote } from "../../src/cli/find-adapters.js";
import { ArgumentError } from "../../src/errors.js";
import { temporaryFolder } from "../helpers/temporary.js";

describe("--lora", () => {
  it.each([
    ["fox.safetensors", "fox.safetensors", 1],
    ["fox.safetensors:0.8", "fox.safetensors", 0.8],
    ["./a:b/fox.safetensors:-1", "./a:b/fox.safetensors", -1],
    ["owner/name", "owner/name", 1],
    ["owner/name:.5", "owner/name", 0.5],
    ["owner/name/fox.safetensors:2", "owner/name/fox.safetensors", 2],
    ["C:\\loras\\fox.safetensors", "C:\\loras\\fox.safetensors", 1],
    ["C:\\loras\\fox.safetensors:0.8", "C:\\loras\\fox.safetensors", 0.8],
    ["C:/loras/fox.safetensors:0.8", "C:/loras/fox.safetensors", 0.8],
    ["C:fox.safetensors", "C:fox.safetensors", 1],
    ["https://example.com/fox.safetensors", "https://example.com/fox.safetensors", 1],
  ])("%s is %s at %d", (text, source, weight) => {
    expect(loraOption(text)).toMatchObject({ source, weight });
  });

  it("takes a path that exists as it is", () => {
    const folder = temporaryFolder({ "fox:0.5": "" });
    expect(loraOption(join(folder, "fox:0.5"))).toMatchObject({ source: join(folder, "fox:0.5"), weight: 1 });
  });

  it.each([
    ["loras/fox.safetensors", "fox"],
    ["owner/lcm-lora:1", "lcm-lora"],
    ["a<b>,c.safetensors", "abc"],
  ])("names %s %s", (text, name) => expect(loraOption(text).name).toBe(name));

  it.each(["", "fox.safetensors:", "fox.safetensors:high", "fox.safetensors:1e999"])("is refused: %j", (text) => {
    expect(() => loraOption(text)).toThrow(ArgumentError);
  });
});

describe("--embedding", () => {
  it.each([
    ["cat.safetensors", "cat.safetensors", undefined],
    ["cat.safetensors:<cat>", "cat.safetensors", "<cat>"],
    ["owner/name:a cat", "owner/name", "a cat"],
    ["C:\\cat.safetensors", "C:\\cat.safetensors", undefined],
  ])("%s is %s as %s", (text, source, token) => expect(embeddingOption(text)).toEqual({ source, token }));

  it.each(["", "cat.safetensors:"])("is refused: %j", (text) => expect(() => embeddingOption(text)).toThrow(/--embedding is/));
});

describe("toAdapters", () => {
  it("leaves a prompt without tags as it is", () => {
    expect(toAdapters(" a fox ", {})).toMatchObject({ prompt: " a fox ", taggedPrompt: " a fox ", loras: [] });
  });

  it("leaves no prompt where none was given", () => {
    expect(toAdapters(undefined, { lora: [loraOption("fox.safetensors")] })).toMatchObject({ prompt: undefined, taggedPrompt: undefined });
  });

  it("gives an empty prompt its LoRAs' tags", () => {
    expect(toAdapters("", { lora: [loraOption("fox.safetensors:0.5")] })).toMatchObject({ prompt: "", taggedPrompt: "<lora:fox:0.5>" });
  });
});

describe("isRemote", () => {
  it.each([
    ["owner/name", true],
    ["owner/name/fox.safetensors", true],
    ["owner/name/folder/fox.safetensors", true],
    ["fox.safetensors", false],
    ["./owner/name", false],
    ["/owner/name/fox.safetensors", false],
    ["test/cli", false],
    ["test/none/fox.safetensors", false],
    ["owner/fox.safetensors", false],
    ["https://huggingface.co/owner/name/blob/main/fox.safetensors", true],
    ["huggingface.co/owner/name/blob/main/fox.safetensors", true],
  ])("%s: %s", (source, answer) => expect(isRemote(source)).toBe(answer));
});
