import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { generate } from "../../src/generate/generate.js";
import {
  DDIMScheduler,
  DiffusionPipeline,
  Generator,
  inspect,
  randn,
  StableDiffusionLatentUpscalePipeline,
  StableDiffusionPipeline,
  Tensor,
  UNet2DConditionModel,
} from "../../src/index.js";
import { input, opened } from "../cli/pictures.js";
import { expectClose } from "../helpers/differences.js";
import { checkpoint } from "../helpers/fixtures.js";
import { temporaryFolder } from "../helpers/temporary.js";

// The pictures themselves are compared with diffusers' in test/parity.

const device = "cpu";
const model = checkpoint("x2-upscaler-mini");
const CALL = { prompt: "a red fox", numInferenceSteps: 2, seed: 5 };
const open = (parts = {}) => opened(StableDiffusionLatentUpscalePipeline.fromPretrained(model, { device, ...parts }));
const small = randn([1, 4, 4, 8], new Generator(1));

describe("StableDiffusionLatentUpscalePipeline", () => {
  it("is opened by model_index.json, makes the picture twice as wide and high, and generate makes the same", async () => {
    const pipe = (await opened(DiffusionPipeline.fromPretrained(model, { device }))) as unknown as StableDiffusionLatentUpscalePipeline;
    expect(pipe.className).toBe("StableDiffusionLatentUpscalePipeline");
    const { images } = await pipe.generate({ ...CALL, image: input });
    expect(images[0]).toMatchObject({ width: 2 * input.width, height: 2 * input.height });
    const image = new Blob([new Uint8Array(await input.encode("png"))]);
    expect((await generate({ ...CALL, model, device, image })).pictures[0]?.image).toEqual(images[0]);
    expect(await inspect(model)).toMatchObject({ className: "StableDiffusionLatentUpscalePipeline" });
  });

  it("goes on with another pipeline's latents, which are not decoded", async () => {
    const first = await opened(StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), { device, safetyChecker: null }));
    const { images: image } = await first.generate({ ...CALL, width: 16, height: 8, outputType: "latent" });
    const { images } = await (await open()).generate({ ...CALL, image, outputType: "latent" });
    expect([image.shape, images.shape]).toEqual([
      [1, 4, 4, 8],
      [1, 4, 8, 16],
    ]);
  });

  it("makes several pictures at once as it makes them alone, in low memory as well", async () => {
    const pipe = await open();
    const call = { ...CALL, image: small, outputType: "latent" } as const;
    const both = await pipe.generate({ ...call, prompt: [CALL.prompt, "a tree"], numImagesPerPrompt: 2, seed: [1, 2, 3, 4] });
    const last = await (await open({ lowMemory: true })).generate({ ...call, prompt: "a tree", seed: 4 });
    expectClose(both.images.slice(3), last.images);
  });

  it("takes embeddings in place of prompts, and reads no prompt at guidance 0", async () => {
    const pipe = await open();
    const call = { numInferenceSteps: 2, seed: 5, image: small, outputType: "latent" } as const;
    const prompted = await pipe.generate({ ...call, prompt: "a fox", negativePrompt: "red" });
    const embeds = await pipe.encodePrompt({ prompt: "a fox", negativePrompt: "red" });
    expect((await pipe.generate({ ...call, ...embeds })).images).toEqual(prompted.images);
    const { promptEmbeds } = embeds;
    await expect(pipe.generate({ ...call, promptEmbeds })).rejects.toThrow(/without their pooled ones/);
    const unread = await pipe.generate({ ...call, prompt: "a fox", guidanceScale: 0 });
    expect(unread.images).toEqual((await pipe.generate({ ...call, prompt: "", guidanceScale: 1 })).images);
    expect(unread.images).not.toEqual((await pipe.generate({ ...call, prompt: "a fox", guidanceScale: 1 })).images);
  });

  it("takes the noise to start from", async () => {
    const pipe = await open();
    const call = { ...CALL, image: small, outputType: "latent" } as const;
    const latents = randn([1, 4, 8, 16], new Generator(CALL.seed));
    expect((await pipe.generate({ ...call, latents })).images).toEqual((await pipe.generate(call)).images);
    await expect(pipe.generate({ ...call, latents: small })).rejects.toThrow(/latents are \[1,4,4,8\]; expected \[1,4,8,16\]/);
  });

  it("refuses sides that its UNet cannot halve, schedulers without noise levels, other UNets and options without effect", async () => {
    const pipe = await open();
    await expect(pipe.generate({ ...CALL, image: Tensor.full([1, 4, 4, 5], 1) })).rejects.toThrow(
      /image is 10x8; both sides must be multiples of 4 from 8/,
    );
    await expect(pipe.generate({ ...CALL, image: Tensor.full([1, 4, 1, 4], 1) })).rejects.toMatchObject({ argument: "image" });
    const refuse = async (option: object, message: RegExp) => {
      await expect(pipe.generate({ ...CALL, image: small, ...option })).rejects.toThrow(message);
    };
    await refuse({ cache: { interval: 2 } }, /cache/);
    await refuse({ freeU: { s1: 1, s2: 1, b1: 1, b2: 1 } }, /freeU/);
    await refuse({ strength: 0.5 }, /strength/);
    await expect(pipe.generate({ ...CALL, image: Tensor.full([1, 4, 3, 9], 1) })).rejects.toMatchObject({
      hint: expect.stringMatching(/such as to 16x8$/),
    });
    await expect(generate({ ...CALL, model, device, image: input, hires: {} })).rejects.toMatchObject({ argument: "hires" });
    await expect(generate({ ...CALL, model, device, image: input, strength: 0.5 })).rejects.toMatchObject({ argument: "strength" });
    pipe.scheduler = new DDIMScheduler();
    await expect(pipe.generate({ ...CALL, image: small })).rejects.toThrow(/DDIMScheduler, which has no noise levels/);
    const unet = await opened(UNet2DConditionModel.fromPretrained(checkpoint("sd1-mini/unet"), { device }));
    const other = new StableDiffusionLatentUpscalePipeline({ ...pipe.components, unet });
    await expect(other.generate({ ...CALL, image: small })).rejects.toThrow(/takes 4 channels; this pipeline needs one that takes 8/);
  });

  it("is saved with the parts that diffusers' class has", async () => {
    const folder = `${temporaryFolder()}/saved`;
    await (await open()).savePretrained(folder);
    const index = JSON.parse(readFileSync(`${folder}/model_index.json`, "utf8"));
    expect(Object.keys(index).filter((name) => !name.startsWith("_"))).toEqual(["scheduler", "text_encoder", "tokenizer", "unet", "vae"]);
    const again = await opened(StableDiffusionLatentUpscalePipeline.fromPretrained(folder, { device }));
    const call = { ...CALL, image: small, outputType: "latent" } as const;
    expect((await again.generate(call)).images).toEqual((await (await open()).generate(call)).images);
  });
});

describe("a UNet of K blocks", () => {
  const context = Tensor.zeros([1, 3, 32]);

  it("refuses what only other blocks take, and sides that it cannot halve", async () => {
    const unet = await opened(UNet2DConditionModel.fromPretrained(`${model}/unet`, { device }));
    const sample = Tensor.zeros([1, 8, 8, 8]);
    const refuse = async (inputs: object, argument: string, latents = sample) => {
      await expect(unet.forward(latents, 1, { encoderHiddenStates: context, ...inputs })).rejects.toMatchObject({ argument });
    };
    await refuse({ midBlockAdditionalResidual: sample }, "midBlockAdditionalResidual");
    await refuse({ cacheBranch: 0 }, "cacheBranch");
    await refuse({}, "sample", Tensor.zeros([1, 8, 8, 10]));
    await refuse({}, "sample", Tensor.zeros([1, 8, 4, 8]));
    unet.enableFreeU({ s1: 0.9, s2: 0.2, b1: 1.5, b2: 1.6 });
    await refuse({}, "freeU");
  });
});
