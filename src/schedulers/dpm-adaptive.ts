import * as v from "valibot";
import { ArgumentError } from "../errors.js";
import type { Tensor } from "../tensor/tensor.js";
import { f32 } from "./float32/arithmetic.js";
import { sqrtTorch } from "./float32/sqrt.js";
import { real, share } from "./shared/config-fields.js";
import {
  firstOrder,
  type Interval,
  sampleAtTwoThirds,
  sampleWithin,
  secondOrder,
  thirdOrder,
  timeWithin,
} from "./shared/dpm-solver-stages.js";
import { sigmaRange } from "./shared/sigma-spacing.js";
import { type Evaluation, noiseOf, StagedScheduler, type Stages, sigmaOf, stagedFields, timeOf } from "./shared/staged-scheduler.js";
import { StepSizeController } from "./shared/step-size-controller.js";
import { ancestralSigmas } from "./shared/variance-exploding.js";

const schema = v.strictObject({
  ...stagedFields(),
  /** The order of the solver, 2 or 3 (default): evaluations of the model for each step that is tried. */
  solverOrder: v.optional(v.picklist([2, 3]), 3),
  /** The error allowed in a step, relative to the sample; 0.05 by default. */
  rtol: real(0.05),
  /** The error allowed in a step, absolute; 0.0078 by default. */
  atol: real(0.0078),
  /** The first step's size in log sigma; 0.05 by default. */
  hInit: real(0.05),
  /** Proportional coefficient of the step size controller; 0 by default. */
  pcoeff: real(0),
  /** Integral coefficient of the step size controller; 1 by default. */
  icoeff: real(1),
  /** Derivative coefficient of the step size controller; 0 by default. */
  dcoeff: real(0),
  /** A step is accepted if the next may be at least this many times as large; 0.81 by default. */
  acceptSafety: real(0.81),
  /** The share of fresh noise in each step, 0 (none, the default) to 1. AUTOMATIC1111's web UI has 1. */
  eta: share(0),
});

/** Config of a {@link DPMAdaptiveScheduler}, with its defaults filled in. @interface */
export type DPMAdaptiveConfig = v.InferOutput<typeof schema>;

/** Steps that are tried before the scheduler gives up: at the default tolerances there are some dozens. */
const MOST_STEPS = 2000;

/**
 * DPM-Solver-12 and -23 with adaptive step sizes: it chooses its steps so that their errors stay within `rtol` and `atol`. The number of
 * steps asked for does not matter: the run covers all sigmas that the model was trained with, or those from `sigmaMax` to `sigmaMin` of the
 * config. `timesteps` begins with one timestep and grows with every step: a loop
 * over it ends when the run does. The run starts at the noisiest sigma, so pictures to start from are refused. "DPM adaptive" of web UIs.
 * Lu et al. 2022, "DPM-Solver" (arXiv:2206.00927), Appendix C.
 * Matches k-diffusion's sample_dpm_adaptive over the range of sigmas that diffusers' schedulers have.
 */
export class DPMAdaptiveScheduler extends StagedScheduler<DPMAdaptiveConfig> {
  static override readonly className = "DPMAdaptiveScheduler";
  static override readonly schema = schema;

  override readonly isAdaptive = true;

  override noteOnSteps(): string {
    return `${this.className} chooses its steps by its tolerances, whatever number is asked for: usually there are about 100 evaluations`;
  }

  declare private end: number; // the time at the end of the run
  declare private time: number; // the time that the run has reached
  declare private growing: { readonly timesteps: number[]; readonly sigmas: number[] };
  declare private controller: StepSizeController;
  declare private previous: Tensor | undefined; // the low-order result of the last step
  declare private tried: number;

  /** @throws ArgumentError unless the run starts at its beginning. */
  override setBeginIndex(beginIndex: number): void {
    super.setBeginIndex(beginIndex);
    if (beginIndex === 0) return;
    throw new ArgumentError(`${this.className} chooses its steps itself and can only start at the noisiest one`, {
      argument: "scheduler",
      hint: "to start from a picture or in the middle of a run, choose another scheduler, such as DPMSolverMultistepScheduler",
    });
  }

  /** The ends of the training sigmas, whatever the steps and their spacing are; as AUTOMATIC1111's web UI has it. */
  protected override spaced(): readonly number[] {
    const [min, max] = [this.trainingSigmas[0] as number, this.trainingSigmas.at(-1) as number];
    const range = sigmaRange(this.config, { min, max });
    return [range.max, range.min];
  }

