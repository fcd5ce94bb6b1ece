// The steps of DPM-Solver of order 1 to 3 (Lu et al. 2022, arXiv:2206.00927, Algorithms 1 and 2), as k-diffusion computes them.
import type { Tensor } from "../../tensor/tensor.js";
import { f32, sumFloat32 } from "../float32/arithmetic.js";
import { sigmaOf } from "./staged-scheduler.js";

/** A step of the solver in time, minus log sigma. */
export interface Interval {
  readonly from: number;
  readonly to: number;
}

/** The time that lies a fraction of the way into a step. */
export function timeWithin({ from, to }: Interval, fraction: number): number {
  return f32(from + f32(f32(fraction) * f32(to - from)));
}

/** Order 1. `noise` is the prediction at the start. */
export function firstOrder(sample: Tensor, noise: Tensor, { from, to }: Interval): Tensor {
  return sumFloat32([1, sample], [-f32(sigmaOf(to) * expm1(f32(to - from))), noise]);
}

/** The sample a fraction of the way into a step, by order 1. */
export function sampleWithin(sample: Tensor, noise: Tensor, interval: Interval, fraction: number): Tensor {
  const growth = expm1(f32(f32(fraction) * f32(interval.to - interval.from)));
  return sumFloat32([1, sample], [-f32(sigmaOf(timeWithin(interval, fraction)) * growth), noise]);
}

/** Order 2. `later` is the prediction a fraction of the way into the step. */
export function secondOrder(sample: Tensor, noise: Tensor, later: Tensor, interval: Interval, fraction: number): Tensor {
  const [sigma, growth] = [sigmaOf(interval.to), expm1(f32(interval.to - interval.from))];
  const change = f32(f32(sigma / f32(2 * fraction)) * growth);
  return sumFloat32([1, sample], [-f32(sigma * growth), noise], [-change, later.sub(noise)]);
}

/** The sample two thirds into a step of order 3. `later` is the prediction one third into it. */
export function sampleAtTwoThirds(sample: Tensor, noise: Tensor, later: Tensor, interval: Interval): Tensor {
  const sigma = sigmaOf(timeWithin(interval, 2 / 3));
  const span = f32(f32(2 / 3) * f32(interval.to - interval.from));
  const growth = expm1(span);
  const change = f32(f32(sigma * 2) * f32(f32(growth / span) - 1));
  return sumFloat32([1, sample], [-f32(sigma * growth), noise], [-change, later.sub(noise)]);
}

/** Order 3. `latest` is the prediction two thirds into the step. */
export function thirdOrder(sample: Tensor, noise: Tensor, latest: Tensor, { from, to }: Interval): Tensor {
  const [sigma, span] = [sigmaOf(to), f32(to - from)];
  const growth = expm1(span);
  const change = f32(f32(sigma / f32(2 / 3)) * f32(f32(growth / span) - 1));
  return sumFloat32([1, sample], [-f32(sigma * growth), noise], [-change, latest.sub(noise)]);
}

function expm1(x: number): number {
  return f32(Math.expm1(x));
}
