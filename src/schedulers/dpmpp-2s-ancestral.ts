import * as v from "valibot";
import type { Tensor } from "../tensor/tensor.js";
import { f32, sumFloat32 } from "./float32/arithmetic.js";
import { share } from "./shared/config-fields.js";
import { type Evaluation, eulerStep, StagedScheduler, type Stages, sigmaOf, stagedFields, timeOf } from "./shared/staged-scheduler.js";
import { ancestralSigmas } from "./shared/variance-exploding.js";

const schema = v.strictObject({
  ...stagedFields(),
  /** The share of fresh noise in each step, 0 (none) to 1, the default. */
  eta: share(1),
});

/** Config of a {@link DPMPP2SAncestralScheduler}, with its defaults filled in. @interface */
export type DPMPP2SAncestralConfig = v.InferOutput<typeof schema>;

/**
 * Ancestral sampling with steps of DPM-Solver++(2S): each step goes below the next sigma, by way of the midpoint in log sigma, and adds
 * noise back up to it. "DPM++ 2S a" of web UIs.
 * Lu et al. 2022, "DPM-Solver++" (arXiv:2211.01095), Algorithm 1; the split into down and up is Karras et al. 2022's (arXiv:2206.00364).
 * Matches k-diffusion's sample_dpmpp_2s_ancestral over the sigmas that diffusers' schedulers have.
 */
export class DPMPP2SAncestralScheduler extends StagedScheduler<DPMPP2SAncestralConfig> {
  static override readonly className = "DPMPP2SAncestralScheduler";
  static override readonly schema = schema;

  override readonly order = 2;

  protected override evaluations(sigmas: readonly number[]): readonly number[] {
    // The last step goes directly to zero noise, without a midpoint.
    return sigmas.flatMap((sigma, i) => {
      const next = sigmas[i + 1] ?? 0;
      return next === 0 ? [sigma] : [sigma, middleOf(sigma, ancestralSigmas(sigma, next, this.config).down)];
    });
  }

  protected override *stepFrom(index: number, first: Evaluation): Stages {
    const [sigma, next] = [this.sigmaAt(index), this.sigmas[index + 2]];
    if (next === undefined) return eulerStep(first, sigma, 0);
    const { up, down } = ancestralSigmas(sigma, next, this.config);
    const middle = yield exponentialStep(first.sample, first.original, sigma, this.sigmaAt(index + 1));
    const below = exponentialStep(first.sample, middle.original, sigma, down);
    return this.withNoise(below, up, middle.options);
  }
}

/** The sigma halfway in log sigma. */
function middleOf(from: number, to: number): number {
  const [time, next] = [timeOf(from), timeOf(to)];
  return sigmaOf(f32(time + f32(0.5 * f32(next - time))));
}

/** The exact solution from one sigma to another if the predicted picture is constant (equation 8 of the paper). */
function exponentialStep(sample: Tensor, original: Tensor, from: number, to: number): Tensor {
  const [time, next] = [timeOf(from), timeOf(to)];
  return sumFloat32([f32(sigmaOf(next) / sigmaOf(time)), sample], [-f32(Math.expm1(f32(time - next))), original]);
}