  protected override evaluations(sigmas: readonly number[]): readonly number[] {
    const { hInit, solverOrder, eta, acceptSafety, ...coefficients } = this.config;
    this.time = timeOf(sigmas[0] as number);
    this.end = timeOf(sigmas.at(-2) as number);
    this.controller = new StepSizeController({ ...coefficients, size: hInit, order: eta > 0 ? 1.5 : solverOrder, acceptSafety });
    this.previous = undefined;
    this.tried = 0;
    return [sigmaOf(this.time), sigmaOf(this.end)];
  }

  protected override take(sigmas: readonly number[]): void {
    super.take(sigmas);
    this.growing = { timesteps: [...this.timesteps], sigmas: [...sigmas] };
    this.start(this.growing.timesteps, this.growing.sigmas);
  }

  protected override *stepFrom(_index: number, first: Evaluation): Stages {
    const { eta } = this.config;
    const { sample, options } = first;
    const from = this.time;
    const noise = noiseOf(first, sigmaOf(from));
    // A step that is refused is tried again in a smaller size, from the same evaluation.
    for (;;) {
      const to = Math.min(this.end, f32(from + this.controller.size));
      this.expectProgress(from, to);
      const { down } = ancestralSigmas(sigmaOf(from), sigmaOf(to), { eta });
      const interval = { from, to: eta === 0 ? to : Math.min(this.end, timeOf(down)) };
      const { low, high } = yield* this.solve(sample, noise, interval);
      const error = this.errorOf(low, high, this.previous ?? sample);
      // Without a number for the error the sample is beyond repair, and smaller steps do not help.
      if (!this.controller.accepts(error) && !Number.isNaN(error)) continue;
      this.previous = low;
      this.time = Number.isNaN(error) ? this.end : to;
      if (this.time < this.end - 1e-5) this.append(this.time);
      const up = interval.to === to ? 0 : sqrtTorch(f32(f32(sigmaOf(to) ** 2) - f32(sigmaOf(interval.to) ** 2)));
      return this.withNoise(high, up, options);
    }
  }

  /** The samples at the end of a step by the solver's order, and by one less. */
  private *solve(sample: Tensor, noise: Tensor, interval: Interval): Generator<Tensor, { low: Tensor; high: Tensor }, Evaluation> {
    if (this.config.solverOrder === 2) {
      const later = yield* this.predict(sampleWithin(sample, noise, interval, 1 / 2), interval, 1 / 2);
      return { low: firstOrder(sample, noise, interval), high: secondOrder(sample, noise, later, interval, 1 / 2) };
    }
    const later = yield* this.predict(sampleWithin(sample, noise, interval, 1 / 3), interval, 1 / 3);
    const latest = yield* this.predict(sampleAtTwoThirds(sample, noise, later, interval), interval, 2 / 3);
    return { low: secondOrder(sample, noise, later, interval, 1 / 3), high: thirdOrder(sample, noise, latest, interval) };
  }

  /** The noise predicted in a sample that lies a fraction of the way into a step. */
  private *predict(sample: Tensor, interval: Interval, fraction: number): Generator<Tensor, Tensor, Evaluation> {
    const time = timeWithin(interval, fraction);
    this.append(time);
    return noiseOf(yield sample, sigmaOf(time));
  }

  /** Adds an evaluation to the run. */
  private append(time: number): void {
    const sigma = sigmaOf(time);
    this.growing.timesteps.push(this.timestepOf(sigma));
    this.growing.sigmas.splice(-1, 0, sigma);
  }

  /** The difference of two results, in units of the error allowed, as the root of its mean square. */
  private errorOf(low: Tensor, high: Tensor, previous: Tensor): number {
    const [rtol, atol] = [f32(this.config.rtol), f32(this.config.atol)];
    let sum = 0;
    for (let i = 0; i < low.size; i++) {
      const [a, b, before] = [low.data[i], high.data[i], previous.data[i]] as [number, number, number];
      const allowed = Math.max(atol, f32(rtol * Math.max(Math.abs(a), Math.abs(before))));
      sum += f32(f32(a - b) / allowed) ** 2;
    }
    return f32(f32(Math.sqrt(sum)) / Math.sqrt(low.size));
  }

  private expectProgress(from: number, to: number): void {
    if (to > from && ++this.tried <= MOST_STEPS) return;
    throw new ArgumentError(`${this.className} does not reach the end: its steps have become too small`, {
      argument: "scheduler",
      hint: "raise rtol and atol in its config, or choose another scheduler",
    });
  }
}
