import { afterEach, describe, expect, it, vi } from "vitest";
import { Model } from "../../src/models/model.js";
import { DiffusionPipeline } from "../../src/pipelines/diffusion-pipeline.js";
import type { QwenImagePipeline } from "../../src/pipelines/qwen-image.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { largestDifference } from "../helpers/differences.js";
import { checkpoint, readFixture } from "../helpers/fixtures.js";

// The pictures themselves are compared with diffusers' FirstBlockCacheConfig among the fixtures, group step-cache.

/** What a case of the fixtures says. */
interface Meta {
  readonly checkpoint: string;
  readonly seed: number;
  readonly call: Readonly<Record<string, string & number>>;
  readonly first_block: { readonly threshold: number; readonly computes: readonly boolean[] };
}

type Pipeline = QwenImagePipeline;
const open = async (name: string, options = {}) =>
  (await DiffusionPipeline.fromPretrained(checkpoint(name), { device: "cpu", ...options })) as unknown as Pipeline;

const FOX = { prompt: "a red fox", numInferenceSteps: 4, height: 32, width: 24, seed: 1, maxSequenceLength: 32 } as const;

afterEach(() => vi.restoreAllMocks());

async function latentsOf(pipe: Pipeline, request: object = {}): Promise<Tensor> {
  return (await pipe.generate({ ...FOX, ...request, outputType: "latent" })).images;
}

/** The parts of the transformer that a call runs: whole (w), head (h), tail (t), end (e). */
async function partsOf(pipe: Pipeline, request: object): Promise<string> {
  const parts: string[] = [];
  const run: (...given: unknown[]) => Promise<unknown> = Reflect.get(Model.prototype, "run");
  vi.spyOn(Model.prototype as unknown as { run: typeof run }, "run").mockImplementation(function (this: unknown, ...given) {
    const part = /\b(whole|head|tail|end)\b/.exec(String(given[0]))?.[1];
    if (part && /Transformer/.test((this as Model<unknown>).className)) parts.push(part.charAt(0));
    return run.apply(this, given);
  });
  await latentsOf(pipe, request);
  vi.restoreAllMocks();
  return parts.join("");
}

describe.each([
  ["flux-dev-mini", { negativePrompt: "blurry", trueCfgScale: 3 }],
  ["chroma-mini", { negativePrompt: "blurry", guidanceScale: 3 }],
  ["qwen-image-mini", { negativePrompt: "blurry, low quality", trueCfgScale: 3 }],
])("the step cache of %s", (name, guidance) => {
  it("is off by default and at 0, and never skips where the change is above the threshold", async () => {
    await using pipe = await open(name);
    const plain = await latentsOf(pipe);
    expect(await partsOf(pipe, {})).toBe("wwww");
    expect(await partsOf(pipe, { cache: { threshold: 0 } })).toBe("wwww");
    expect(await partsOf(pipe, { cache: { threshold: 1e-6 } })).toBe("hthththt");
    expect(largestDifference(await latentsOf(pipe, { cache: { threshold: 1e-6 } }), plain)).toBeLessThan(1e-4);
  });

  it("computes the other blocks at the first step only if every change is below the threshold", async () => {
    await using pipe = await open(name);
    expect(await partsOf(pipe, { cache: { threshold: 100 } })).toBe("hthehehe");
    expect(await partsOf(pipe, { ...guidance, cache: { threshold: 100 } })).toBe("hthehehe");
    expect(largestDifference(await latentsOf(pipe, { cache: { threshold: 100 } }), await latentsOf(pipe))).toBeGreaterThan(1e-3);
  });

  it("begins again in every call", async () => {
    await using pipe = await open(name);
    const request = { ...guidance, cache: { threshold: 100 } };
    expect(await latentsOf(pipe, request)).toEqual(await latentsOf(pipe, request));
  });

  it("makes the same pictures of a batch one by one in less memory", async () => {
    const request = {
      ...guidance,
      prompt: ["a red fox", "a cat"],
      negativePrompt: ["blurry", "dark"],
      seed: [1, 2],
      cache: { threshold: 0.9 },
    };
    await using usual = await open(name);
    await using saving = await open(name, { lowMemory: true });
    expect(largestDifference(await latentsOf(saving, request), await latentsOf(usual, request))).toBeLessThan(1e-3);
  });

  it("serves a guidance interval: prompts keep their cache", async () => {
    await using pipe = await open(name);
    const request = { ...guidance, guidanceInterval: { start: 0.25, stop: 0.75 }, cache: { threshold: 100 } };
    // Turn 2 begins the negative prompt's cache, so its run has rows of both kinds.
    expect(await partsOf(pipe, request)).toBe("hthtehehe");
  });

  it("has neither interval nor branch", async () => {
    await using pipe = await open(name);
    await expect(latentsOf(pipe, { cache: { interval: 2 } })).rejects.toThrow("cache.interval was given; it is for UNets");
    await expect(latentsOf(pipe, { cache: { threshold: 0.1, branch: 1 } })).rejects.toThrow("cache.branch was given; it is for UNets");
    await expect(latentsOf(pipe, { cache: {} })).rejects.toThrow("cache has neither interval nor threshold");
  });
});

it.each(["flux-dev-mini_first_block", "flux-dev-mini_first_block_cfg", "qwen-image-mini_first_block_cfg"])(
  "%s skips the same steps as diffusers",
  async (name) => {
    const meta = readFixture<Meta>("step-cache", name).meta;
    const { prompt, height, width, negative_prompt: negativePrompt, true_cfg_scale: trueCfgScale, ...rest } = meta.call;
    const { num_inference_steps: numInferenceSteps = 0, guidance_scale: guidanceScale, max_sequence_length: maxSequenceLength } = rest;
    await using pipe = await open(meta.checkpoint);
    const request = {
      prompt,
      negativePrompt,
      trueCfgScale,
      numInferenceSteps,
      height,
      width,
      guidanceScale,
      maxSequenceLength,
      seed: meta.seed,
    };
    const given = Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined));
    const parts = await partsOf(pipe, { ...given, cache: { threshold: meta.first_block.threshold } });
    const decisions = meta.first_block.computes;
    const size = decisions.length / numInferenceSteps;
    const expected = Array.from({ length: numInferenceSteps }, (_, step) => {
      const own = decisions.slice(step * size, (step + 1) * size);
      return `h${own.includes(true) ? "t" : ""}${own.includes(false) ? "e" : ""}`;
    });
    expect(parts).toBe(expected.join(""));
  },
);

it.each(["sd3-mini", "z-image-mini", "flux2-klein-mini"])("%s has no step cache, and says so", async (name) => {
  await using pipe = await open(name);
  await expect(latentsOf(pipe, { cache: { threshold: 0.1 } })).rejects.toThrow("this pipeline's network has no step cache");
});
