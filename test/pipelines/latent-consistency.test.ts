import { describe, expect, it } from "vitest";
import { UNet2DConditionModel } from "../../src/models/unet-2d-condition.js";
import { LatentConsistencyModelPipeline } from "../../src/pipelines/latent-consistency-model.js";
import { LatentConsistencyModelImg2ImgPipeline } from "../../src/pipelines/latent-consistency-model-img2img.js";
import { StableDiffusionPipeline } from "../../src/pipelines/stable-diffusion.js";
import { StableDiffusionImg2ImgPipeline } from "../../src/pipelines/stable-diffusion-img2img.js";
import { AysSchedules } from "../../src/schedulers/shared/ays-schedules.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { checkpoint } from "../helpers/fixtures.js";

const cpu = { device: "cpu" } as const;
const request = { prompt: "a fox", seed: 1, outputType: "latent" } as const;

describe("a latent consistency model", () => {
  it("takes 4 steps by default, and refuses options that other pipelines have", async () => {
    await using unet = await UNet2DConditionModel.fromPretrained(checkpoint("options/unet-lcm"), cpu);
    await using pipe = await LatentConsistencyModelPipeline.fromPretrained(checkpoint("sd1-mini"), { ...cpu, unet, scheduler: "lcm" });
    let turns = 0;
    for await (const { total } of pipe.steps(request)) {
      turns++;
      expect(total).toBe(4);
    }
    expect(turns).toBe(4);
    for (const option of [{ negativePrompt: "a den" }, { guidanceRescale: 0.5 }, { eta: 1 }, { sigmas: [3, 0] }]) {
      await expect(pipe.generate({ ...request, ...option })).rejects.toThrow(Object.keys(option)[0]);
    }
    await expect(pipe.generate({ ...request, originalInferenceSteps: 2 })).rejects.toThrow("more than the 2 original steps allow");
  });

  it("starts from latents with noise instead of the picture", async () => {
    await using unet = await UNet2DConditionModel.fromPretrained(checkpoint("options/unet-lcm"), cpu);
    const parts = { ...cpu, unet, scheduler: "lcm" };
    await using pipe = await LatentConsistencyModelImg2ImgPipeline.fromPretrained(checkpoint("sd1-mini"), parts);
    const image = Tensor.zeros([1, 3, 32, 32]);
    const made = async (latents?: Tensor) => (await pipe.generate({ ...request, image, latents })).images;
    expect(await made(Tensor.full([1, 4, 16, 16], 0.5))).not.toEqual(await made());
  });

  it("needs a UNet that takes the guidance scale", async () => {
    await using pipe = await LatentConsistencyModelPipeline.fromPretrained(checkpoint("sd1-mini"), { ...cpu, scheduler: "lcm" });
    await expect(pipe.generate(request)).rejects.toThrow("its config has no time_cond_proj_dim");
  });

  it("needs a scheduler that knows the schedule of the distillation for its options", async () => {
    await using unet = await UNet2DConditionModel.fromPretrained(checkpoint("options/unet-lcm"), cpu);
    await using pipe = await LatentConsistencyModelPipeline.fromPretrained(checkpoint("sd1-mini"), { ...cpu, unet, scheduler: "ddim" });
    await expect(pipe.generate({ ...request, originalInferenceSteps: 50 })).rejects.toThrow("does not take originalInferenceSteps");
  });
});

describe("the schedules of Align Your Steps", () => {
  it("are as long as their steps for a picture to start from, also with two evaluations a step", async () => {
    await using pipe = await StableDiffusionImg2ImgPipeline.fromPretrained(checkpoint("sd1-mini"), { ...cpu, scheduler: "heun" });
    const turns = async (options: object) => {
      const run = pipe.steps({ ...request, image: Tensor.zeros([1, 3, 32, 32]), strength: 0.5, ...options });
      let last = 0;
      for await (const { total } of run) last = total;
      return last;
    };
    expect(await turns({ timesteps: AysSchedules.StableDiffusionTimesteps })).toBe(9);
    pipe.scheduler = "euler";
    expect(await turns({ sigmas: AysSchedules.StableDiffusionSigmas })).toBe(5);
  });

  it("are refused by schedulers that choose their own", async () => {
    await using pipe = await StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), { ...cpu, scheduler: "ddim" });
    const { StableDiffusionTimesteps: timesteps, StableDiffusionSigmas: sigmas } = AysSchedules;
    await expect(pipe.generate({ ...request, timesteps })).rejects.toThrow("DDIMScheduler does not take custom timesteps");
    await expect(pipe.generate({ ...request, sigmas })).rejects.toThrow("DDIMScheduler does not take custom sigmas");
  });
});
