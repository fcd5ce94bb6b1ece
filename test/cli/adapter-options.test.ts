import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { embeddingOption, loraOption } from "../../src/cli/adapter-options.js";
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

  it("takes an existing path whole", () => {
    const folder = temporaryFolder({ "fox:0.5": "" });
    expect(loraOption(join(folder, "fox:0.5"))).toMatchObject({ source: join(folder, "fox:0.5"), weight: 1 });
  });

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
