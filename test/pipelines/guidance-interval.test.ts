import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { generate } from "../../src/generate/generate.js";
import type { GuidanceInterval } from "../../src/pipelines/shared/guidance-interval.js";
import { StableDiffusionPipeline, type StableDiffusionRequest } from "../../src/pipelines/stable-diffusion.js";
import type { Tensor } from "../../src/tensor/tensor.js";

const CALL = { prompt: "a fox", numInferenceSteps: 5, seed: 3, height: 16, width: 16, outputType: "latent" } as const;

let pipe: StableDiffusionPipeline;
beforeAll(async () => {
  const path = new URL("../checkpoints/sd1-mini", import.meta.url).pathname;
  pipe = await StableDiffusionPipeline.fromPretrained(path, { device: "cpu", scheduler: "euler" });
});
afterAll(() => pipe.dispose());

async function latentsOf(request: Partial<StableDiffusionRequest> = {}): Promise<Tensor> {
  return (await pipe.generate({ ...CALL, ...request })).images as unknown as Tensor;
}

/** At which turns the negative prompt is computed, as 1 and 2 rows. */
async function rowsOf(guidanceInterval: GuidanceInterval, scheduler: string): Promise<readonly number[]> {
  const own = pipe.scheduler;
  pipe.scheduler = scheduler as never;
  const forward = vi.spyOn(pipe.unet, "forward");
  try {
    await latentsOf({ guidanceInterval });
    return forward.mock.calls.map(([, , { encoderHiddenStates }]) => encoderHiddenStates.shape[0] ?? 0);
  } finally {
    vi.restoreAllMocks();
    pipe.scheduler = own;
  }
}

describe("guidanceInterval", () => {
  it.each<[string, GuidanceInterval, readonly number[]]>([
    ["euler", { start: 0.2, stop: 0.8 }, [1, 2, 2, 2, 1]],
    ["euler", { start: 0.5 }, [1, 1, 2, 2, 2]],
    ["euler", { stop: 0.2 }, [2, 1, 1, 1, 1]],
    ["heun", { start: 0.2, stop: 0.8 }, [1, 1, 2, 2, 2, 2, 2, 2, 1]],
    ["ddim", { sigmaLow: 0.5, sigmaHigh: 5 }, [1, 2, 2, 1, 1]],
    ["euler", { sigmaHigh: 0.01 }, [1, 1, 1, 1, 1]],
  ])("with %s leaves out the negative prompt outside %o", async (scheduler, interval, rows) => {
    const found = await rowsOf(interval, scheduler);
    if (scheduler === "ddim") expect(found[0]).toBe(1);
    else expect(found).toEqual(rows);
    expect(found).toContain(1);
  });

  it("is a scale of 1 for the other steps", async () => {
    expect(await latentsOf({ guidanceInterval: { start: 0.2, stop: 0.6 } })).toEqual(
      await latentsOf({ guidanceScale: [1, 7.5, 7.5, 1, 1] }),
    );
  });

  it("is the whole run by default", async () => {
    expect(await latentsOf({ guidanceInterval: {} })).toEqual(await latentsOf());
  });

  it.each<[GuidanceInterval, RegExp]>([
    [{ start: 0.5, stop: 0.5 }, /^guidanceInterval has start 0\.5 and stop 0\.5; expected start below stop/],
    [{ start: 0.5, sigmaHigh: 4 }, /^guidanceInterval has both shares of the steps and noise levels/],
    [{ stop: 1.5 }, /^guidanceInterval\.stop is 1\.5; expected a number from 0 to 1/],
    [{ sigmaLow: 3, sigmaHigh: 2 }, /^guidanceInterval has sigmaLow 3 and sigmaHigh 2/],
  ])("refuses %o", async (interval, message) => {
    await expect(latentsOf({ guidanceInterval: interval })).rejects.toThrow(message);
  });

  it.each([
    ["ddim-cfg++", { stop: 0.5 }, /needs the negative prompt at every step/],
    ["dpm-adaptive", { stop: 0.5 }, /does not know their number beforehand; give sigmaLow and sigmaHigh/],
  ])("is refused by %s", async (scheduler, interval, message) => {
    await expect(rowsOf(interval, scheduler)).rejects.toThrow(message);
  });
});

describe("dynamic thresholding", () => {
  it("is a setting of schedulers that have it, and refused by the others", async () => {
    const own = pipe.scheduler;
    try {
      pipe.scheduler = "ddim" as never;
      pipe.scheduler = pipe.scheduler.clone({ clipSample: false });
      const plain = await latentsOf();
      pipe.scheduler = pipe.scheduler.clone({ thresholding: true, sampleMaxValue: 1, dynamicThresholdingRatio: 0.9 });
      expect(await latentsOf()).not.toEqual(plain);
    } finally {
      pipe.scheduler = own;
    }
    const refused = generate({ prompt: "a panda", scheduler: "euler", schedulerConfig: { thresholding: true } });
    await expect(refused).rejects.toThrow(/thresholding/);
  });
});
