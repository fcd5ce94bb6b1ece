import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ControlNetModel } from "../../src/models/controlnet.js";
import { UNet2DConditionModel } from "../../src/models/unet-2d-condition.js";
import { createEngine } from "../../src/platform/node/engine.js";
import type { Engine } from "../../src/runtime/engine.js";
import { Generator, rand, randn } from "../../src/tensor/random.js";
import { concat, Tensor } from "../../src/tensor/tensor.js";
import { largestDifference } from "../helpers/differences.js";

const CHECKPOINTS = "test/checkpoints";

describe("latents with several texts for each", () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createEngine({ device: "cpu" });
  });
  afterAll(() => engine.dispose());

  const generator = new Generator(5);
  const twice = (tensor: Tensor) => concat([tensor, tensor]);

  it.each(["sd1-mini", "sd2-mini", "sdxl-base-mini"])("are predicted by %s's UNet like copies of the latents", async (name) => {
    const unet = await UNet2DConditionModel.fromPretrained(`${CHECKPOINTS}/${name}`, { subfolder: "unet", engine });
    const latents = randn([2, 4, 16, 16], generator);
    const encoderHiddenStates = randn([4, 77, unet.config.crossAttentionDim as number], generator);
    const addedCond = unet.config.additionEmbedType
      ? { textEmbeds: randn([4, 24], generator), timeIds: rand([4, 6], generator).mul(64) }
      : undefined;
    for (const timesteps of [Tensor.from([500]), Tensor.from([10, 900])]) {
      const { sample } = await unet.forward(latents, timesteps, { encoderHiddenStates, addedCond });
      const same = timesteps.size === 1 ? timesteps : twice(timesteps);
      const { sample: expected } = await unet.forward(twice(latents), same, { encoderHiddenStates, addedCond });
      expect(sample.shape).toEqual([4, 4, 16, 16]);
      expect(largestDifference(sample, expected)).toBeLessThan(1e-5);
    }
    await unet.dispose();
  });

  it("work in a ControlNet like copies of the latents", async () => {
    const net = await ControlNetModel.fromPretrained(`${CHECKPOINTS}/controlnet-mini`, { engine });
    const latents = randn([2, 4, 16, 16], generator);
    const encoderHiddenStates = randn([4, 77, net.config.crossAttentionDim as number], generator);
    const side = 16 * net.scaleFactor;
    const controlnetCond = rand([2, 3, side, side], generator);
    const found = await net.forward(latents, 500, { encoderHiddenStates, controlnetCond });
    const expected = await net.forward(twice(latents), 500, { encoderHiddenStates, controlnetCond: twice(controlnetCond) });
    for (const [i, residual] of found.downBlockResSamples.entries()) {
      expect(largestDifference(residual, expected.downBlockResSamples[i] as Tensor)).toBeLessThan(1e-5);
    }
    expect(largestDifference(found.midBlockResSample, expected.midBlockResSample)).toBeLessThan(1e-5);
    await net.dispose();
  });

  it("must have a whole number of texts for each", async () => {
    const unet = await UNet2DConditionModel.fromPretrained(`${CHECKPOINTS}/sd1-mini`, { subfolder: "unet", engine });
    const texts = randn([3, 77, unet.config.crossAttentionDim as number], generator);
    const forward = unet.forward(randn([2, 4, 16, 16], generator), 500, { encoderHiddenStates: texts });
    await expect(forward).rejects.toThrow("encoderHiddenStates is [3, 77, 32]; expected [2, tokens, 32]");
    await unet.dispose();
  });
});
