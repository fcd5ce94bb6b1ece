import { afterEach, describe, expect, it, vi } from "vitest";
import { CLIPTextModel } from "../../src/models/clip-text.js";
import { Model } from "../../src/models/model.js";
import { DiffusionPipeline } from "../../src/pipelines/diffusion-pipeline.js";
import { StableDiffusionPipeline } from "../../src/pipelines/stable-diffusion.js";
import { CLIPTokenizer } from "../../src/tokenizer/clip.js";
import { checkpoint } from "../helpers/fixtures.js";

const SD1 = checkpoint("sd1-mini");
const LORA = checkpoint("../fixtures/lora/adapters/sd1_peft.safetensors");

/** Runs of networks that read texts, in the order that they are made. */
function countRuns(): { readonly runs: string[] } {
  const runs: string[] = [];
  const run: (...given: unknown[]) => Promise<unknown> = Reflect.get(Model.prototype, "run");
  vi.spyOn(Model.prototype as unknown as { run: typeof run }, "run").mockImplementation(function (this: unknown, ...given) {
    const { className } = this as Model<unknown>;
    if (!/UNet|Transformer|Autoencoder/.test(className)) runs.push(className);
    return run.apply(this, given);
  });
  return { runs };
}

afterEach(() => vi.restoreAllMocks());

const REQUEST = { numInferenceSteps: 2, height: 64, width: 64, seed: 3, outputType: "latent" } as const;

async function embedsOf(pipe: StableDiffusionPipeline, prompt = "a red fox", options = {}) {
  return (await pipe.encodePrompt({ prompt, negativePrompt: "blurry", ...options })).promptEmbeds;
}

/** The features that a pipeline makes which has read nothing yet. */
async function freshEmbeds(change: (pipe: StableDiffusionPipeline) => unknown = () => undefined, prompt?: string) {
  await using pipe = await StableDiffusionPipeline.fromPretrained(SD1, { device: "cpu" });
  await change(pipe);
  return await embedsOf(pipe, prompt);
}

