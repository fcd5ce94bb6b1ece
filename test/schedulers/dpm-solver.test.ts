import { describe, expect, it } from "vitest";
import { ArgumentError, ConfigError } from "../../src/errors.js";
import { DEISMultistepScheduler } from "../../src/schedulers/deis-multistep.js";
import { DPMSolverMultistepInverseScheduler } from "../../src/schedulers/dpm-solver-multistep-inverse.js";
import { DPMSolverSDEScheduler } from "../../src/schedulers/dpm-solver-sde.js";
import { DPMSolverSinglestepScheduler } from "../../src/schedulers/dpm-solver-singlestep.js";
import { SASolverScheduler } from "../../src/schedulers/sa-solver.js";
import { Generator, randn } from "../../src/tensor/random.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { readTensors } from "../helpers/safetensors.js";

const tensors = readTensors(new URL("../fixtures/scheduler-extras/extras.safetensors", import.meta.url).pathname);
const stableDiffusion = { betaStart: 0.00085, betaEnd: 0.012, betaSchedule: "scaled_linear" } as const;
const noise = (seed: number, batch = 1) => randn([batch, 3, 4, 4], new Generator(seed));

describe("diffusers refuses, and so do we:", () => {
  it.each([
    [
      "a fourth order",
      () => new DPMSolverSinglestepScheduler({ solverOrder: 4 }),
      "solver_order is 4; expected a whole number from 1 to 3",
    ],
    [
      "noise prediction down to no noise",
      () => new DPMSolverSinglestepScheduler({ algorithmType: "dpmsolver" }),
      'final_sigmas_type "zero" does not go with algorithm_type "dpmsolver"',
    ],
    [
      "thresholding of predicted noise (singlestep)",
      () => new DPMSolverSinglestepScheduler({ algorithmType: "dpmsolver", finalSigmasType: "sigma_min", thresholding: true }),
      "thresholding does not go with",
    ],
    [
      "an algorithm that only the multistep solver has",
      () => new DPMSolverSinglestepScheduler({ algorithmType: "sde-dpmsolver" as "dpmsolver" }),
      'algorithm_type is "sde-dpmsolver"; expected one of "dpmsolver", "dpmsolver++", "sde-dpmsolver++"',
    ],
    ["two spacings", () => new DEISMultistepScheduler({ useKarrasSigmas: true, useBetaSigmas: true }), "only one of"],
    [
      "flow prediction as noise",
      () => new DPMSolverMultistepInverseScheduler({ algorithmType: "dpmsolver", predictionType: "flow_prediction" }),
      'prediction_type "flow_prediction" needs a "++" algorithm_type',
    ],
    ["a fifth order", () => new SASolverScheduler({ predictorOrder: 5 }), "predictor_order is 5; expected a whole number from 1 to 4"],
    ["an order 0", () => new SASolverScheduler({ correctorOrder: 0 }), "corrector_order is 0; expected a whole number from 1 to 4"],
    [
      "thresholding of predicted noise (SA)",
      () => new SASolverScheduler({ algorithmType: "noise_prediction", thresholding: true }),
      'thresholding does not go with algorithm_type "noise_prediction"',
    ],
    [
      "a tau that is no function",
      () => new SASolverScheduler({ tauFunc: 1 as never }),
      "tau_func is 1; expected a function of the timestep",
    ],
    [
      "sample prediction where it is not implemented",
      () => new DPMSolverSDEScheduler({ predictionType: "sample" as "epsilon" }),
      'prediction_type is "sample"; expected one of "epsilon", "v_prediction"',
    ],
  ])("%s", (_, make, message) => {
    expect(make).toThrow(ConfigError);
    expect(make).toThrow(message);
  });

  it.each(["sde-dpmsolver", "sde-dpmsolver++"] as const)("a third order of the inverse %s", (algorithmType) => {
    const scheduler = new DPMSolverMultistepInverseScheduler({ algorithmType, solverOrder: 3 });
    expect(() => scheduler.setTimesteps(20)).toThrow("has no third order");
  });

  it("mu without dynamic shifting", () => {
    expect(() => new DEISMultistepScheduler().setTimesteps({ numInferenceSteps: 5, mu: 0.7 })).toThrow("takes mu only with");
  });

  it("custom timesteps beside a number of steps or a named spacing", () => {
    const both = () => new DPMSolverSinglestepScheduler().setTimesteps({ numInferenceSteps: 2, timesteps: [900, 100] });
    expect(both).toThrow("only one of numInferenceSteps and timesteps");
    const named = () => new DPMSolverSinglestepScheduler({ useKarrasSigmas: true }).setTimesteps({ timesteps: [900, 100] });
    expect(named).toThrow("custom timesteps cannot be used");
  });

  it.each([DEISMultistepScheduler, SASolverScheduler, DPMSolverSDEScheduler, DPMSolverMultistepInverseScheduler])(
    "custom timesteps of a class that takes none: %o",
    (scheduler) => {
      expect(() => new scheduler().setTimesteps({ timesteps: [900, 100] })).toThrow("does not take custom timesteps");
    },
  );

  it("more steps than were planned", () => {
    const scheduler = new DEISMultistepScheduler();
    scheduler.setTimesteps(1);
    const [t = 0] = scheduler.timesteps;
    const { prevSample } = scheduler.step(noise(1), t, noise(2));
    expect(() => scheduler.step(noise(1), t, prevSample)).toThrow("all 1 steps are done");
  });
});

