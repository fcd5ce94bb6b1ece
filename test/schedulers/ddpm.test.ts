import { describe, expect, it } from "vitest";
import { ConfigError } from "../../src/errors.js";
import { DDIMInverseScheduler } from "../../src/schedulers/ddim-inverse.js";
import { DDPMScheduler } from "../../src/schedulers/ddpm.js";
import { DPMSolverMultistepScheduler } from "../../src/schedulers/dpm-solver-multistep.js";
import { Generator, randn } from "../../src/tensor/random.js";

const noise = (seed: number, channels = 3) => randn([1, channels, 4, 4], new Generator(seed));

describe("DDPM refuses", () => {
  it("an unknown variance type", () => {
    expect(() => new DDPMScheduler({ varianceType: "small" as "learned" })).toThrow(ConfigError);
    expect(() => new DDPMScheduler({ varianceType: "small" as "learned" })).toThrow(
      'variance_type is "small"; expected one of "fixed_small"',
    );
  });

  it.each([
    ["steps and timesteps at once", { numInferenceSteps: 4, timesteps: [999] }, "only one of numInferenceSteps and timesteps"],
    ["more steps than training had", { numInferenceSteps: 1001 }, "trained with only 1000 timesteps"],
    ["timesteps that stay", { timesteps: [10, 10] }, "custom timesteps must descend; 10 follows 10"],
    ["timesteps past training", { timesteps: [1000] }, "start at 1000"],
    ["a strength", { numInferenceSteps: 4, strength: 0.5 }, "does not take strength"],
  ])("%s", (_, options, message) => {
    expect(() => new DDPMScheduler().setTimesteps(options)).toThrow(message);
  });

  it("a timestep that is not in the run", () => {
    const scheduler = new DDPMScheduler();
    scheduler.setTimesteps(10);
    expect(() => scheduler.step(noise(1), 999, noise(2))).toThrow("timestep 999 is not one of the scheduler's timesteps");
  });

  it("a learned variance that the model does not give", () => {
    const scheduler = new DDPMScheduler({ varianceType: "learned_range" });
    expect(() => scheduler.step(noise(1), 500, noise(2))).toThrow('variance_type "learned_range" needs a model output with twice');
  });
});

describe("DDPM", () => {
  it("has beta schedules that other schedulers lack", () => {
    expect(new DDPMScheduler({ betaSchedule: "laplace" }).config.betaSchedule).toBe("laplace");
    expect(() => new DDIMInverseScheduler({ betaSchedule: "laplace" as "linear" })).toThrow("beta_schedule");
  });

  it("steps over all training timesteps without setTimesteps", () => {
    const stepped = (scheduler: DDPMScheduler) =>
      scheduler.step(noise(1), 500, noise(2), { generator: new Generator(3) }).prevSample.toArray();
    const set = new DDPMScheduler();
    set.setTimesteps(1000);
    expect(stepped(new DDPMScheduler())).toEqual(stepped(set));
  });

  it("reads a variance type of null, as in DPM-Solver's config files, as the posterior's", () => {
    const solver = JSON.parse(JSON.stringify(new DPMSolverMultistepScheduler({ varianceType: null }).config));
    const stepped = (scheduler: DDPMScheduler) =>
      scheduler.step(noise(1), 500, noise(2), { generator: new Generator(3) }).prevSample.toArray();
    expect(stepped(DDPMScheduler.fromConfig(solver))).toEqual(stepped(new DDPMScheduler()));
  });

  it("adds no noise at timestep 0", () => {
    const scheduler = new DDPMScheduler();
    scheduler.setTimesteps(10);
    const last = (seed: number) => scheduler.step(noise(1), 0, noise(2), { generator: new Generator(seed) }).prevSample.toArray();
    expect(last(3)).toEqual(last(4));
  });

  it("gives the velocity between the picture and the noise that DDIM's addNoise mixes", () => {
    const scheduler = new DDPMScheduler();
    const [picture, grain] = [noise(1), noise(2)];
    // The picture is cos * noisy - sin * velocity (Salimans & Ho 2022).
    const noisy = scheduler.addNoise(picture, grain, [300]);
    const velocity = scheduler.getVelocity(picture, grain, [300]);
    const v = new DDPMScheduler({ predictionType: "v_prediction", clipSample: false });
    const { predOriginalSample } = v.step(velocity, 300, noisy, { generator: new Generator(3) });
    expect(Math.max(...(predOriginalSample?.sub(picture).toArray() ?? [Number.NaN]).map(Math.abs))).toBeLessThan(1e-5);
  });
});

describe("DDIM inverse", () => {
  it("goes from clean to noisy", () => {
    const scheduler = new DDIMInverseScheduler();
    scheduler.setTimesteps(4);
    expect(scheduler.timesteps).toEqual([0, 250, 500, 750]);
  });

  it.each([
    ["linspace timesteps", () => new DDIMInverseScheduler({ timestepSpacing: "linspace" as "leading" }), "timestep_spacing"],
    ["more steps than training had", () => new DDIMInverseScheduler().setTimesteps(1001), "trained with only 1000"],
    ["custom timesteps", () => new DDIMInverseScheduler().setTimesteps({ timesteps: [0, 500] }), "does not take custom timesteps"],
    ["adding noise", () => new DDIMInverseScheduler().addNoise(noise(1), noise(2), [10]), "cannot add noise"],
    ["a step before setTimesteps", () => new DDIMInverseScheduler().step(noise(1), 10, noise(2)), "call setTimesteps before step"],
  ])("refuses %s", (_, work, message) => {
    expect(work).toThrow(message);
  });
});
