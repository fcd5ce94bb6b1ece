import { describe, expect, it } from "vitest";
import { MotionAdapter } from "../../src/models/motion-adapter.js";
import { UNet2DConditionModel } from "../../src/models/unet-2d-condition.js";
import { UNetMotionModel } from "../../src/models/unet-motion.js";
import { AnimateDiffPipeline } from "../../src/pipelines/animatediff.js";
import { DiffusionPipeline } from "../../src/pipelines/diffusion-pipeline.js";
import { StableDiffusionPipeline } from "../../src/pipelines/stable-diffusion.js";
import { DDIMScheduler } from "../../src/schedulers/ddim.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { checkpoint } from "../helpers/fixtures.js";
import { temporaryFolder } from "../helpers/temporary.js";

const cpu = { device: "cpu" } as const;
const request = { prompt: "a photo of a red fox, oil painting", numFrames: 3, numInferenceSteps: 2, seed: 4 } as const;
const adapter = (version = "") => MotionAdapter.fromPretrained(checkpoint(`options/motion-adapter${version}`), cpu);

async function open(options: object = {}) {
  return AnimateDiffPipeline.fromPretrained(checkpoint("sd1-mini"), {
    ...cpu,
    motionAdapter: await adapter(),
    scheduler: "euler-a",
    ...options,
  });
}

describe("AnimateDiff", () => {
  it("groups the frames by video, as pictures, as numbers and as latents", async () => {
    await using pipe = await open();
    const { frames, images, seeds } = await pipe.generate({ ...request, prompt: ["a fox", "a tree"], seed: [1n, 2n] });
    expect(frames.map((video) => video.length)).toEqual([3, 3]);
    expect(frames.flat()).toEqual(images);
    expect(seeds).toEqual([1n, 2n]);
    const { frames: floats } = await pipe.generate({ ...request, outputType: "tensor" });
    expect(floats.shape).toEqual([1, 3, 3, 32, 32]);
    const { frames: latents } = await pipe.generate({ ...request, outputType: "latent" });
    expect(latents.shape).toEqual([1, 4, 3, 16, 16]);
  });

  it("keeps old settings of a scheduler, as diffusers' class does", async () => {
    await using pipe = await open({ scheduler: new DDIMScheduler({ stepsOffset: 0 }) });
    expect(pipe.scheduler.config).toMatchObject({ stepsOffset: 0 });
  });

  it("makes the same frames whether one, two or all are decoded at once, and with little memory", async () => {
    await using pipe = await open();
    const make = async (decodeChunkSize?: number) => (await pipe.generate({ ...request, outputType: "tensor", decodeChunkSize })).frames;
    const one = await make();
    for (const size of [2, 3, 16]) expect(distance(await make(size), one)).toBeLessThan(1e-5);
    await using thrifty = await open({ lowMemory: true });
    const { frames } = await thrifty.generate({ ...request, outputType: "tensor" });
    expect(distance(frames, one)).toBeLessThan(1e-5);
  });

  it("makes 16 frames if no number is named, and refuses more than the motion modules were trained for", async () => {
    await using pipe = await open();
    await expect(pipe.generate({ prompt: "a fox", numInferenceSteps: 1 })).rejects.toThrow(
      "a video of 16 frames was asked for; the motion modules were trained for 8 at most",
    );
    await expect(pipe.generate({ ...request, numFrames: 0 })).rejects.toThrow("numFrames");
    const option = { numImagesPerPrompt: 2 } as object;
    await expect(pipe.generate({ ...request, ...option })).rejects.toThrow("numImagesPerPrompt");
  });

  it("starts from given noise of all frames, and refuses noise of another shape", async () => {
    await using pipe = await open();
    const latents = Tensor.full([1, 4, 3, 16, 16], 0.5);
    const made = async (options: object) => (await pipe.generate({ ...request, outputType: "latent", ...options })).frames;
    expect(await made({ latents })).not.toEqual(await made({}));
    await expect(made({ latents: Tensor.full([1, 4, 16, 16], 0.5) })).rejects.toThrow("expected [1,4,3,16,16]");
  });

  it("previews all frames of a step", async () => {
    await using pipe = await open();
    for await (const step of pipe.steps(request)) expect(await step.preview()).toHaveLength(3);
  });

  it("is saved with its motion modules, and opened again", async () => {
    const folder = `${temporaryFolder()}/saved`;
    await using pipe = await open();
    await pipe.savePretrained(folder);
    await using again = await DiffusionPipeline.fromPretrained(folder, cpu);
    expect(again).toBeInstanceOf(AnimateDiffPipeline);
    const { frames } = await pipe.generate({ ...request, outputType: "tensor" });
    const { frames: same } = await (again as unknown as AnimateDiffPipeline).generate({ ...request, outputType: "tensor" });
    expect(distance(frames, same)).toBeLessThan(1e-6);
  });

  it("shares its parts with a pipeline for pictures", async () => {
    await using sd = await StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), { ...cpu, safetyChecker: null });
    await using motionAdapter = await adapter("-v3");
    await using pipe = await AnimateDiffPipeline.fromPipe(sd, { motionAdapter });
    expect((await pipe.generate(request)).frames[0]).toHaveLength(3);
    await expect(AnimateDiffPipeline.fromPipe(sd)).rejects.toThrow("motionAdapter");
  });

  it("names the part that a checkpoint for pictures does not have", async () => {
    await expect(AnimateDiffPipeline.fromPretrained(checkpoint("sd1-mini"), cpu)).rejects.toThrow("lists no motion_adapter");
  });
});

describe("a UNet with motion modules", () => {
  it("is saved as one network, and opened again", async () => {
    const folder = `${temporaryFolder()}/unet`;
    await using unet = await UNet2DConditionModel.fromPretrained(checkpoint("sd1-mini"), { ...cpu, subfolder: "unet" });
    await using modules = await adapter("-v3");
    await using motion = UNetMotionModel.fromUNet2D(unet, modules);
    await motion.savePretrained(folder);
    await using again = await UNetMotionModel.fromPretrained(folder, cpu);
    expect(again.config).toEqual(motion.config);
    const inputs = { encoderHiddenStates: Tensor.full([1, 5, 32], 0.1) };
    const sample = Tensor.from(
      Array.from({ length: 4 * 2 * 64 }, (_, i) => Math.sin(i)),
      [1, 4, 2, 8, 8],
    );
    const [one, other] = [await motion.forward(sample, 9, inputs), await again.forward(sample, 9, inputs)];
    expect(distance(one.sample, other.sample)).toBe(0);
    await expect(motion.forward(Tensor.zeros([1, 4, 8, 8]), 9, inputs)).rejects.toThrow("frames");
  });

  it("needs motion modules for UNets of its blocks", async () => {
    await using unet = await UNet2DConditionModel.fromPretrained(checkpoint("options/unet-lcm"), cpu);
    await using modules = await adapter();
    expect(() => UNetMotionModel.fromUNet2D(unet, modules)).toThrow(
      "the motion adapter is for a UNet with layers of 1 x 16, 1 x 32 channels",
    );
  });
});

function distance(a: Tensor, b: Tensor): number {
  expect(a.shape).toEqual(b.shape);
  return a.data.reduce((most, value, i) => Math.max(most, Math.abs(value - (b.data[i] as number))), 0);
}
