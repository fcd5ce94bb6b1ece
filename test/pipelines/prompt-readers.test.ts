import "../../src/hub/open-checkpoint.js";
import { afterAll, describe, expect, it } from "vitest";
import { createEngine } from "#platform";
import { Qwen3Model } from "../../src/models/qwen3.js";
import { T5EncoderModel } from "../../src/models/t5-encoder.js";
import { ChromaTextEncoders } from "../../src/pipelines/prompt/chroma.js";
import { FluxTextEncoders } from "../../src/pipelines/prompt/flux.js";
import { Flux2KleinTextEncoders } from "../../src/pipelines/prompt/flux2-klein.js";
import { StableDiffusion3TextEncoders } from "../../src/pipelines/prompt/stable-diffusion-3.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { Qwen2Tokenizer } from "../../src/tokenizer/qwen2.js";
import { T5Tokenizer } from "../../src/tokenizer/t5.js";
import { expectClose } from "../helpers/differences.js";
import { checkpoint } from "../helpers/fixtures.js";
import { collectWarnings } from "../helpers/warnings.js";

const engine = await createEngine({ device: "cpu" });
afterAll(() => engine.dispose());

const tokenizer = await T5Tokenizer.fromPretrained(checkpoint("tokenizer-t5-mini"));
const chroma = new ChromaTextEncoders({
  textEncoder: await T5EncoderModel.fromPretrained(checkpoint("flux-dev-mini"), { engine, subfolder: "text_encoder_2" }),
  tokenizer,
  width: 48,
});
const klein = new Flux2KleinTextEncoders({
  textEncoder: await Qwen3Model.fromPretrained(checkpoint("flux2-klein-base-mini"), { engine, subfolder: "text_encoder" }),
  tokenizer: await Qwen2Tokenizer.fromPretrained(checkpoint("tokenizer-qwen-mini")),
  width: 48,
});
const none = { textEncoder: null, tokenizer: null, textEncoder2: null, tokenizer2: null, textEncoder3: null, tokenizer3: null };
const flux = new FluxTextEncoders({ ...none, widths: [48, 16] });
const unguided = { isGuided: false };
const guided = { isGuided: true };

describe("prompts that text encoders read", () => {
  it("in one batch have the features that each has alone", async () => {
    const both = (await chroma.encode({ prompt: ["a fox", "a tree"], negativePrompt: "a fox", maxSequenceLength: 8 }, guided)).at(1);
    const alone = (await chroma.encode({ prompt: "a fox", maxSequenceLength: 8 }, unguided)).at(1);
    expect(both.positive.promptEmbeds.shape).toEqual([2, 8, 48]);
    expectClose(both.positive.promptEmbeds.slice(0, 1), alone.positive.promptEmbeds, 1e-5);
    for (const row of [0, 1]) expect(both.negative?.promptEmbeds.slice(row, row + 1)).toEqual(both.positive.promptEmbeds.slice(0, 1));
  });

  it("have a row for each of their pictures", async () => {
    const { positive, negative } = (
      await klein.encode({ prompt: ["a fox", "a tree"], numImagesPerPrompt: 2, maxSequenceLength: 24 }, guided)
    ).at(1);
    const rows = positive.promptEmbeds.chunk(4);
    expect(rows[1]).toEqual(rows[0]);
    expect(rows[3]).toEqual(rows[2]);
    expect(rows[2]).not.toEqual(rows[0]);
    expect(negative?.promptEmbeds.shape).toEqual([4, 24, 48]);
  });

  it("are cut to maxSequenceLength with a warning that says what is lost", async () => {
    const warnings = collectWarnings();
    await chroma.encode({ prompt: "a red fox in the snow", maxSequenceLength: 4 }, unguided);
    expect(warnings.join()).toContain("a prompt is longer than 4 tokens, all that maxSequenceLength takes; cut off:");
  });

  it("keep one token of padding in Chroma's mask", async () => {
    const { positive } = (await chroma.encode({ prompt: "a fox", maxSequenceLength: 8 }, unguided)).at(1);
    const tokens = tokenizer.encode("a fox").length;
    expect([...positive.promptAttentionMask.data]).toEqual(Array.from({ length: 8 }, (_, i) => Number(i <= tokens)));
  });

  it("are read by klein at the layers that are asked for", async () => {
    const { positive } = (await klein.encode({ prompt: "a fox", textEncoderOutLayers: [3, -1], maxSequenceLength: 24 }, unguided)).at(1);
    expect(positive.promptEmbeds.shape).toEqual([1, 24, 32]);
  });
});

describe("features in place of prompts", () => {
  const embeds = Tensor.full([1, 5, 48], 0.5);

  it("are used as they are, with the parts that read prompts or without", async () => {
    const pooled = Tensor.full([1, 16], 0.25);
    const { positive } = (await flux.encode({ promptEmbeds: embeds, pooledPromptEmbeds: pooled, numImagesPerPrompt: 2 }, unguided)).at(1);
    expect(positive.promptEmbeds).toEqual(Tensor.full([2, 5, 48], 0.5));
    expect(positive.pooledPromptEmbeds).toEqual(Tensor.full([2, 16], 0.25));
  });

  it("are refused without what belongs to them, and in other shapes", async () => {
    await expect(flux.encode({ promptEmbeds: embeds }, unguided)).rejects.toThrow("without pooledPromptEmbeds");
    await expect(chroma.encode({ promptEmbeds: embeds }, unguided)).rejects.toThrow("without promptAttentionMask");
    await expect(klein.encode({ promptEmbeds: Tensor.full([1, 5, 4], 0) }, unguided)).rejects.toThrow("expected [batch, tokens, 48]");
    const two = { promptEmbeds: embeds, negativePromptEmbeds: Tensor.full([2, 5, 48], 0) };
    await expect(klein.encode(two, guided)).rejects.toThrow("features of 1 prompts and of 2 negative prompts");
  });

  it("are needed if parts that read prompts are missing", async () => {
    await expect(flux.encode({ prompt: "a fox" }, unguided)).rejects.toThrow("this pipeline has no textEncoder and no tokenizer");
    const sd3 = new StableDiffusion3TextEncoders({ ...none, widths: [48, 28] });
    expect(sd3.missing).toEqual(["textEncoder", "tokenizer", "textEncoder2", "tokenizer2"]);
  });
});
