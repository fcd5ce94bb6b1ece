import { ArgumentError } from "../../errors.js";
import { type Fields, real } from "../../options/fields.js";
import type { Scheduler, TimestepOptions } from "../../schedulers/shared/scheduler.js";
import { roundTiesToEven } from "../../tensor/round.js";
import { expectNumber } from "./arguments.js";
import type { Call } from "./call.js";

/** The part of the noise schedule that a call uses, as fractions of the whole. 0 is pure noise. */
export interface TimestepRangeOptions {
  /** Stop at this fraction, 0..1; another model does the rest (ensemble of experts). */
  readonly denoisingEnd?: number | undefined;
  /** Continue from this fraction, 0..1, with the latents of another model that stopped there. Replaces `strength`. */
  readonly denoisingStart?: number | undefined;
}

export const TIMESTEP_RANGE_FIELDS: Fields<TimestepRangeOptions> = { denoisingEnd: real(0, 1), denoisingStart: real(0, 1) };

/**
 * The timesteps of a run from a picture with the noise of `strength`: 0 keeps the picture, 1 replaces it. Sets where the scheduler begins.
 * Matches diffusers' get_timesteps. @throws ArgumentError if no step is left.
 */
function timestepsOfStrength(scheduler: Scheduler, numInferenceSteps: number, strength: number): readonly number[] {
  expectNumber("strength", strength, 0, 1);
  const steps = Math.min(Math.trunc(numInferenceSteps * strength), numInferenceSteps);
  if (steps < 1) {
    throw new ArgumentError((name) => `${name("strength")} ${strength} of ${numInferenceSteps} steps leaves no step to take`, {
      argument: "strength",
      hint: (name) => `raise ${name("numInferenceSteps")}, or ${name("strength")}`,
    });
  }
  return begin(scheduler, (numInferenceSteps - steps) * scheduler.order);
}

/** The timesteps from the fraction `denoisingStart` on. Sets where the scheduler begins. */
function timestepsFrom(scheduler: Scheduler, denoisingStart: number): readonly number[] {
  const cutoff = cutoffOf(scheduler, denoisingStart);
  let left = scheduler.timesteps.filter((timestep) => timestep < cutoff).length;
  // A second-order scheduler has every timestep but the first twice. With an even number left, the run would begin in the middle of a step.
  if (scheduler.order === 2 && left % 2 === 0) left++;
  return begin(scheduler, scheduler.timesteps.length - left);
}

/** The `timesteps` before the fraction `denoisingEnd`; all of them if it is undefined. */
export function timestepsUntil(scheduler: Scheduler, timesteps: readonly number[], denoisingEnd: number | undefined): readonly number[] {
  if (!isInside(denoisingEnd)) return timesteps;
  const cutoff = cutoffOf(scheduler, denoisingEnd);
  return timesteps.slice(0, timesteps.filter((timestep) => timestep >= cutoff).length);
}

/**
 * Plans the timesteps of a call that starts from a picture: by `strength`, or from `denoisingStart` on. Sets where the scheduler begins.
 * {@link timestepsUntil} leaves out those after `denoisingEnd`.
 */
export function planRange(
  { request, scheduler, steps, timestepOptions }: Call<Pick<TimestepRangeOptions, "denoisingStart">>,
  strength: number,
): readonly number[] {
  const { denoisingStart } = request;
  scheduler.setTimesteps(timestepOptions);
  if (isInside(denoisingStart)) return timestepsFrom(scheduler, denoisingStart);
  const isCustom = timestepOptions.timesteps !== undefined || timestepOptions.sigmas !== undefined;
  const all = isCustom ? Math.ceil(scheduler.timesteps.length / scheduler.order) : steps;
  return timestepsOfStrength(scheduler, all, strength);
}

