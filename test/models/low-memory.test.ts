import { describe, expect, it } from "vitest";
import { UNet2DConditionModel } from "../../src/models/unet-2d-condition.js";
import { StableDiffusionPipeline } from "../../src/pipelines/stable-diffusion.js";
import { createEngine } from "../../src/platform/node/engine.js";
import type { Engine } from "../../src/runtime/engine.js";
import { Generator, rand, randn } from "../../src/tensor/random.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { largestDifference } from "../helpers/differences.js";

describe("low memory mode", () => {
  it.each(["sd1-mini", "sdxl-base-mini"])("the UNet of %s predicts the pictures of a batch one by one, and the same", async (name) => {
    const open = (lowMemory: boolean) =>
      UNet2DConditionModel.fromPretrained(`test/checkpoints/${name}`, { subfolder: "unet", device: "cpu", lowMemory });
    await using usual = await open(false);
    await using saving = await open(true);
    const generator = new Generator(3);
    const latents = randn([2, 4, 16, 16], generator);
    const encoderHiddenStates = randn([4, 77, usual.config.crossAttentionDim as number], generator);
    const addedCond = usual.config.additionEmbedType
      ? { textEmbeds: randn([4, 24], generator), timeIds: rand([4, 6], generator).mul(64) }
      : undefined;
    for (const timestep of [500, Tensor.from([10, 900])]) {
      const { sample: expected } = await usual.forward(latents, timestep, { encoderHiddenStates, addedCond });
      const { sample } = await saving.forward(latents, timestep, { encoderHiddenStates, addedCond });
      expect(sample.shape).toEqual([4, 4, 16, 16]);
      expect(largestDifference(sample, expected)).toBeLessThan(1e-5);
    }
  });

  it("refuses an input with neither one row nor one for each picture", async () => {
    await using unet = await UNet2DConditionModel.fromPretrained("test/checkpoints/sd1-mini", {
      subfolder: "unet",
      device: "cpu",
      lowMemory: true,
    });
    const forward = unet.forward(randn([2, 4, 16, 16], new Generator(0)), 500, {
      encoderHiddenStates: randn([2, 77, 32], new Generator(1)),
      midBlockAdditionalResidual: randn([3, 64, 2, 2], new Generator(2)),
    });
    await expect(forward).rejects.toThrow("mid_residual is [3,64,2,2]; expected as many rows as the batch of 2");
  });

  it("a pipeline makes the same picture, and its autoencoder works on one at a time", async () => {
    const request = { prompt: "a red fox", numInferenceSteps: 2, numImagesPerPrompt: 2, seed: 7, outputType: "tensor" } as const;
    const make = async (lowMemory: boolean) => {
      await using pipe = await StableDiffusionPipeline.fromPretrained("test/checkpoints/sd1-mini", { device: "cpu", lowMemory });
      expect(pipe.vae.memory.slicing).toBe(lowMemory);
      return (await pipe.generate(request)).images;
    };
    expect(largestDifference(await make(true), await make(false))).toBeLessThan(1e-4);
  });

  it.each(["plain", "a1111"] as const)(
    "text encoder and autoencoder are loaded once for all texts (%s) and pictures",
    async (promptSyntax) => {
      await using pipe = await StableDiffusionPipeline.fromPretrained("test/checkpoints/sd1-mini", { device: "cpu", lowMemory: true });
      const engine = Reflect.get(pipe.unet, "engine") as Engine;
      const load = engine.load.bind(engine);
      const loaded: (string | undefined)[] = [];
      engine.load = (graph, options) => {
        loaded.push(options?.network);
        return load(graph, options);
      };
      const prompts = { prompt: "a (red:1.2) fox", negativePrompt: "blurry", numImagesPerPrompt: 2, promptSyntax };
      await pipe.generate({ ...prompts, numInferenceSteps: 1, height: 64, width: 64 });
      expect(loaded).toEqual(["CLIPTextModel", "UNet2DConditionModel", "AutoencoderKL"]);
    },
  );

  it("networks leave memory when their part of the work is done", async () => {
    const engine = await createEngine({ device: "cpu", lowMemory: true });
    let loaded = 0;
    const load = engine.load.bind(engine);
    engine.load = async (...graph) => {
      const session = await load(...graph);
      loaded++;
      return { ...session, release: () => session.release().then(() => void loaded--) };
    };
    const unet = await UNet2DConditionModel.fromPretrained("test/checkpoints/sd1-mini", { subfolder: "unet", engine });
    await unet.forward(randn([1, 4, 16, 16], new Generator(0)), 1, { encoderHiddenStates: randn([1, 77, 32], new Generator(1)) });
    expect(loaded).toBe(1);
    await unet.rest();
    expect(loaded).toBe(0);
    await engine.dispose();
  });
});
