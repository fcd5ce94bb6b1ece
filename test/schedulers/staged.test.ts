import { describe, expect, it } from "vitest";
import { DDIMCFGPPScheduler } from "../../src/schedulers/ddim-cfg-pp.js";
import { DPMAdaptiveScheduler } from "../../src/schedulers/dpm-adaptive.js";
import { DPMFastScheduler } from "../../src/schedulers/dpm-fast.js";
import { DPMPP2SAncestralScheduler } from "../../src/schedulers/dpmpp-2s-ancestral.js";
import { EulerCFGPPScheduler } from "../../src/schedulers/euler-cfg-pp.js";
import { resolveScheduler } from "../../src/schedulers/registry.js";
import { RestartScheduler } from "../../src/schedulers/restart.js";
import type { Scheduler } from "../../src/schedulers/shared/scheduler.js";
import { Generator, randn } from "../../src/tensor/random.js";
import type { Tensor } from "../../src/tensor/tensor.js";

/** The end of a run whose model knows the noise in the sample, and so leads back to the picture. */
function led(scheduler: Scheduler, original: Tensor, noise: Tensor, begin = 0): Tensor {
  if (begin > 0) scheduler.setBeginIndex?.(begin);
  const timesteps = scheduler.timesteps.slice(begin);
  let sample = scheduler.addNoise(original, noise, timesteps.slice(0, 1));
  for (const [i, timestep] of timesteps.entries()) {
    const sigma = scheduler.sigmas?.[begin + i] ?? 1;
    const output = sample.sub(original).div(sigma);
    sample = scheduler.step(output, timestep, sample, { generator: new Generator(i), unconditional: output }).prevSample;
  }
  return sample;
}

describe("samplers of web UIs", () => {
  const [original, noise] = [randn([1, 3, 4, 4], new Generator(1)), randn([1, 3, 4, 4], new Generator(2))];
  const distance = (sample: Tensor) => Math.max(...sample.sub(original).toArray().map(Math.abs));

  it.each([
    [DPMPP2SAncestralScheduler, 0],
    [DPMPP2SAncestralScheduler, 4],
    [RestartScheduler, 0],
    [RestartScheduler, 10],
    [RestartScheduler, 30],
    [EulerCFGPPScheduler, 0],
    [EulerCFGPPScheduler, 7],
  ])("lead back to the picture: %o from %i", (Class, begin) => {
    const scheduler = new Class({ betaSchedule: "scaled_linear" });
    scheduler.setTimesteps(24);
    expect(distance(led(scheduler, original, noise, begin))).toBeLessThan(1e-4);
  });

  it.each([0, 5, 11])("DPM-Solver-fast leads to the smallest noise level from %i", (begin) => {
    const scheduler = new DPMFastScheduler({ betaSchedule: "scaled_linear" });
    scheduler.setTimesteps(12);
    expect(distance(led(scheduler, original, noise, begin))).toBeLessThan(0.15);
    expect(scheduler.timesteps).toHaveLength(12);
    expect(scheduler.sigmas.at(-1)).toBeCloseTo(0.0292, 3);
  });

  it.each(["linspace", "leading", "trailing"] as const)(
    "DPM-Solver-23 covers all training sigmas, spaced %s, in any number of steps",
    (timestepSpacing) => {
      const scheduler = new DPMAdaptiveScheduler({ betaSchedule: "scaled_linear", timestepSpacing, stepsOffset: 1 });
      for (const steps of [4, 30]) {
        scheduler.setTimesteps(steps);
        expect(scheduler.sigmas[0]).toBeCloseTo(14.6146, 3);
        expect(scheduler.sigmas.at(-1)).toBeCloseTo(0.0292, 4);
      }
      scheduler.setTimesteps({ sigmas: [5, 1, 0] });
      expect([scheduler.sigmas[0], scheduler.sigmas.at(-1)].map((sigma) => sigma?.toFixed(3))).toEqual(["5.000", "1.000"]);
    },
  );

  it("tell what their numbers of steps mean", () => {
    expect(new DPMAdaptiveScheduler().noteOnSteps()).toMatch(/chooses its steps by its tolerances/);
    expect(new RestartScheduler().noteOnSteps(19)).toMatch(/restarts from 20 steps on; with 19 it is Heun's method/);
    expect(new RestartScheduler().noteOnSteps(20)).toBeUndefined();
  });

  it("take noise levels, which must descend to 0", () => {
    const scheduler = new RestartScheduler();
    scheduler.setTimesteps({ sigmas: [14, 3, 0.5, 0] });
    expect(scheduler.sigmas).toEqual([14, 3, 3, 0.5, 0.5, 0]);
    expect(() => scheduler.setTimesteps({ sigmas: [14, 3, 0.5] })).toThrow("custom sigmas must descend and end with 0; got 14, 3, 0.5");
    expect(() => scheduler.setTimesteps({ sigmas: [3, 14, 0] })).toThrow("must descend");
    expect(() => scheduler.setTimesteps({ sigmas: [3, 0], numInferenceSteps: 1 })).toThrow("only one of numInferenceSteps and sigmas");
  });

  it("refuse a share of noise beyond 1", () => {
    expect(() => new DPMPP2SAncestralScheduler({ eta: 1.5 })).toThrow("0 to 1");
  });

  it.each([DDIMCFGPPScheduler, EulerCFGPPScheduler])("%o needs the prediction for the negative prompt", (Class) => {
    const scheduler = new Class();
    scheduler.setTimesteps(4);
    expect(() => scheduler.step(noise, scheduler.timesteps[0] as number, noise)).toThrow("needs the prediction for the negative prompt");
  });

  it.each([
    ["DPM++ 2S a Karras", "DPMPP2SAncestralScheduler", { useKarrasSigmas: true }],
    ["dpmpp_2s_ancestral", "DPMPP2SAncestralScheduler", {}],
    ["Restart", "RestartScheduler", {}],
    ["DPM fast", "DPMFastScheduler", {}],
    ["dpm_adaptive", "DPMAdaptiveScheduler", {}],
    ["DDIM CFG++", "DDIMCFGPPScheduler", {}],
    ["ddim_cfgpp", "DDIMCFGPPScheduler", {}],
    ["Euler CFG++", "EulerCFGPPScheduler", {}],
    ["euler_ancestral_cfg_pp", "EulerCFGPPScheduler", { eta: 1 }],
    ["Euler a CFG++", "EulerCFGPPScheduler", { eta: 1 }],
  ])("have the names of web UIs: %s", (name, className, overrides) => {
    const found = resolveScheduler(name);
    expect([found.class.className, found.overrides]).toEqual([className, overrides]);
  });
});
