import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CLIPImageProcessor } from "../../src/image/clip-image-processor.js";
import { StableDiffusionSafetyChecker } from "../../src/models/safety-checker.js";
import { StableDiffusionPipeline } from "../../src/pipelines/stable-diffusion.js";
import { collectWarnings } from "../helpers/warnings.js";

const FOLDER = "test/checkpoints/safety-mini";
const REQUEST = { prompt: ["a photo of a red fox", "a green tree"], numInferenceSteps: 2, seed: 0, outputType: "tensor" } as const;

describe("a pipeline with a safety checker", () => {
  let safetyChecker: StableDiffusionSafetyChecker;
  let featureExtractor: CLIPImageProcessor;
  beforeAll(async () => {
    safetyChecker = await StableDiffusionSafetyChecker.fromPretrained(FOLDER);
    featureExtractor = await CLIPImageProcessor.fromPretrained(FOLDER);
  });
  afterAll(() => safetyChecker.dispose());

  it("makes unsafe pictures black, reports them and warns", async () => {
    const warnings = collectWarnings();
    await using pipe = await StableDiffusionPipeline.fromPretrained("test/checkpoints/sd1-mini", { safetyChecker, featureExtractor });
    const { images, nsfwContentDetected } = await pipe.generate(REQUEST);
    expect(nsfwContentDetected).toEqual([true, true]);
    expect(images.data.every((value) => value === 0)).toBe(true);
    expect(warnings.join()).toContain("unsafe");
  });

  it("does not check latents, as in diffusers", async () => {
    await using pipe = await StableDiffusionPipeline.fromPretrained("test/checkpoints/sd1-mini", { safetyChecker, featureExtractor });
    expect(await pipe.generate({ ...REQUEST, outputType: "latent" })).not.toHaveProperty("nsfwContentDetected");
  });

  it("returns all pictures if the checker is null", async () => {
    await using pipe = await StableDiffusionPipeline.fromPretrained("test/checkpoints/sd1-mini", { safetyChecker: null });
    const { images, nsfwContentDetected } = await pipe.generate(REQUEST);
    expect(nsfwContentDetected).toBeUndefined();
    expect(images.data.some((value) => value > 0)).toBe(true);
  });
});
