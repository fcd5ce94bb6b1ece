import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { StepCacheOptions } from "../../src/pipelines/shared/step-cache.js";
import { StableDiffusionPipeline, type StableDiffusionRequest } from "../../src/pipelines/stable-diffusion.js";
import { resolveScheduler } from "../../src/schedulers/registry.js";
import type { Scheduler } from "../../src/schedulers/shared/scheduler.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { largestDifference } from "../helpers/differences.js";
import { EMOJI } from "./emoji.js";

// The pictures themselves are compared with Python's DeepCache among the fixtures, group step-cache.

const FOX = { prompt: "a red fox on a blue background", seed: 1, numInferenceSteps: 7 } as const;

let pipe: StableDiffusionPipeline;
let original: Scheduler;
beforeAll(async () => {
  pipe = await StableDiffusionPipeline.fromPretrained(EMOJI, { device: "cpu" });
  original = pipe.scheduler;
});
afterEach(() => {
  vi.restoreAllMocks();
  pipe.scheduler = original;
});
afterAll(() => pipe.dispose());

async function latentsOf(request: StableDiffusionRequest): Promise<Tensor> {
  return (await pipe.generate({ ...request, outputType: "latent" })).images;
}

/** At which turns of the loop the whole UNet runs (W), and at which its shallow part (s). */
async function turnsOf(cache: StepCacheOptions, request: Partial<StableDiffusionRequest> = {}): Promise<string> {
  const forward = vi.spyOn(pipe.unet, "forward");
  await latentsOf({ ...FOX, ...request, cache });
  const turns = forward.mock.calls.map(([, , { deepFeature }]) => (deepFeature ? "s" : "W")).join("");
  forward.mockRestore();
  return turns;
}

describe("step caching", () => {
  it("is off by default", async () => {
    const forward = vi.spyOn(pipe.unet, "forward");
    await latentsOf(FOX);
    expect(forward.mock.calls.every(([, , inputs]) => inputs.cacheBranch === undefined)).toBe(true);
  });

  it("is off with the interval 1", async () => {
    expect(await latentsOf({ ...FOX, cache: { interval: 1 } })).toEqual(await latentsOf(FOX));
  });

  it("makes a different but similar picture", async () => {
    const difference = largestDifference(await latentsOf({ ...FOX, cache: { interval: 2 } }), await latentsOf(FOX));
    expect(difference).toBeGreaterThan(1e-3);
    expect(difference).toBeLessThan(5);
  });

  it.each([
    [2, "WsWsWsW"],
    [3, "WssWssW"],
    [99, "Wssssss"],
  ])("runs the whole UNet every %d steps", async (interval, turns) => {
    expect(await turnsOf({ interval })).toBe(turns);
  });

  it("counts PNDM's repeated timestep as DeepCache does", async () => {
    pipe.scheduler = resolveScheduler("pndm").class.fromConfig(pipe.scheduler.config, { skipPrkSteps: true });
    expect(await turnsOf({ interval: 2 })).toBe("WsssWsWs");
  });

  it("counts both turns of a step of order 2", async () => {
    pipe.scheduler = resolveScheduler("heun").class.fromConfig(pipe.scheduler.config);
    expect(await turnsOf({ interval: 2 }, { numInferenceSteps: 4 })).toBe("WsWsWsW");
  });

  it("starts again in every call, also after one that was left early", async () => {
    const request = { ...FOX, cache: { interval: 3 } };
    const first = await latentsOf(request);
    for await (const { index } of pipe.steps(request)) if (index === 1) break;
    expect(await latentsOf(request)).toEqual(first);
  });

  it("is separate for calls that overlap", async () => {
    const requests = [
      { ...FOX, cache: { interval: 3 } },
      { ...FOX, seed: 2, prompt: "a panda", cache: { interval: 2, branch: 1 } },
      { ...FOX, seed: 3, guidanceScale: 1, cache: { interval: 2 } },
      { ...FOX, seed: 4 },
    ];
    const together = await Promise.all(requests.map(latentsOf));
    for (const [i, request] of requests.entries()) expect(together[i]).toEqual(await latentsOf(request));
  });

  it("runs the whole UNet after a change of the threshold", async () => {
    expect(await latentsOf({ ...FOX, cache: { threshold: 0 } })).toEqual(await latentsOf(FOX));
    expect(await turnsOf({ threshold: 1e-6 })).toBe("WWWWWWW");
    expect(await turnsOf({ threshold: 1e6 })).toBe("WWsssss");
    const some = await turnsOf({ threshold: 0.3, branch: 1 });
    expect(some.slice(2)).toMatch(/W.*s|s.*W/);
    const difference = (threshold: number) =>
      latentsOf({ ...FOX, cache: { threshold } }).then(async (x) => largestDifference(x, await latentsOf(FOX)));
    expect(await difference(0.05)).toBeLessThan(await difference(1e6));
  });

  it.each<[StepCacheOptions, string]>([
    [{ interval: 0 }, "cache.interval is 0; expected a whole number, at least 1"],
    [{ interval: 1.5 }, "cache.interval is 1.5; expected a whole number, at least 1"],
    [{ interval: Number.NaN }, "cache.interval is NaN; expected a whole number, at least 1"],
    [{}, "cache has neither interval nor threshold; expected one of them"],
    [{ interval: 2, threshold: 0.1 }, "cache has both interval and threshold; expected one of them"],
    [{ threshold: -1 }, "cache.threshold is -1; expected a finite number, at least 0"],
    [{ threshold: 0.1, branch: 9 }, "cache.branch is 9; expected a number from 0 to 8"],
    [{ interval: 2, branch: -1 }, "cache.branch is -1; expected a whole number, at least 0"],
    [{ interval: 2, branch: 0.5 }, "cache.branch is 0.5; expected a whole number, at least 0"],
    [{ interval: 2, branch: 9 }, "cache.branch is 9; expected a number from 0 to 8"],
  ])("refuses %o", async (cache, message) => {
    await expect(latentsOf({ ...FOX, cache })).rejects.toMatchObject({ name: "ArgumentError", message });
  });
});
