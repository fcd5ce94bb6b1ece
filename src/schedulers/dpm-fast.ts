import * as v from "valibot";
import { f32, linspaceFloat32 } from "./float32/arithmetic.js";
import { sqrtTorch } from "./float32/sqrt.js";
import { share } from "./shared/config-fields.js";
import {
  firstOrder,
  type Interval,
  sampleAtTwoThirds,
  sampleWithin,
  secondOrder,
  thirdOrder,
  timeWithin,
} from "./shared/dpm-solver-stages.js";
import { type Evaluation, noiseOf, StagedScheduler, type Stages, sigmaOf, stagedFields, timeOf } from "./shared/staged-scheduler.js";
import { ancestralSigmas } from "./shared/variance-exploding.js";

const schema = v.strictObject({
  ...stagedFields(),
  /** The share of fresh noise in each step, 0 (none, the default) to 1. AUTOMATIC1111's web UI has 1. */
  eta: share(0),
});

/** Config of a {@link DPMFastScheduler}, with its defaults filled in. @interface */
export type DPMFastConfig = v.InferOutput<typeof schema>;

/** A step: its place in the run, its number of evaluations, and where it ends before noise is added. */
interface FastStep extends Interval {
  readonly order: number;
  readonly down: number;
}

/**
 * DPM-Solver-fast: as many evaluations of the model as there are steps, spent on steps of order 3 that are evenly spaced in log sigma, and
 * on one or two of lower order at the end. The run ends at the smallest sigma, not at 0. "DPM fast" of web UIs.
 * Lu et al. 2022, "DPM-Solver" (arXiv:2206.00927), section 3.4 and Algorithms 1 and 2.
 * Matches k-diffusion's sample_dpm_fast over the range of sigmas that diffusers' schedulers have.
 */
export class DPMFastScheduler extends StagedScheduler<DPMFastConfig> {
  static override readonly className = "DPMFastScheduler";
  static override readonly schema = schema;

  declare private steps: ReadonlyMap<number, FastStep>; // by the position of its first evaluation

  /** Begins at the noise level of step `beginIndex`, and spends the evaluations that are left as a whole run does. */
  override setBeginIndex(beginIndex: number): void {
    super.setBeginIndex(beginIndex);
    const sigmas = this.planned(this.given);
    if (beginIndex > 0 && beginIndex < sigmas.length - 1) {
      this.take([...sigmas.slice(0, beginIndex), ...this.evaluations(sigmas.slice(beginIndex), beginIndex)]);
    }
    this.beginAt(beginIndex);
  }

  declare private given: readonly number[];

  protected override evaluations(sigmas: readonly number[], first = 0): readonly number[] {
    if (first === 0) this.given = sigmas;
    const [start, end] = [timeOf(sigmas[0] as number), timeOf(sigmas.at(-2) as number)];
    const count = sigmas.length - 1;
    const whole = Math.floor(count / 3) + 1;
    const orders = count % 3 === 0 ? [...Array(whole - 2).fill(3), 2, 1] : [...Array(whole - 1).fill(3), count % 3];
    const times = linspaceFloat32(start, end, whole + 1);
    const steps = new Map<number, FastStep>();
    const points: number[] = [];
    for (const [i, order] of orders.entries()) {
      const step = this.stepBetween(times[i] as number, times[i + 1] as number, end, order);
      steps.set(first + points.length, step);
      points.push(...fractionsOf(order).map((fraction) => sigmaOf(timeWithin({ from: step.from, to: step.down }, fraction))));
    }
    this.steps = steps;
    return [...points, sigmaOf(times.at(-1) as number)];
  }

  private stepBetween(from: number, to: number, end: number, order: number): FastStep {
    const { down } = ancestralSigmas(sigmaOf(from), sigmaOf(to), this.config);
    return { from, to, order, down: this.config.eta === 0 ? to : Math.min(end, timeOf(down)) };
  }

  protected override *stepFrom(index: number, first: Evaluation): Stages {
    const { from, to, order, down } = this.planned(this.steps.get(index));
    const interval = { from, to: down };
    const { sample } = first;
    const noise = noiseOf(first, sigmaOf(from));
    const predicted = (evaluation: Evaluation, fraction: number) => noiseOf(evaluation, sigmaOf(timeWithin(interval, fraction)));
    let next = firstOrder(sample, noise, interval);
    if (order === 2) {
      next = secondOrder(sample, noise, predicted(yield sampleWithin(sample, noise, interval, 1 / 2), 1 / 2), interval, 1 / 2);
    }
    if (order === 3) {
      const later = predicted(yield sampleWithin(sample, noise, interval, 1 / 3), 1 / 3);
      next = thirdOrder(sample, noise, predicted(yield sampleAtTwoThirds(sample, noise, later, interval), 2 / 3), interval);
    }
    const up = down === to ? 0 : sqrtTorch(f32(f32(sigmaOf(to) ** 2) - f32(sigmaOf(down) ** 2)));
    return this.withNoise(next, up, first.options);
  }
}

/** Where in a step of this order the model is evaluated. */
function fractionsOf(order: number): readonly number[] {
  return order === 3 ? [0, 1 / 3, 2 / 3] : order === 2 ? [0, 1 / 2] : [0];
}
