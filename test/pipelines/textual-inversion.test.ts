import { afterAll, describe, expect, it } from "vitest";
import { camelCaseKeys } from "../../src/checkpoint/config.js";
import type { JsonObject } from "../../src/checkpoint/json.js";
import { DiffusionPipeline } from "../../src/index.js";
import type { TextualInversionOptions } from "../../src/pipelines/adapters/textual-inversions.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { largestDifference } from "../helpers/differences.js";
import { checkpointError } from "../helpers/errors.js";
import { checkpoint, readFixture } from "../helpers/fixtures.js";
import { collectWarnings } from "../helpers/warnings.js";
import { loraFile } from "../lora/loras.js";
import { embeddingFile } from "./embeddings.js";

/** What Python diffusers was asked for; see fixtures/make/textual_inversion.py. */
interface EmbeddingCase {
  readonly checkpoint: string;
  readonly embeddings: readonly { readonly file: string; readonly token: string | null }[];
  readonly call: JsonObject;
  readonly seed: number;
}

interface Pipeline extends DiffusionPipeline {
  loadTextualInversion(source: string, options?: TextualInversionOptions): Promise<readonly string[]>;
  unloadTextualInversion(tokens?: string | readonly string[]): void;
  generate(request: object): Promise<{ readonly images: Tensor }>;
}

const opened = new Map<string, Promise<Pipeline>>();
afterAll(async () => {
  for (const pipe of opened.values()) await (await pipe).dispose();
});

/** The checkpoint's pipeline, with no embeddings. */
async function pipelineOf(name: string): Promise<Pipeline> {
  const loading =
    opened.get(name) ?? (DiffusionPipeline.fromPretrained(checkpoint(name), { device: "cpu" }) as unknown as Promise<Pipeline>);
  opened.set(name, loading);
  const pipe = await loading;
  pipe.unloadTextualInversion();
  return pipe;
}

const PLAIN = { prompt: "a <cat-toy>", numInferenceSteps: 2, seed: 1, outputType: "tensor" };

describe("pictures with embeddings are Python diffusers'", () => {
  it.each([
    ["sd1_single", "of one vector"],
    ["sd1_row_capitals", "of one row, written in capitals"],
    ["sd1_vectors", "of several vectors"],
    ["sd1_vectors_capitals", "of several vectors, written in capitals"],
    ["sd1_a1111_negative", "of AUTOMATIC1111's layout, in the negative prompt"],
    ["sd1_two", "two at once, and their further vectors by name"],
    ["sd1_cut", "at the end of a prompt that is cut"],
    ["sd1_batch_skip", "float16, in a batch, with layers skipped"],
    ["sd2_single", "under another token"],
    ["sd2_vectors", "bfloat16, in Stable Diffusion 2"],
    ["xl_both", "for XL's two text encoders"],
    ["xl_negative", "in XL's negative prompt"],
    ["xl_first_only", "for XL's first text encoder alone"],
  ])("%s: %s", async (name) => {
    collectWarnings();
    const { meta, tensor } = readFixture<EmbeddingCase>("textual-inversion", name);
    const pipe = await pipelineOf(meta.checkpoint);
    for (const { file, token } of meta.embeddings) await pipe.loadTextualInversion(embeddingFile(file), { token: token ?? undefined });
    const { images } = await pipe.generate({ ...camelCaseKeys(meta.call), seed: meta.seed, outputType: "tensor" });
    expect(largestDifference(images, tensor("images"))).toBeLessThanOrEqual(1 / 255);
  });
});

describe("embeddings", () => {
  it("leave no trace when they are unloaded", async () => {
    const pipe = await pipelineOf("sd1-mini");
    const before = await pipe.generate(PLAIN);
    expect(await pipe.loadTextualInversion(embeddingFile("cat-toy"))).toEqual(["<cat-toy>"]);
    const during = await pipe.generate(PLAIN);
    pipe.unloadTextualInversion("<cat-toy>");
    const after = await pipe.generate(PLAIN);
    expect(largestDifference(during.images, before.images)).toBeGreaterThan(1 / 255);
    expect(largestDifference(after.images, before.images)).toBe(0);
  });

  it("are refused with a token that is taken", async () => {
    const pipe = await pipelineOf("sd1-mini");
    await pipe.loadTextualInversion(embeddingFile("cat-toy"));
    await expect(pipe.loadTextualInversion(embeddingFile("cat-toy-rows"))).rejects.toThrow(
      /<cat-toy> is already in the tokenizer's vocabulary/,
    );
  });

  it("are refused in a checkpoint of another family, and nothing is loaded", async () => {
    const pipe = await pipelineOf("sd1-mini");
    const error = await checkpointError(pipe.loadTextualInversion(embeddingFile("ink")));
    expect(error.message).toMatch(/ink\.safetensors has vectors for text_encoder.* and text_encoder.*; this pipeline has text_encoder$/);
    expect(() => pipe.unloadTextualInversion("ink")).toThrow(/no embedding was loaded as ink/);
  });

  it("are distinguished from other files by name", async () => {
    const pipe = await pipelineOf("sd1-mini");
    expect((await checkpointError(pipe.loadTextualInversion(loraFile("sd1_kohya")))).message).toMatch(
      /sd1_kohya\.safetensors is a LoRA, not a textual inversion$/,
    );
  });
});
