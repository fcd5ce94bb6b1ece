import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/errors.js";
import { FluxTransformer2DModel } from "../../src/models/flux-transformer-2d.js";
import { ChromaPipeline } from "../../src/pipelines/chroma.js";
import { DiffusionPipeline } from "../../src/pipelines/diffusion-pipeline.js";
import { FluxPipeline } from "../../src/pipelines/flux.js";
import { FluxFillPipeline } from "../../src/pipelines/flux-fill.js";
import { FluxImg2ImgPipeline } from "../../src/pipelines/flux-img2img.js";
import { FluxKontextPipeline } from "../../src/pipelines/flux-kontext.js";
import { StableDiffusion3Pipeline } from "../../src/pipelines/stable-diffusion-3.js";
import { DPMSolverMultistepScheduler } from "../../src/schedulers/dpm-solver-multistep.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { largestDifference } from "../helpers/differences.js";
import { checkpoint } from "../helpers/fixtures.js";
import { readTensors } from "../helpers/safetensors.js";
import { temporaryFolder } from "../helpers/temporary.js";
import { collectWarnings } from "../helpers/warnings.js";

// The pictures that they make are in test/fixtures/pipelines; test/parity.test.ts makes them.

const SMALL = { numInferenceSteps: 2, width: 32, height: 24, seed: 1, maxSequenceLength: 16, outputType: "tensor" } as const;

describe("the pipelines of FLUX.1", () => {
  it("make the same picture of encoded prompts, also with negative ones", async () => {
    await using pipe = await FluxPipeline.fromPretrained(checkpoint("flux-dev-mini"));
    const texts = { prompt: "a fox", prompt2: "a den", negativePrompt: "rain", trueCfgScale: 2 };
    const { maxSequenceLength, ...rest } = SMALL;
    const embeds = await pipe.encodePrompt({ ...texts, maxSequenceLength });
    expect(Object.keys(embeds).sort()).toEqual([
      "negativePooledPromptEmbeds",
      "negativePromptEmbeds",
      "pooledPromptEmbeds",
      "promptEmbeds",
    ]);
    const again = await pipe.generate({ ...rest, ...embeds, trueCfgScale: 2 });
    const { images } = await pipe.generate({ ...SMALL, ...texts });
    expect(largestDifference(again.images, images)).toBeLessThan(1e-4);
  });

  it("warn of negative prompts and guidance that have no effect, and of sizes that are rounded", async () => {
    const warnings = collectWarnings();
    await using pipe = await FluxPipeline.fromPretrained(checkpoint("flux-schnell-mini"));
    const { images } = await pipe.generate({ ...SMALL, prompt: "a fox", negativePrompt: "rain", guidanceScale: 3, width: 35 });
    expect(images.shape).toEqual([1, 3, 24, 32]);
    expect(warnings).toEqual([
      "negativePrompt has no effect: trueCfgScale is 1",
      "guidanceScale has no effect: this transformer takes no guidance",
      "35x24 pixels are not multiples of 4, so the picture has 32x24",
    ]);
  });

  it("take packed noise, and give packed latents", async () => {
    await using pipe = await FluxPipeline.fromPretrained(checkpoint("flux-schnell-mini"));
    const latents = Tensor.full([1, 48, 64], 0.5);
    const { images } = await pipe.generate({ ...SMALL, prompt: "a fox", latents, outputType: "latent" });
    expect(images.shape).toEqual([1, 48, 64]);
    const wrong = pipe.generate({ ...SMALL, prompt: "a fox", latents: Tensor.zeros([1, 16, 12, 16]) });
    await expect(wrong).rejects.toThrow("expected [1, 48, channels]");
  });

  it("refuse features without their pooled ones", async () => {
    await using pipe = await FluxPipeline.fromPretrained(checkpoint("flux-schnell-mini"));
    const call = pipe.generate({ ...SMALL, promptEmbeds: Tensor.zeros([1, 16, 48]) });
    await expect(call).rejects.toThrow(ArgumentError);
    await expect(call).rejects.toThrow("pooledPromptEmbeds");
  });

  it("are saved and opened again", async () => {
    const folder = temporaryFolder();
    await using pipe = await FluxPipeline.fromPretrained(checkpoint("flux-schnell-mini"));
    const { images } = await pipe.generate({ ...SMALL, prompt: "a fox" });
    await pipe.savePretrained(`${folder}/saved`);
    expect(JSON.parse(readFileSync(`${folder}/saved/model_index.json`, "utf8"))).toMatchObject({
      _class_name: "FluxPipeline",
      text_encoder_2: ["transformers", "T5EncoderModel"],
      transformer: ["diffusers", "FluxTransformer2DModel"],
    });
    await using again = await FluxImg2ImgPipeline.fromPretrained(`${folder}/saved`);
    await using plain = await FluxPipeline.fromPipe(again);
    expect((await plain.generate({ ...SMALL, prompt: "a fox" })).images.data).toEqual(images.data);
  });
});