describe("SA-Solver", () => {
  it("takes its noise from tauFunc", () => {
    const scheduler = new SASolverScheduler({ ...stableDiffusion, tauFunc: (timestep) => (timestep > 300 ? 0.5 : 0.25) });
    scheduler.setTimesteps(6);
    const generator = new Generator(4);
    let sample = randn([1, 3, 4, 4], generator);
    for (const [i, t] of scheduler.timesteps.entries()) {
      sample = scheduler.step(sample.map(Math.cos), t, sample, { generator }).prevSample;
      const expected = tensors[`sa.${i + 1}`] as Tensor;
      expect(Math.max(...sample.sub(expected).toArray().map(Math.abs))).toBeLessThan(1e-5);
    }
  });
});

describe("the SDE solver's noise", () => {
  const run = (config: object, options: object, sample = noise(3, 2)) => {
    const scheduler = new DPMSolverSDEScheduler(config);
    scheduler.setTimesteps(4);
    let current = sample;
    for (const t of scheduler.timesteps) current = scheduler.step(current.mul(0.1), t, current, options).prevSample;
    return current;
  };

  it("is drawn for each image from its own seed", () => {
    const both = run({ noiseSamplerSeed: [5, 6] }, {});
    const second = run({ noiseSamplerSeed: [6] }, {}, noise(3, 2).slice(1, 2));
    expect(both.slice(1, 2).toArray()).toEqual(second.toArray());
  });

  it("is reproducible with a generator if the config has no seed", () => {
    expect(run({}, { generator: new Generator(8) }).toArray()).toEqual(run({}, { generator: new Generator(8) }).toArray());
    expect(run({}, { generator: new Generator(8) }).toArray()).not.toEqual(run({}, { generator: new Generator(9) }).toArray());
  });

  it("refuses a number of seeds that is neither one nor the batch size", () => {
    expect(() => run({ noiseSamplerSeed: [1, 2, 3] }, {})).toThrow(ArgumentError);
    expect(() => run({ noiseSamplerSeed: [1, 2, 3] }, {})).toThrow("3 seeds or generators were given for a batch of 2");
  });

  it("refuses negative seeds", () => {
    expect(() => new DPMSolverSDEScheduler({ noiseSamplerSeed: -1 })).toThrow("noise_sampler_seed is -1");
  });

  it("finds timesteps that differ in their last bits", () => {
    const scheduler = new DPMSolverSDEScheduler();
    scheduler.setTimesteps(10);
    const t = scheduler.timesteps[3] ?? 0;
    const [original, added] = [noise(1), noise(2)];
    expect(scheduler.addNoise(original, added, [t * (1 + 2 ** -52)]).toArray()).toEqual(scheduler.addNoise(original, added, [t]).toArray());
  });
});