describe("features of prompts", () => {
  it.each([
    ["sd1-mini", ["CLIPTextModel", "CLIPTextModel"]],
    ["sdxl-base-mini", ["CLIPTextModel", "CLIPTextModelWithProjection"]],
    ["sd3-mini", ["CLIPTextModelWithProjection", "CLIPTextModelWithProjection", "T5EncoderModel"]],
    ["flux-dev-mini", ["CLIPTextModel", "T5EncoderModel"]],
    ["chroma-mini", ["T5EncoderModel"]],
    ["z-image-mini", ["Qwen3Model"]],
    ["qwen-image-mini", ["Qwen2_5_VLForConditionalGeneration"]],
    ["flux2-klein-mini", ["Qwen3Model"]],
  ])("%s reads a prompt once, and its pictures stay the same", async (name, readers) => {
    await using pipe = (await DiffusionPipeline.fromPretrained(checkpoint(name), { device: "cpu" })) as StableDiffusionPipeline;
    const { runs } = countRuns();
    const first = await pipe.generate({ prompt: "a red fox", ...REQUEST });
    expect(runs).toEqual(expect.arrayContaining(readers));
    const before = runs.length;
    expect(await pipe.generate({ prompt: "a red fox", ...REQUEST })).toEqual(first);
    expect(runs).toHaveLength(before);
    const other = await pipe.generate({ prompt: "a red fox on a green chair", ...REQUEST });
    expect(runs.length).toBeGreaterThan(before);
    expect(other.images.data).not.toEqual(first.images.data);
  });

  it("are read again for other options and other texts only", async () => {
    await using pipe = await StableDiffusionPipeline.fromPretrained(SD1, { device: "cpu" });
    const { runs } = countRuns();
    const reads = async (prompt: string, options = {}) => {
      const before = runs.length;
      await embedsOf(pipe, prompt, options);
      return runs.length - before;
    };
    expect(await reads("a fox")).toBe(2);
    expect(await reads("a fox")).toBe(0);
    expect(await reads("a cat")).toBe(1);
    expect(await reads("a cat", { clipSkip: 1 })).toBe(1);
    expect(await reads("a cat", { negativePrompt: "a fox" })).toBe(0);
    expect(await reads("a cat", { numImagesPerPrompt: 3 })).toBe(0);
    expect(await reads("a (cat:1.3)", { promptSyntax: "a1111" })).toBe(0);
  });

  it("are their own in each result: changing one changes no later one", async () => {
    await using pipe = await StableDiffusionPipeline.fromPretrained(SD1, { device: "cpu" });
    const first = await embedsOf(pipe);
    const copy = first.data.slice();
    first.data.fill(0);
    const second = await embedsOf(pipe);
    expect(second.data).toEqual(copy);
    second.data.fill(1);
    expect((await embedsOf(pipe)).data).toEqual(copy);
  });

  it("are those of the LoRAs that are loaded, weighted, turned off, fused and deleted", async () => {
    await using pipe = await StableDiffusionPipeline.fromPretrained(SD1, { device: "cpu" });
    const load = (some: StableDiffusionPipeline) => some.loadLoraWeights(LORA, { adapterName: "a" });
    const without = await embedsOf(pipe);
    await load(pipe);
    const withLora = await embedsOf(pipe);
    expect(withLora).not.toEqual(without);
    expect(withLora).toEqual(await freshEmbeds(load));
    pipe.setAdapters("a", 0.3);
    expect(await embedsOf(pipe)).toEqual(
      await freshEmbeds(async (some) => {
        await load(some);
        some.setAdapters("a", 0.3);
      }),
    );
    pipe.disableLora();
    expect(await embedsOf(pipe)).toEqual(without);
    pipe.enableLora();
    pipe.fuseLora({ loraScale: 2 });
    const fused = await embedsOf(pipe);
    expect(fused).not.toEqual(withLora);
    pipe.unfuseLora();
    pipe.setAdapters("a", 1);
    expect(await embedsOf(pipe)).toEqual(withLora);
    pipe.deleteAdapters("a");
    expect(await embedsOf(pipe)).toEqual(without);
  });

  it("are those of the embeddings that are loaded", async () => {
    await using pipe = await StableDiffusionPipeline.fromPretrained(SD1, { device: "cpu" });
    const file = checkpoint("../fixtures/textual-inversion/embeddings/cat-toy.safetensors");
    const prompt = "a photo of <cat-toy>";
    const before = await embedsOf(pipe, prompt);
    await pipe.loadTextualInversion(file, { token: "<cat-toy>" });
    const after = await embedsOf(pipe, prompt);
    expect(after).not.toEqual(before);
    expect(after).toEqual(await freshEmbeds((some) => some.loadTextualInversion(file, { token: "<cat-toy>" }), prompt));
    pipe.unloadTextualInversion();
    expect(await embedsOf(pipe, prompt)).toEqual(before);
  });

  it("are those of another text encoder or tokenizer that the pipeline gets", async () => {
    await using pipe = await StableDiffusionPipeline.fromPretrained(SD1, { device: "cpu" });
    const before = await embedsOf(pipe);
    const { runs } = countRuns();
    await using encoder = await CLIPTextModel.fromPretrained(SD1, { subfolder: "text_encoder", device: "cpu" });
    pipe.textEncoder = encoder;
    expect(await embedsOf(pipe)).toEqual(before);
    expect(runs).toHaveLength(2);
    const tokenizer = await CLIPTokenizer.fromPretrained(SD1, { subfolder: "tokenizer" });
    const { tokenize } = tokenizer;
    vi.spyOn(tokenizer, "tokenize").mockImplementation((texts, options) =>
      tokenize.call(
        tokenizer,
        [texts].flat().map((text) => `${text} at night`),
        options,
      ),
    );
    pipe.tokenizer = tokenizer;
    expect(await embedsOf(pipe)).not.toEqual(before);
  });

  it("need no text encoder in memory when it is saved", async () => {
    await using pipe = await StableDiffusionPipeline.fromPretrained(SD1, { device: "cpu", lowMemory: true });
    await pipe.generate({ prompt: "a red fox", ...REQUEST });
    const load = vi.spyOn(Reflect.get(pipe.unet, "engine"), "load");
    await pipe.generate({ prompt: "a red fox", ...REQUEST });
    expect(load.mock.calls.map(([, options]) => (options as { network: string }).network)).toEqual(["UNet2DConditionModel"]);
  });

  it("go with the pipeline", async () => {
    const pipe = await StableDiffusionPipeline.fromPretrained(SD1, { device: "cpu" });
    await embedsOf(pipe);
    await pipe.dispose();
    await expect(embedsOf(pipe)).rejects.toThrow("disposed");
  });
});
