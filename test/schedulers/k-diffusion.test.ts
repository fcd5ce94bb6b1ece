import { describe, expect, it } from "vitest";
import { HeunDiscreteScheduler } from "../../src/schedulers/heun-discrete.js";
import { KDPM2AncestralDiscreteScheduler } from "../../src/schedulers/k-dpm-2-ancestral-discrete.js";
import { KDPM2DiscreteScheduler } from "../../src/schedulers/k-dpm-2-discrete.js";
import { LMSDiscreteScheduler } from "../../src/schedulers/lms-discrete.js";
import { Generator, randn } from "../../src/tensor/random.js";

const noise = (seed: number) => randn([1, 3, 4, 4], new Generator(seed));
const classes = [LMSDiscreteScheduler, HeunDiscreteScheduler, KDPM2DiscreteScheduler, KDPM2AncestralDiscreteScheduler];

describe.each(classes)("%o", (Class) => {
  it("refuses two sigma spacings at once", () => {
    expect(() => new Class({ useKarrasSigmas: true, useExponentialSigmas: true })).toThrow(
      "only one of use_karras_sigmas, use_exponential_sigmas can be used",
    );
  });

  it("can scale noise before setTimesteps, for all training timesteps", () => {
    const scheduler = new Class();
    const before = scheduler.initNoiseSigma;
    scheduler.setTimesteps(1000);
    expect(before).toBe(scheduler.initNoiseSigma);
  });

  it("refuses a timestep that is not in the run", () => {
    const scheduler = new Class();
    scheduler.setTimesteps(4);
    expect(() => scheduler.step(noise(1), 500, noise(2))).toThrow("timestep 500 is not one of the scheduler's timesteps");
  });
});

describe.each([LMSDiscreteScheduler, HeunDiscreteScheduler, KDPM2DiscreteScheduler])("a perfect noise prediction: %o", (Class) => {
  it("leads back to the picture", () => {
    const [picture, grain] = [noise(1), noise(2)];
    const scheduler = new Class();
    scheduler.setTimesteps(8);
    let sample = scheduler.addNoise(picture, grain, scheduler.timesteps.slice(0, 1));
    for (const t of scheduler.timesteps) sample = scheduler.step(grain, t, sample).prevSample;
    expect(Math.max(...sample.sub(picture).toArray().map(Math.abs))).toBeLessThan(5e-4);
  });
});

describe("Heun refuses", () => {
  it.each([
    ["steps and timesteps at once", {}, { numInferenceSteps: 4, timesteps: [999] }, "only one of numInferenceSteps and timesteps"],
    [
      "custom timesteps with named sigmas",
      { useBetaSigmas: true },
      { timesteps: [999] },
      "cannot be used with karras, exponential or beta",
    ],
    ["steps and sigmas at once", {}, { numInferenceSteps: 4, sigmas: [14, 0] }, "only one of numInferenceSteps and sigmas"],
    ["sigmas that rise", {}, { sigmas: [1, 2, 0] }, "custom sigmas must descend"],
    ["a training length of none", {}, { numInferenceSteps: 4, numTrainTimesteps: 0 }, "numTrainTimesteps is 0"],
  ])("%s", (_, config, options, message) => {
    expect(() => new HeunDiscreteScheduler(config).setTimesteps(options)).toThrow(message);
  });
});

it.each([HeunDiscreteScheduler, KDPM2DiscreteScheduler, KDPM2AncestralDiscreteScheduler])(
  "takes every step but the last twice: %o",
  (Class) => {
    const scheduler = new Class();
    scheduler.setTimesteps(5);
    expect([scheduler.order, scheduler.timesteps.length]).toEqual([2, 9]);
  },
);

it.each([KDPM2DiscreteScheduler, KDPM2AncestralDiscreteScheduler])("the models of %o predict noise or velocity, not pictures", (Class) => {
  expect(() => new Class({ predictionType: "sample" as "epsilon" })).toThrow('prediction_type is "sample"');
});

it("setTimesteps forgets a step that was half done", () => {
  const scheduler = new HeunDiscreteScheduler();
  const first = () => {
    scheduler.setTimesteps(4);
    return scheduler.step(noise(1), 999, noise(2)).prevSample.toArray();
  };
  expect(first()).toEqual(first());
});

it.each([0, 2.5])("LMS refuses order %d", (order) => {
  const scheduler = new LMSDiscreteScheduler();
  scheduler.setTimesteps(4);
  expect(() => scheduler.step(noise(1), 999, noise(2), { order })).toThrow(`order is ${order}; expected a whole number, at least 1`);
});

it("LMS of order 1 is Euler's step", () => {
  const scheduler = new LMSDiscreteScheduler();
  scheduler.setTimesteps(4);
  const [from = 0, to = 0] = scheduler.sigmas;
  const { prevSample } = scheduler.step(noise(1), 999, noise(2), { order: 1 });
  const euler = noise(2).add(noise(1).mul(to - from));
  expect(Math.max(...prevSample.sub(euler).toArray().map(Math.abs))).toBeLessThan(1e-4);
});
