import { describe, expect, it } from "vitest";
import { StableDiffusionPipeline } from "../../src/pipelines/stable-diffusion.js";
import { StableDiffusionImg2ImgPipeline } from "../../src/pipelines/stable-diffusion-img2img.js";
import { StableDiffusionXLPipeline } from "../../src/pipelines/stable-diffusion-xl.js";
import { DPMAdaptiveScheduler } from "../../src/schedulers/dpm-adaptive.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { setWarningHandler } from "../../src/warnings.js";
import { checkpoint } from "../helpers/fixtures.js";

const cpu = { device: "cpu" } as const;
const request = { prompt: "a fox", seed: 1, numInferenceSteps: 4, outputType: "latent" } as const;

async function warningsOf(act: () => Promise<unknown>): Promise<string[]> {
  const warnings: string[] = [];
  const before = setWarningHandler((message) => warnings.push(message));
  try {
    await act();
  } finally {
    setWarningHandler(before);
  }
  return warnings;
}

describe("CFG++", () => {
  it("is guided at scales of 1 and below, and warns of scales that are meant for other samplers", async () => {
    await using pipe = await StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), { ...cpu, scheduler: "Euler CFG++" });
    const made = async (guidanceScale: number) => (await pipe.generate({ ...request, guidanceScale })).images;
    expect(await made(0.6)).not.toEqual(await made(1));
    expect(await warningsOf(() => made(7.5))).toEqual(["guidanceScale is 7.5; with CFG++ (EulerCFGPPScheduler) it is meant to be 1 to 2"]);
    expect(await warningsOf(() => made(2))).toEqual([]);
  });
});

describe("an adaptive scheduler", () => {
  it("counts the steps that are known so far", async () => {
    await using pipe = await StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), { ...cpu, scheduler: "DPM adaptive" });
    const turns: [number, number][] = [];
    for await (const { index, total } of pipe.steps(request)) turns.push([index + 1, total]);
    expect(turns.length).toBeGreaterThan(20);
    expect(turns.at(-1)).toEqual([turns.length, turns.length]);
  });

  it("refuses options that are shares of its steps, prompts that change, and pictures to start from", async () => {
    await using pipe = await StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), { ...cpu, scheduler: "dpm-adaptive" });
    await expect(pipe.generate({ ...request, prompt: "[a fox:a den:0.5]", promptSyntax: "a1111" })).rejects.toThrow("step");
    await using xl = await StableDiffusionXLPipeline.fromPretrained(checkpoint("sdxl-base-mini"), { ...cpu, scheduler: "dpm-adaptive" });
    await expect(xl.generate({ ...request, denoisingEnd: 0.8 })).rejects.toThrow(
      "denoisingEnd is 0.8, but DPMAdaptiveScheduler does not know its number of steps beforehand",
    );
    const img2img = new StableDiffusionImg2ImgPipeline({ ...pipe });
    const image = Tensor.zeros([1, 3, 32, 32]);
    await expect(img2img.generate({ ...request, image, strength: 0.5 })).rejects.toThrow("can only start at the noisiest one");
    expect((await img2img.generate({ ...request, image, strength: 1 })).images.size).toBeGreaterThan(0);
  });

  it("ends a run whose samples are not numbers", () => {
    const scheduler = new DPMAdaptiveScheduler();
    scheduler.setTimesteps(10);
    let sample = Tensor.full([1, 3, 4, 4], Number.NaN);
    for (const timestep of scheduler.timesteps) sample = scheduler.step(sample, timestep, sample).prevSample;
    expect(scheduler.timesteps).toHaveLength(3);
  });
});