describe("FLUX.1 Fill", () => {
  it.each(["fill", "fill_batch"])("sees the masked picture and the mask, as in diffusers: %s", async (name) => {
    const file = `test/fixtures/flux-fill/${name}`;
    const { call, seed, seeds } = JSON.parse(readFileSync(`${file}.json`, "utf8"));
    const { images, image, mask } = readTensors(`${file}.safetensors`) as { images: Tensor; image: Tensor<"uint8">; mask: Tensor<"uint8"> };
    const raw = ({ data, shape: [height = 0, width = 0, channels = 1] }: Tensor<"uint8">) => {
      return { data: new Uint8Array(data), width, height, channels: channels as 1 | 3 };
    };
    const transformer = await FluxTransformer2DModel.fromPretrained(checkpoint("flux-fill-mini/transformer"));
    await using pipe = await FluxFillPipeline.fromPretrained(checkpoint("flux-dev-mini"), { transformer });
    const isLatent = call.output_type === "latent";
    const request = {
      prompt: call.prompt,
      image: raw(image),
      maskImage: raw(mask),
      numInferenceSteps: call.num_inference_steps,
      ...(call.strength && { strength: call.strength }),
      ...(call.guidance_scale && { guidanceScale: call.guidance_scale }),
      height: call.height,
      width: call.width,
      maxSequenceLength: call.max_sequence_length,
      seed: seeds ?? seed,
    };
    const made = await pipe.generate({ ...request, outputType: isLatent ? "latent" : "tensor" });
    const expected = isLatent ? images : images.permute(0, 3, 1, 2);
    expect(largestDifference(made.images as unknown as Tensor, expected)).toBeLessThan(isLatent ? 5e-3 : 1 / 255);
    await transformer.dispose();
  });
});

describe("FLUX.1 Kontext", () => {
  it("keeps the shape that is asked for, and has maxArea pixels", async () => {
    const warnings = collectWarnings();
    await using pipe = await FluxKontextPipeline.fromPretrained(checkpoint("flux-dev-mini"));
    const { images } = await pipe.generate({ ...SMALL, prompt: "a fox", width: 200, height: 100, maxArea: 800 });
    expect(images.shape).toEqual([1, 3, 20, 40]);
    expect(warnings).toEqual(["the picture has 40x20 pixels: maxArea is 800"]);
  });
});

describe("Chroma", () => {
  it("needs masks beside given features", async () => {
    await using pipe = await ChromaPipeline.fromPretrained(checkpoint("chroma-mini"));
    const { maxSequenceLength, ...rest } = SMALL;
    const { promptAttentionMask, ...embeds } = await pipe.encodePrompt({ prompt: "a fox", guidanceScale: 1, maxSequenceLength });
    expect(promptAttentionMask.shape).toEqual([1, 16]);
    const { images } = await pipe.generate({ ...rest, ...embeds, promptAttentionMask, guidanceScale: 1 });
    const plain = await pipe.generate({ ...SMALL, prompt: "a fox", guidanceScale: 1 });
    expect(largestDifference(images, plain.images)).toBeLessThan(1e-4);
    await expect(pipe.generate({ ...rest, ...embeds, guidanceScale: 1 })).rejects.toThrow("promptAttentionMask");
  });
});

describe("Stable Diffusion 3", () => {
  it("runs without T5, and then makes another picture", async () => {
    await using whole = await StableDiffusion3Pipeline.fromPretrained(checkpoint("sd3-mini"));
    await using without = await StableDiffusion3Pipeline.fromPretrained(checkpoint("sd3-mini"), { textEncoder3: null, tokenizer3: null });
    expect(without.textEncoder3).toBeNull();
    const [one, other] = await Promise.all([whole, without].map((pipe) => pipe.generate({ ...SMALL, prompt: "a fox" })));
    expect(largestDifference(one?.images as Tensor, other?.images as Tensor)).toBeGreaterThan(1 / 255);
  });

  it("warns of a scheduler that is not set for flow matching", async () => {
    const warnings = collectWarnings();
    await using pipe = await StableDiffusion3Pipeline.fromPretrained(checkpoint("sd35-mini"));
    pipe.scheduler = new DPMSolverMultistepScheduler();
    await pipe.generate({ ...SMALL, prompt: "a fox" });
    expect(warnings[0]).toContain("DPMSolverMultistepScheduler is not set for flow matching");
    pipe.scheduler = new DPMSolverMultistepScheduler({ useFlowSigmas: true, predictionType: "flow_prediction" });
    await pipe.generate({ ...SMALL, prompt: "a fox" });
    expect(warnings).toHaveLength(1);
  });

  it("refuses sizes that are no multiples of a token", async () => {
    await using pipe = await StableDiffusion3Pipeline.fromPretrained(checkpoint("sd35-mini"));
    await expect(pipe.generate({ ...SMALL, prompt: "a fox", width: 30 })).rejects.toThrow("30");
  });
});

describe("UniPC in flow mode", () => {
  it.each(["qwen-image-mini", "z-image-mini", "flux-dev-mini"])("makes pictures of numbers with %s", async (name) => {
    await using pipe = await DiffusionPipeline.fromPretrained(checkpoint(name), { device: "cpu", scheduler: "unipc" });
    const { images } = await pipe.generate({ prompt: "a fox", numInferenceSteps: 3, height: 32, width: 32, seed: 0, outputType: "np" });
    expect(images.data.every(Number.isFinite)).toBe(true);
    expect(new Set(images.data).size).toBeGreaterThan(100);
  });
});
