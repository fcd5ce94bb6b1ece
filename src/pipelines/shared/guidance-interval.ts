import { ArgumentError } from "../../errors.js";
import { type Fields, real } from "../../options/fields.js";
import type { Scheduler } from "../../schedulers/shared/scheduler.js";
import { sigmaAt } from "../../schedulers/shared/sigma-at.js";
import { type LoopSteps, stepAtTurn } from "./timesteps.js";

/**
 * The part of a run in which there is guidance (Kynkäänniemi et al. 2024, arXiv:2404.07724), as shares of its steps or as noise levels. The
 * other steps have no guidance, and do not compute the negative prompt.
 */
export interface GuidanceInterval {
  /** The share of the steps, 0..1, at which guidance begins; 0 by default. diffusers' guiders call it `start`. */
  readonly start?: number | undefined;
  /** The share of the steps, 0..1, at which it ends; 1 by default. diffusers' guiders call it `stop`. */
  readonly stop?: number | undefined;
  /** Instead of shares: steps that begin at this noise level or below are not guided; 0 by default. The paper has 0.28 for XL. */
  readonly sigmaLow?: number | undefined;
  /** Instead of shares: steps that begin above this noise level are not guided; no limit by default. The paper has 5.42 for XL. */
  readonly sigmaHigh?: number | undefined;
}

export const GUIDANCE_INTERVAL_FIELDS: Fields<GuidanceInterval> = {
  start: real(0, 1),
  stop: real(0, 1),
  sigmaLow: real(0),
  sigmaHigh: real(0),
};

/** @throws ArgumentError unless the interval is one of shares or one of noise levels, and its start is before its end. */
export function expectInterval({ start, stop, sigmaLow, sigmaHigh }: GuidanceInterval): void {
  const isOfSigmas = sigmaLow !== undefined || sigmaHigh !== undefined;
  if (isOfSigmas && (start !== undefined || stop !== undefined)) {
    throw wrongInterval("has both shares of the steps and noise levels; expected one of them");
  }
  const [low, high] = isOfSigmas ? [sigmaLow ?? 0, sigmaHigh ?? Number.POSITIVE_INFINITY] : [start ?? 0, stop ?? 1];
  const [first, last] = isOfSigmas ? ["sigmaLow", "sigmaHigh"] : ["start", "stop"];
  if (low >= high) throw wrongInterval(`has ${first} ${low} and ${last} ${high}; expected ${first} below ${last}`);
}

/** @throws ArgumentError if the scheduler cannot honour the interval. */
export function expectSchedulerForInterval(interval: GuidanceInterval, { className, needsUnconditional, isAdaptive }: Scheduler): void {
  if (needsUnconditional) throw wrongInterval(`was given, but ${className} needs the negative prompt at every step`);
  const isOfShares = interval.sigmaLow === undefined && interval.sigmaHigh === undefined;
  if (isAdaptive && isOfShares) {
    throw wrongInterval(`has shares of the steps, but ${className} does not know their number beforehand; give sigmaLow and sigmaHigh`);
  }
}

/** Whether there is guidance at turn `index` of the loop over `timesteps`. @throws ArgumentError if the scheduler has no noise levels. */
export function isInsideInterval(
  { start = 0, stop = 1, sigmaLow, sigmaHigh }: GuidanceInterval,
  index: number,
  { steps, scheduler, timesteps }: { readonly steps: LoopSteps; readonly scheduler: Scheduler; readonly timesteps: readonly number[] },
): boolean {
  if (sigmaLow === undefined && sigmaHigh === undefined) {
    // As in diffusers' guiders.
    const [step, count] = [stepAtTurn(index, steps) - 1, steps.count ?? 0];
    return Math.trunc(start * count) <= step && step < Math.trunc(stop * count);
  }
  const sigma = sigmaAt(scheduler, timesteps[index] ?? 0);
  if (sigma === undefined) throw wrongInterval(`has noise levels, but ${scheduler.className} has none; give start and stop`);
  return (sigmaLow ?? 0) < sigma && sigma <= (sigmaHigh ?? Number.POSITIVE_INFINITY);
}

function wrongInterval(problem: string): ArgumentError {
  return new ArgumentError((name) => `${name("guidanceInterval")} ${problem}`, { argument: "guidanceInterval" });
}
