import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { StableDiffusionPipeline } from "../../src/pipelines/stable-diffusion.js";
import type { Tensor } from "../../src/tensor/tensor.js";

// Pictures with FreeU are compared with Python's among the fixtures, group quality.

const FACTORS = { s1: 0.9, s2: 0.2, b1: 1.5, b2: 1.6 } as const;

let pipe: StableDiffusionPipeline;
beforeAll(async () => {
  pipe = await StableDiffusionPipeline.fromPretrained(new URL("../checkpoints/sd1-mini", import.meta.url).pathname, { device: "cpu" });
});
afterAll(() => pipe.dispose());

const latents = async (request: { readonly freeU?: typeof FACTORS } = {}): Promise<Tensor> =>
  (await pipe.generate({ prompt: "a fox", numInferenceSteps: 2, seed: 1, height: 16, width: 16, outputType: "latent", ...request })).images;

describe("FreeU", () => {
  it("is on between enableFreeU and disableFreeU, or in one call", async () => {
    const plain = await latents();
    pipe.enableFreeU(0.9, 0.2, 1.5, 1.6);
    const enabled = await latents();
    expect(enabled).not.toEqual(plain);
    pipe.enableFreeU(FACTORS);
    expect(await latents()).toEqual(enabled);
    pipe.disableFreeU();
    expect(await latents()).toEqual(plain);
    expect(await latents({ freeU: FACTORS })).toEqual(enabled);
    expect(await latents()).toEqual(plain);
  });

  it("refuses factors of 0, missing ones and what is no number", async () => {
    expect(() => pipe.enableFreeU(0, 0.2, 1.5, 1.6)).toThrow(/^s1 is 0; FreeU expects numbers other than 0/);
    expect(() => pipe.enableFreeU({ s1: 1, s2: 1, b1: 1 } as never)).toThrow(/^enableFreeU needs b2/);
    expect(() => pipe.enableFreeU(Number.NaN, 1, 1, 1)).toThrow(/^s1 is NaN/);
    await expect(latents({ freeU: { ...FACTORS, b2: 0 } as never })).rejects.toThrow(/^b2 is 0/);
  });
});
