import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/errors.js";
import { EMBEDDED_CHECKPOINT } from "../../src/hub/embedded.js";
import { DiffusionPipeline } from "../../src/pipelines/diffusion-pipeline.js";
import type { TextToImagePipeline } from "../../src/pipelines/pipeline-classes.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { largestDifference } from "../helpers/differences.js";
import { collectWarnings } from "../helpers/warnings.js";

const REQUEST = { prompt: ["a red apple", "a green tree"], numInferenceSteps: 3, seed: 0, outputType: "tensor" } as const;

describe.each([EMBEDDED_CHECKPOINT, "test/checkpoints/sdxl-base-mini"])("memory savers on %s", (checkpoint) => {
  let pipe: TextToImagePipeline;
  let whole: Tensor;
  beforeAll(async () => {
    pipe = await DiffusionPipeline.fromPretrained(checkpoint);
    whole = (await pipe.generate(REQUEST)).images;
  });
  afterAll(() => pipe.dispose());
  afterEach(() => {
    pipe.disableAttentionSlicing();
    pipe.disableVaeSlicing();
    pipe.disableVaeTiling();
  });

  it.each(["auto", "max", 3] as const)("attention slicing %s leaves the pictures as they are", async (slice) => {
    pipe.enableAttentionSlicing(slice);
    expect(largestDifference((await pipe.generate(REQUEST)).images, whole)).toBeLessThan(1 / 255);
  });

  it("VAE slicing leaves the pictures as they are", async () => {
    pipe.enableVaeSlicing();
    expect(largestDifference((await pipe.generate(REQUEST)).images, whole)).toBeLessThan(1 / 255);
  });

  it("VAE tiling leaves pictures of the size it was trained on as they are", async () => {
    pipe.enableVaeTiling();
    const [, , height = 0, width = 0] = whole.shape;
    expect(Math.max(height, width)).toBeLessThanOrEqual(128);
    expect(largestDifference((await pipe.generate(REQUEST)).images, whole)).toBeLessThan(1 / 255);
  });

  it("refuses a slice of no heads", () => {
    expect(() => pipe.enableAttentionSlicing(0)).toThrow(ArgumentError);
    expect(() => pipe.enableAttentionSlicing(1.5)).toThrow("whole number of heads");
  });

  it("warns that attention is fused already if xformers is requested", () => {
    const warnings = collectWarnings();
    pipe.enableXformersMemoryEfficientAttention();
    expect(warnings.join()).toContain("fused already");
  });
});