/** The timesteps that a request asks for: its own, or `defaultSteps` steps if it names no number. */
export function requestedTimesteps(
  { numInferenceSteps, timesteps, sigmas }: TimestepOptions,
  defaultSteps: number,
): Pick<Call<unknown>, "steps" | "timestepOptions"> {
  const steps = numInferenceSteps ?? defaultSteps;
  return {
    steps: timesteps?.length ?? sigmas?.length ?? steps,
    timestepOptions: timesteps || sigmas ? { timesteps, sigmas } : { numInferenceSteps: steps },
  };
}

/**
 * How many of `all` inference steps the loop over `timesteps` takes. Schedulers of order 2 have two timesteps for every step but the last,
 * and PNDM has one timestep more in all. Undefined for an adaptive scheduler.
 */
export function stepsWalked(scheduler: Scheduler, timesteps: readonly number[], all: number): number | undefined {
  if (scheduler.isAdaptive) return undefined;
  const { timesteps: every, order } = scheduler;
  const further = Math.max(0, every.length - (order * (all - 1) + 1));
  return Math.max(1, Math.min(all, Math.ceil((timesteps.length - further) / order)));
}

/** The inference steps of a denoising loop, which may have several turns each. */
export interface LoopSteps {
  /** The number of steps; undefined for an adaptive scheduler. */
  readonly count: number | undefined;
  /** Turns of each step. */
  readonly order: number;
}

/** The step, from 1, of turn `index` of the loop. The last step may have one turn more (PNDM). */
export function stepAtTurn(index: number, { count, order }: LoopSteps): number {
  return Math.min(Math.floor(index / order) + 1, count ?? 1);
}

/** Options that are shares of a run's steps, and the values that mean the whole run. */
const SHARES = {
  adapterConditioningFactor: 1,
  controlGuidanceStart: 0,
  controlGuidanceEnd: 1,
  denoisingStart: 0,
  denoisingEnd: 1,
} as const;

/** @throws ArgumentError for an option that is a share of a run's steps: an adaptive scheduler does not know their number. */
export function refuseShares({ className }: Scheduler, request: object): void {
  for (const [argument, whole] of Object.entries(SHARES)) {
    const given = (request as Readonly<Record<string, unknown>>)[argument];
    if (given === undefined || [given].flat().every((value) => value === whole)) continue;
    throw new ArgumentError(
      (name) => `${name(argument)} is ${String(given)}, but ${className} does not know its number of steps beforehand`,
      {
        argument,
        hint: (name) => `leave ${name(argument)} out, or choose another ${name("scheduler")}`,
      },
    );
  }
}

/** @throws ArgumentError unless both fractions lie within 0..1, the start before the end. */
export function expectRange({ denoisingStart, denoisingEnd }: TimestepRangeOptions): void {
  if (denoisingStart !== undefined) expectNumber("denoisingStart", denoisingStart, 0, 1);
  if (denoisingEnd !== undefined) expectNumber("denoisingEnd", denoisingEnd, 0, 1);
  if (
    denoisingStart !== undefined &&
    denoisingEnd !== undefined &&
    isInside(denoisingStart) &&
    isInside(denoisingEnd) &&
    denoisingStart >= denoisingEnd
  ) {
    throw new ArgumentError(`denoisingStart is ${denoisingStart} and denoisingEnd ${denoisingEnd}; expected the start before the end`, {
      argument: "denoisingStart",
    });
  }
}

/** Whether a fraction divides the schedule: 0 and 1 do not. */
export function isInside(fraction: number | undefined): fraction is number {
  return fraction !== undefined && fraction > 0 && fraction < 1;
}

function cutoffOf({ config }: Scheduler, fraction: number): number {
  const { numTrainTimesteps = 1000 } = config as { numTrainTimesteps?: number };
  return roundTiesToEven(numTrainTimesteps - fraction * numTrainTimesteps);
}

function begin(scheduler: Scheduler, index: number): readonly number[] {
  scheduler.setBeginIndex?.(index);
  // The list itself: an adaptive scheduler's grows.
  return index === 0 ? scheduler.timesteps : scheduler.timesteps.slice(index);
}
