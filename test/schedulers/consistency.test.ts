import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/errors.js";
import { LCMScheduler } from "../../src/schedulers/lcm.js";
import { TCDScheduler } from "../../src/schedulers/tcd.js";
import { Generator, randn } from "../../src/tensor/random.js";
import { collectWarnings } from "../helpers/warnings.js";

const noise = (seed: number) => randn([1, 3, 4, 4], new Generator(seed));

function warningsOf(work: () => void): string[] {
  const warnings = collectWarnings();
  work();
  return warnings;
}

describe.each([LCMScheduler, TCDScheduler])("%o refuses", (Class) => {
  it.each([
    ["steps and timesteps at once", { numInferenceSteps: 4, timesteps: [999, 499] }, "only one of numInferenceSteps and timesteps"],
    ["neither", { strength: 0.5 }, "setTimesteps needs numInferenceSteps or timesteps"],
    ["timesteps that rise", { timesteps: [499, 999] }, "custom timesteps must descend; 999 follows 499"],
    ["timesteps past training", { timesteps: [1000, 499] }, "the model was trained with timesteps below 1000"],
    ["more steps than the strength leaves", { numInferenceSteps: 20, strength: 0.2 }, "20 steps are more than the 50 original steps"],
    ["more steps than the distillation had", { numInferenceSteps: 51 }, "51 steps are more than the 50 original steps"],
    ["more steps than training had", { numInferenceSteps: 1001 }, "trained with only 1000 timesteps"],
    [
      "a length that is not whole",
      { numInferenceSteps: 2, originalInferenceSteps: 2.5 },
      "originalInferenceSteps is 2.5; expected a whole",
    ],
    ["sigmas", { sigmas: [1, 0] }, "does not take custom sigmas"],
  ])("%s", (_, options, message) => {
    expect(() => new Class().setTimesteps(options)).toThrow(ArgumentError);
    expect(() => new Class().setTimesteps(options)).toThrow(message);
  });

  it("a step before setTimesteps", () => {
    expect(() => new Class().step(noise(1), 999, noise(2))).toThrow("call setTimesteps before step");
  });
});

describe.each([LCMScheduler, TCDScheduler])("%o warns", (Class) => {
  it("of timesteps the model was not distilled on", () => {
    const warnings = warningsOf(() => new Class().setTimesteps({ timesteps: [999, 700] }));
    expect(warnings).toEqual([
      `${Class.className}: timesteps 700 are not on the schedule the model was distilled on; the result may be wrong`,
    ]);
  });

  it("of a start that is not pure noise, unless strength asks for it", () => {
    expect(warningsOf(() => new Class().setTimesteps({ timesteps: [499] }))).toHaveLength(1);
    expect(warningsOf(() => new Class().setTimesteps({ timesteps: [499], strength: 0.5 }))).toEqual([]);
  });
});

it("LCM refuses a distillation longer than training", () => {
  const options = { numInferenceSteps: 4, originalInferenceSteps: 1001 };
  expect(() => new LCMScheduler().setTimesteps(options)).toThrow("originalInferenceSteps is 1001");
});

it.each([-0.1, 1.5, Number.NaN])("TCD refuses eta %d", (eta) => {
  const scheduler = new TCDScheduler();
  scheduler.setTimesteps(4);
  expect(() => scheduler.step(noise(1), 999, noise(2), { eta })).toThrow("expected 0 to 1");
});

it("TCD gives the sample before noise is added, and is that sample at eta 0", () => {
  const scheduler = new TCDScheduler();
  scheduler.setTimesteps(4);
  const { prevSample, predNoisedSample } = scheduler.step(noise(1), 999, noise(2), { eta: 0 });
  expect(prevSample.toArray()).toEqual(predNoisedSample?.toArray());
});

it.each([LCMScheduler, TCDScheduler])("the last step adds no noise: %o", (Class) => {
  const last = (seed: number) => {
    const scheduler = new Class();
    scheduler.setTimesteps(1);
    return scheduler.step(noise(1), 999, noise(2), { generator: new Generator(seed) }).prevSample.toArray();
  };
  expect(last(3)).toEqual(last(4));
});
