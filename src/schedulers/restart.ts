import * as v from "valibot";
import { f32, sumFloat32 } from "./float32/arithmetic.js";
import { sqrtTorch } from "./float32/sqrt.js";
import { karrasSigmasFloat32 } from "./shared/sigma-spacing.js";
import { type Evaluation, eulerStep, StagedScheduler, type Stages, stagedFields } from "./shared/staged-scheduler.js";

const schema = v.strictObject(stagedFields());

/** Config of a {@link RestartScheduler}, with its defaults filled in. @interface */
export type RestartConfig = v.InferOutput<typeof schema>;

/** From this number of steps on, a run restarts; from the second number on, it restarts twice. */
const [STEPS_TO_RESTART, STEPS_TO_RESTART_TWICE] = [20, 36];
/** A restart goes from about this sigma back to about the second one. */
const [RESTART_FROM, RESTART_TO] = [0.1, 2];

/**
 * Restart sampling: Heun's steps down the sigmas. Near the end, noise raises the sample to a middle sigma again, and the way from there is
 * repeated, once from 20 steps on and twice from 36 on. The sigmas are then Karras'. "Restart" of web UIs.
 * Xu et al. 2023, "Restart Sampling for Improving Generative Processes" (arXiv:2306.14878), Algorithm 1; Karras et al. 2022
 * (arXiv:2206.00364), Algorithm 1.
 * Matches AUTOMATIC1111's restart_sampler, with k-diffusion's functions, over the sigmas that diffusers' schedulers have.
 */
export class RestartScheduler extends StagedScheduler<RestartConfig> {
  static override readonly className = "RestartScheduler";
  static override readonly schema = schema;

  override readonly order = 2;

  override noteOnSteps(steps: number): string | undefined {
    if (steps >= STEPS_TO_RESTART) return undefined;
    return `${this.className} restarts from ${STEPS_TO_RESTART} steps on; with ${steps} it is Heun's method`;
  }

  protected override evaluations(sigmas: readonly number[]): readonly number[] {
    const ends = [...restartSteps(sigmas)].flatMap(([from, to]) => (to === 0 ? [from] : [from, to]));
    return [...ends, 0];
  }

  protected override *stepFrom(index: number, first: Evaluation): Stages {
    const [sigma, next] = [this.sigmaAt(index), this.sigmaAt(index + 1)];
    const there = eulerStep(first, sigma, next);
    if (next === 0) return there;
    const { sample, original, options } = yield there;
    // Heun's step: the mean of the slopes at both ends.
    const slopes = first.sample.sub(first.original).div(sigma).add(sample.sub(original).div(next));
    const down = sumFloat32([1, first.sample], [f32(next - sigma), slopes.div(2)]);
    const restart = this.sigmaAt(index + 2);
    return restart > next ? this.withNoise(down, sqrtTorch(f32(f32(restart ** 2) - f32(next ** 2))), options) : down;
  }
}

type Step = readonly [from: number, to: number];

/** All steps of a run over `given`, which end with 0. */
function* restartSteps(given: readonly number[]): Generator<Step> {
  const steps = given.length - 1;
  const times = steps >= STEPS_TO_RESTART_TWICE ? 2 : steps >= STEPS_TO_RESTART ? 1 : 0;
  if (times === 0) return yield* pairs(given);
  const perRestart = times === 2 ? Math.floor(steps / 4) : 9;
  const range = { max: given[0] as number, min: given.at(-2) as number };
  const sigmas = [...karrasSigmasFloat32(range, steps - perRestart * times), 0];
  const [low, high] = [nearest(sigmas, RESTART_FROM), nearest(sigmas, RESTART_TO)];
  for (const [i, step] of pairs(sigmas).entries()) {
    yield step;
    if (i + 1 !== low || high >= low) continue;
    const again = karrasSigmasFloat32({ max: sigmas[high] as number, min: sigmas[low] as number }, perRestart + 1);
    for (let time = 0; time < times; time++) yield* pairs(again);
  }
}

function pairs(sigmas: readonly number[]): Step[] {
  return sigmas.slice(0, -1).map((sigma, i) => [sigma, sigmas[i + 1] as number]);
}

/** The position of the sigma nearest to a value. */
function nearest(sigmas: readonly number[], value: number): number {
  const distances = sigmas.map((sigma) => Math.abs(f32(sigma - value)));
  return distances.indexOf(Math.min(...distances));
}
