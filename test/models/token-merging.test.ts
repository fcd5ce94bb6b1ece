import { describe, expect, it } from "vitest";
import { UNet2DConditionModel } from "../../src/models/unet-2d-condition.js";
import { StableDiffusionPipeline } from "../../src/pipelines/stable-diffusion.js";
import { StableDiffusionXLPipeline } from "../../src/pipelines/stable-diffusion-xl.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { largestDifference } from "../helpers/differences.js";
import { checkpoint, readFixture } from "../helpers/fixtures.js";

interface Meta {
  readonly checkpoint: string;
  readonly ratio: number;
  readonly timestep: number;
}

const REQUEST = { prompt: "a red fox", numInferenceSteps: 2, height: 64, width: 64, seed: 3, outputType: "latent" } as const;

describe("token merging", () => {
  it.each(["sd1-mini", "sd2-mini", "sd1-mini_odd"])("of %s predicts what tomesd predicts", async (name) => {
    const { meta, tensor } = readFixture<Meta>("token-merging", name);
    for (const lowMemory of [false, true]) {
      await using unet = await UNet2DConditionModel.fromPretrained(checkpoint(meta.checkpoint), {
        subfolder: "unet",
        device: "cpu",
        lowMemory,
      });
      const inputs = { encoderHiddenStates: tensor("encoder_hidden_states") as Tensor, tokenMerging: meta.ratio };
      const { sample } = await unet.forward(tensor("sample") as Tensor, meta.timestep, inputs);
      expect(largestDifference(sample, tensor("out") as Tensor)).toBeLessThan(1e-4);
    }
  });

  it("is an option of a call, off by default and at 0", async () => {
    await using pipe = await StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), { device: "cpu" });
    const latents = async (options: object) => (await pipe.generate({ ...REQUEST, ...options })).images;
    const plain = await latents({});
    expect(await latents({ tokenMerging: 0 })).toEqual(plain);
    expect(largestDifference(await latents({ tokenMerging: 0.5 }), plain)).toBeGreaterThan(1e-3);
    expect(await latents({ tokenMerging: 0.5, pagScale: 3, cache: { interval: 2 } })).not.toEqual(plain);
  });

  it("works in XL on its finest blocks with attention", async () => {
    await using pipe = await StableDiffusionXLPipeline.fromPretrained(checkpoint("sdxl-base-mini"), { device: "cpu" });
    const latents = async (options: object) => (await pipe.generate({ ...REQUEST, ...options })).images;
    expect(largestDifference(await latents({ tokenMerging: 0.5 }), await latents({}))).toBeGreaterThan(1e-3);
  });

  it.each([-0.1, 0.8, Number.NaN])("refuses the share %s", async (tokenMerging) => {
    await using pipe = await StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), { device: "cpu" });
    await expect(pipe.generate({ ...REQUEST, tokenMerging })).rejects.toMatchObject({ argument: "tokenMerging" });
  });
});
