import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { StableDiffusionPipeline, type StableDiffusionRequest } from "../../src/pipelines/stable-diffusion.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { largestDifference } from "../helpers/differences.js";

// Pictures with PAG are compared with Python's among the fixtures, group quality.

const MODEL = new URL("../checkpoints/sd1-mini", import.meta.url).pathname;
const CALL = { prompt: "a fox", numInferenceSteps: 3, seed: 1, height: 16, width: 16, outputType: "latent" } as const;

let pipe: StableDiffusionPipeline;
beforeAll(async () => {
  pipe = await StableDiffusionPipeline.fromPretrained(MODEL, { device: "cpu", scheduler: "euler" });
});
afterAll(() => pipe.dispose());

const latentsOf = async (request: Partial<StableDiffusionRequest> = {}, from = pipe): Promise<Tensor> =>
  (await from.generate({ ...CALL, ...request })).images as unknown as Tensor;

describe("perturbed-attention guidance", () => {
  it("is off by default and at 0", async () => {
    const forward = vi.spyOn(pipe.unet, "forward");
    expect(await latentsOf({ pagScale: 0 })).toEqual(await latentsOf());
    expect(forward.mock.calls.every(([, , { perturbed }]) => perturbed === undefined)).toBe(true);
    vi.restoreAllMocks();
  });

  it("computes a third row, and two without guidance", async () => {
    const forward = vi.spyOn(pipe.unet, "forward");
    await latentsOf({ pagScale: 3, guidanceScale: [5, 1, 5] });
    expect(forward.mock.calls.map(([, , { encoderHiddenStates }]) => encoderHiddenStates.shape[0])).toEqual([3, 2, 3]);
    vi.restoreAllMocks();
  });

  it("computes no third row at steps where it has faded", async () => {
    const forward = vi.spyOn(pipe.unet, "forward");
    await latentsOf({ pagScale: 3, pagAdaptiveScale: 0.006 });
    expect(forward.mock.calls.map(([, , { encoderHiddenStates }]) => encoderHiddenStates.shape[0])).toEqual([3, 2, 2]);
    vi.restoreAllMocks();
  });

  it("is the same with low memory and goes with the step cache", async () => {
    await using small = await StableDiffusionPipeline.fromPretrained(MODEL, { device: "cpu", scheduler: "euler", lowMemory: true });
    const request = { pagScale: 3, pagAppliedLayers: ["mid", "down_blocks.0"] };
    expect(largestDifference(await latentsOf(request, small), await latentsOf(request))).toBeLessThan(1e-3);
    await latentsOf({ ...request, cache: { interval: 2 } });
  });

  it.each<[Partial<StableDiffusionRequest>, RegExp]>([
    [{ pagAppliedLayers: "nowhere" }, /^no self-attention of this UNet matches pagAppliedLayers "nowhere"/],
    [{ pagAppliedLayers: ["mid", "("] }, /^pagAppliedLayers "\(" is no regular expression/],
    [{ pagScale: -1 }, /^pagScale is -1; expected a finite number, at least 0/],
    [{ pagAppliedLayers: [] }, /^pagAppliedLayers is \[\] \(a list\); expected a text or a list of texts/],
  ])("refuses %o", async (request, message) => {
    await expect(latentsOf({ pagScale: 3, ...request })).rejects.toThrow(message);
  });
});
