import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/errors.js";
import {
  DDIMScheduler,
  DPMSolverMultistepScheduler,
  DPMSolverSDEScheduler,
  EulerAncestralDiscreteScheduler,
  EulerDiscreteScheduler,
  FlowMatchEulerDiscreteScheduler,
  HeunDiscreteScheduler,
  KDPM2AncestralDiscreteScheduler,
  KDPM2DiscreteScheduler,
  LMSDiscreteScheduler,
  SCHEDULES,
  type ScheduleName,
  type Scheduler,
  scheduleSigmas,
  Tensor,
} from "../../src/index.js";
import { Generator, randn } from "../../src/tensor/random.js";

interface Case {
  readonly name: ScheduleName;
  readonly steps: number;
  readonly xl: boolean;
  readonly sigmas: readonly number[];
}
const file = new URL("../fixtures/scheduler-extras/schedules.json", import.meta.url);
const { cases } = JSON.parse(readFileSync(file, "utf8")) as { cases: Case[] };
const CONFIG = { betaStart: 0.00085, betaEnd: 0.012, betaSchedule: "scaled_linear" } as const;
const euler = new EulerDiscreteScheduler(CONFIG);

describe("noise levels by name", () => {
  it.each(cases)("are the web UIs': $name, $steps steps, XL $xl", ({ name, steps, xl: isXL, sigmas }) => {
    const found = scheduleSigmas(name, euler, { steps, isXL });
    expect(found).toHaveLength(sigmas.length);
    for (const [i, sigma] of sigmas.entries()) expect(Math.abs((found[i] ?? Number.NaN) - sigma)).toBeLessThanOrEqual(sigma * 1e-5);
  });

  it("of the list of 32 end at 0.015", () => {
    const levels = scheduleSigmas("align-your-steps-32", euler, { steps: 32 });
    expect([levels[0], levels[1], levels.at(-2), levels.at(-1), levels.length]).toEqual([14.615, 11.23951352, 0.015, 0, 33]);
    expect(scheduleSigmas("align-your-steps-32", euler, { steps: 32, isXL: true })[1]).toBe(11.1491618);
  });

  it("are refused for an unknown name and for flow matching", () => {
    const flow = new FlowMatchEulerDiscreteScheduler();
    expect(() => scheduleSigmas("karras", flow, { steps: 5 })).toThrow(/no noise levels of training/);
    expect(() => scheduleSigmas("kraras" as ScheduleName, euler, { steps: 5 })).toThrow(ArgumentError);
    expect(() => scheduleSigmas("kraras" as ScheduleName, euler, { steps: 5 })).toThrow(/expected one of uniform, karras/);
  });
});

const TAKERS = [
  [EulerDiscreteScheduler, "kl-optimal"],
  [EulerAncestralDiscreteScheduler, "kl-optimal"],
  [HeunDiscreteScheduler, "kl-optimal"],
  [LMSDiscreteScheduler, "kl-optimal"],
  [DPMSolverMultistepScheduler, "kl-optimal"],
  [DPMSolverSDEScheduler, "align-your-steps"],
  [KDPM2DiscreteScheduler, "align-your-steps"],
  [KDPM2AncestralDiscreteScheduler, "align-your-steps"],
] as const;

/** The sample after a whole run with a fake model. */
function finished(scheduler: Scheduler): Tensor {
  const generator = new Generator(7);
  let sample = randn([1, 4, 2, 2], generator).mul(scheduler.initNoiseSigma);
  for (const timestep of scheduler.timesteps) {
    const input = scheduler.scaleModelInput(sample, timestep);
    const output = input.mul(0.5).add(Tensor.full([1, 4, 2, 2], 0.1));
    sample = scheduler.step(output, timestep, sample, { generator }).prevSample;
  }
  return sample;
}

describe("schedulers that take noise levels", () => {
  it.each(TAKERS)("%o run along them", (scheduler, name) => {
    const made = new scheduler(CONFIG);
    const levels = scheduleSigmas(name, made, { steps: 6 });
    made.setTimesteps({ sigmas: levels });
    for (const level of levels) expect(made.sigmas?.some((sigma) => Math.abs(sigma - level) <= 1e-6 * Math.max(level, 1e-3))).toBe(true);
    expect(finished(made).toArray().every(Number.isFinite)).toBe(true);
    expect(() => made.setTimesteps({ sigmas: levels, numInferenceSteps: 6 })).toThrow(/only one of/);
    // diffusers' Euler takes any.
    if (scheduler !== EulerDiscreteScheduler) expect(() => made.setTimesteps({ sigmas: [1, 2, 0] })).toThrow(/must descend/);
  });

  it.each(TAKERS)("%o give the run of their own levels again", (scheduler) => {
    const [own, given] = [new scheduler(CONFIG), new scheduler(CONFIG)];
    own.setTimesteps(6);
    // Each level once: second-order schedulers list theirs twice.
    const levels = [...new Set(own.sigmas)].filter((level) => isOwnLevel(own, level)).sort((a, b) => b - a);
    given.setTimesteps({ sigmas: levels });
    expect(given.sigmas).toHaveLength(own.sigmas?.length ?? 0);
    const [found, expected] = [finished(given).toArray(), finished(own).toArray()];
    for (const [i, value] of expected.entries()) expect(found[i]).toBeCloseTo(value, 3);
  });

  it("are not those without levels between their steps", () => {
    expect(new DDIMScheduler(CONFIG).takesSigmas).toBe(false);
    expect(() => new DDIMScheduler(CONFIG).setTimesteps({ sigmas: [14, 1, 0] })).toThrow("DDIMScheduler does not take custom sigmas");
    expect(Object.keys(SCHEDULES)).toHaveLength(15);
  });
});

/** KDPM2 has levels between those of its steps. */
function isOwnLevel(scheduler: Scheduler, level: number): boolean {
  const plain = new EulerDiscreteScheduler(CONFIG);
  plain.setTimesteps(6);
  return (plain.sigmas ?? []).some((each) => Math.abs(each - level) <= 1e-4 * Math.max(each, 1e-3)) || scheduler.order === 1;
}
