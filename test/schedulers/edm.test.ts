import { describe, expect, it } from "vitest";
import { EDMDPMSolverMultistepScheduler } from "../../src/schedulers/edm-dpm-solver-multistep.js";
import { EDMEulerScheduler } from "../../src/schedulers/edm-euler.js";
import { EulerDiscreteScheduler } from "../../src/schedulers/euler-discrete.js";
import { IPNDMScheduler } from "../../src/schedulers/ipndm.js";
import { Generator, randn } from "../../src/tensor/random.js";
import { collectWarnings } from "../helpers/warnings.js";

const noise = (seed: number) => randn([1, 3, 4, 4], new Generator(seed));

describe.each([EDMEulerScheduler, EDMDPMSolverMultistepScheduler])("%o", (Class) => {
  it.each([
    [{ sigmaSchedule: "beta" as "karras" }, 'sigma_schedule is "beta"; expected one of "karras", "exponential"'],
    [{ predictionType: "sample" as "epsilon" }, 'prediction_type is "sample"'],
    [{ finalSigmasType: "last" as "zero" }, 'final_sigmas_type is "last"'],
  ])("refuses %o", (config, message) => {
    expect(() => new Class(config)).toThrow(message);
  });

  it("takes the noise's deviation from the end of the schedule, also before setTimesteps", () => {
    expect(new Class({ sigmaMax: 20 }).initNoiseSigma).toBeCloseTo(Math.sqrt(401), 12);
  });
});

describe("noise levels of another kind of network", () => {
  it("give a warning if a scheduler takes a config of the other kind, but not on the way back", () => {
    const heard = collectWarnings();
    const swapped = EulerDiscreteScheduler.fromConfig(new EDMEulerScheduler().config);
    expect(heard).toEqual([
      expect.stringMatching(/^EulerDiscreteScheduler has no sigma_data, but the network needs it.*Use EDMEulerScheduler/),
    ]);
    const other = EDMEulerScheduler.fromConfig(new EulerDiscreteScheduler({ betaStart: 0.00085 }).config);
    expect(heard[1]).toMatch(/^EDMEulerScheduler is for networks with sigma_data.*Use EulerDiscreteScheduler/);
    EDMDPMSolverMultistepScheduler.fromConfig(swapped.config);
    EDMDPMSolverMultistepScheduler.fromConfig(new EDMEulerScheduler().config);
    EulerDiscreteScheduler.fromConfig(other.config);
    EulerDiscreteScheduler.fromConfig({});
    expect(heard).toHaveLength(2);
  });
});

describe("EDM Euler", () => {
  it("takes positions on the schedule for custom sigmas, as diffusers does", () => {
    const scheduler = new EDMEulerScheduler();
    scheduler.setTimesteps({ sigmas: [0, 1] });
    expect(scheduler.sigmas.map((sigma) => Number(sigma.toPrecision(5)))).toEqual([80, 0.002, 0]);
  });

  it("accepts the predicted picture instead of the model output", () => {
    const scheduler = new EDMEulerScheduler();
    scheduler.setTimesteps(1);
    const [t = 0] = scheduler.timesteps;
    const { prevSample } = scheduler.step(noise(1), t, noise(2), { predOriginalSample: noise(3) });
    expect(Math.max(...prevSample.sub(noise(3)).toArray().map(Math.abs))).toBeLessThan(1e-5);
  });

  it("finds a timestep that is off in its last bits", () => {
    const scheduler = new EDMEulerScheduler();
    scheduler.setTimesteps(10);
    const t = scheduler.timesteps[3] ?? 0;
    const add = (timestep: number) => scheduler.addNoise(noise(1), noise(2), [timestep]).toArray();
    expect(add(t + 1e-7)).toEqual(add(t));
  });

  it("refuses an index in place of a timestep", () => {
    const scheduler = new EDMEulerScheduler();
    scheduler.setTimesteps(10);
    expect(() => scheduler.step(noise(1), 3, noise(2))).toThrow("timestep 3 is not one of the scheduler's timesteps");
  });
});

describe("EDM DPM-Solver", () => {
  it("refuses a third order of the SDE", () => {
    const scheduler = new EDMDPMSolverMultistepScheduler({ algorithmType: "sde-dpmsolver++", solverOrder: 3 });
    expect(() => scheduler.setTimesteps(10)).toThrow("has no third order");
  });

  it("refuses an algorithm that predicts noise", () => {
    expect(() => new EDMDPMSolverMultistepScheduler({ algorithmType: "dpmsolver" as "dpmsolver++" })).toThrow(
      'algorithm_type is "dpmsolver"',
    );
  });

  it("refuses a step before setTimesteps", () => {
    expect(() => new EDMDPMSolverMultistepScheduler().step(noise(1), 1, noise(2))).toThrow("call setTimesteps before step");
  });
});

describe("iPNDM", () => {
  it("cannot add noise, as in diffusers", () => {
    expect(() => new IPNDMScheduler().addNoise(noise(1), noise(2), [1])).toThrow("IPNDMScheduler cannot add noise");
  });

  it("refuses custom timesteps", () => {
    expect(() => new IPNDMScheduler().setTimesteps({ timesteps: [1] })).toThrow("does not take custom timesteps");
  });
});
