import { describe, expect, it } from "vitest";
import {
  ControlNetModel,
  Picture,
  type PipelineRun,
  StableDiffusionControlNetPipeline,
  StableDiffusionImg2ImgPipeline,
  StableDiffusionInpaintPipeline,
  StableDiffusionPipeline,
  StableDiffusionXLImg2ImgPipeline,
  StableDiffusionXLInpaintPipeline,
  StableDiffusionXLPipeline,
  type Tensor,
} from "../../src/index.js";
import { checkpoint } from "../helpers/fixtures.js";

const image = new Picture(32, 32, new Uint8Array(32 * 32 * 3).fill(90));
const maskImage = new Picture(32, 32, new Uint8Array(32 * 32 * 3).fill(255));
const options = { scheduler: "ddim" } as const;
const [sd1, xl] = [checkpoint("sd1-mini"), checkpoint("sdxl-base-mini")];

/** A pipeline as this test calls it. */
interface Runnable extends AsyncDisposable {
  steps(request: object): PipelineRun<{ readonly images: readonly Tensor[] | Tensor }>;
}

const PIPELINES: readonly (readonly [open: () => Promise<unknown>, inputs: object, steps: number, guidance: number])[] = [
  [() => StableDiffusionPipeline.fromPretrained(sd1, options), {}, 50, 7.5],
  [() => StableDiffusionImg2ImgPipeline.fromPretrained(sd1, options), { image }, 40, 7.5],
  [() => StableDiffusionInpaintPipeline.fromPretrained(sd1, options), { image, maskImage }, 50, 7.5],
  [
    async () => {
      const controlnet = await ControlNetModel.fromPretrained(checkpoint("controlnet-mini"));
      return StableDiffusionControlNetPipeline.fromPretrained(sd1, { ...options, controlnet });
    },
    { image },
    50,
    7.5,
  ],
  [() => StableDiffusionXLPipeline.fromPretrained(xl, options), {}, 50, 5],
  [() => StableDiffusionXLImg2ImgPipeline.fromPretrained(xl, options), { image }, 15, 5],
  [() => StableDiffusionXLInpaintPipeline.fromPretrained(xl, options), { image, maskImage }, 49, 7.5],
];

describe.each(PIPELINES)("a pipeline called without steps, strength and guidance (%#)", (open, inputs, steps, guidance) => {
  it("uses diffusers' defaults", async () => {
    await using pipe = (await open()) as Runnable;
    const first = async (more: { readonly guidanceScale?: number }) => {
      for await (const { total, latents } of pipe.steps({ prompt: "a fox", seed: 7, outputType: "latent", ...inputs, ...more })) {
        return { total, latents: [...latents.data] };
      }
      throw new Error("the run took no step");
    };
    const found = await first({});
    expect(found.total).toBe(steps);
    expect(found.latents).toEqual((await first({ guidanceScale: guidance })).latents);
    expect(found.latents).not.toEqual((await first({ guidanceScale: guidance + 1 })).latents);
  });
});
