import { f32 } from "../float32/arithmetic.js";
import { logTorch } from "../float32/exp-log.js";
import { sqrtTorch } from "../float32/sqrt.js";
import type { Mixture } from "./prediction.js";

/** A point of the schedule: the sample there is `alpha * picture + sigma * noise`. */
export interface NoiseLevel extends Mixture {
  /** Half the log signal-to-noise ratio, `log(alpha) - log(sigma)` (Lu et al. 2022); infinite without noise. */
  readonly lambda: number;
}

/** The levels of a step: where it ends, where it begins, and, newest first, where the steps before it began. */
export type StepLevels = readonly [to: NoiseLevel, from: NoiseLevel, ...before: NoiseLevel[]];

/**
 * The level of a sigma. Schedules of kind `vp` list `sigma / alpha`, with `alpha^2 + sigma^2 = 1`. Schedules of kind `flow` list sigma,
 * with `alpha + sigma = 1`. Rounded as torch rounds: solvers use small differences of lambdas.
 */
export function noiseLevel(raw: number, kind: "vp" | "flow"): NoiseLevel {
  const alpha = kind === "flow" ? f32(1 - raw) : f32(1 / sqrtTorch(f32(f32(raw ** 2) + 1)));
  const sigma = kind === "flow" ? raw : f32(raw * alpha);
  return { raw, alpha, sigma, lambda: f32(logTorch(alpha) - logTorch(sigma)) };
}
