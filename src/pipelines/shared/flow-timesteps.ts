import { ArgumentError } from "../../errors.js";
import { f32 } from "../../schedulers/float32/arithmetic.js";
import type { Scheduler } from "../../schedulers/shared/scheduler.js";
import { linspace } from "../../schedulers/shared/timestep-spacing.js";
import { expectNumber } from "./arguments.js";

/** Noise levels of `steps` steps from 1 down to 1 / steps: what diffusers' pipelines of flow matching ask their scheduler for. */
export function evenSigmas(steps: number): number[] {
  return linspace(1, 1 / steps, steps).map(f32);
}

/** The time of a timestep: 0 for a picture, 1 for noise. */
export function flowTime(timestep: number): number {
  return f32(timestep / 1000);
}

/** The fields of a scheduler's config that say how the shift of noise levels grows with the picture. */
export interface ShiftConfig {
  readonly baseImageSeqLen?: number;
  readonly maxImageSeqLen?: number;
  readonly baseShift?: number | null;
  readonly maxShift?: number | null;
}

/**
 * The shift `mu` for a picture of so many tokens: a straight line through two points of the scheduler's config. Matches diffusers'
 * calculate_shift.
 */
export function linearMu(tokens: number, { baseImageSeqLen, maxImageSeqLen, baseShift, maxShift }: ShiftConfig): number {
  const [low, high] = [baseImageSeqLen ?? 256, maxImageSeqLen ?? 4096];
  const [first, last] = [baseShift ?? 0.5, maxShift ?? 1.15];
  const slope = (last - first) / (high - low);
  return tokens * slope + (first - slope * low);
}

/**
 * The timesteps of a flow from a picture with the noise of `strength`: 0 keeps the picture, 1 replaces it. Sets where the scheduler begins.
 * Unlike Stable Diffusion's, the number of steps is rounded up. Matches get_timesteps of diffusers' pipelines of flow matching.
 * @throws ArgumentError if no step is left
 */
export function flowTimestepsOfStrength(scheduler: Scheduler, numInferenceSteps: number, strength: number): readonly number[] {
  expectNumber("strength", strength, 0, 1);
  const skipped = Math.trunc(Math.max(numInferenceSteps - Math.min(numInferenceSteps * strength, numInferenceSteps), 0));
  if (numInferenceSteps - skipped < 1) {
    throw new ArgumentError((name) => `${name("strength")} ${strength} of ${numInferenceSteps} steps leaves no step to take`, {
      argument: "strength",
      hint: (name) => `raise ${name("numInferenceSteps")}, or ${name("strength")}`,
    });
  }
  const index = skipped * scheduler.order;
  scheduler.setBeginIndex?.(index);
  // The list itself: an adaptive scheduler's grows.
  return index === 0 ? scheduler.timesteps : scheduler.timesteps.slice(index);
}
