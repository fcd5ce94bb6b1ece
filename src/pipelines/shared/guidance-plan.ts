import { ArgumentError } from "../../errors.js";
import type { Scheduler } from "../../schedulers/shared/scheduler.js";
import { expectInterval, expectSchedulerForInterval, type GuidanceInterval, isInsideInterval } from "./guidance-interval.js";
import { type LoopSteps, stepAtTurn } from "./timesteps.js";

/** The guidance at one turn of the denoising loop. */
export interface TurnGuidance {
  readonly scale: number;
  /** Whether there is a prediction for the negative prompt as well. */
  readonly isGuided: boolean;
}

/** Which steps of a call are not guided, whatever its scale is. */
export interface GuidanceLimits {
  /** The part of the run in which there is guidance. */
  readonly interval?: GuidanceInterval | undefined;
  /** Whether there is guidance at a timestep. */
  readonly includes?: ((timestep: number) => boolean) | undefined;
  /** The scale of steps without guidance; 1 by default. */
  readonly unguided?: number | undefined;
}

/** The guidance of a call: one scale, or one for each step. A program may change it between two steps. */
export class GuidancePlan {
  /** The largest scale of the request. */
  readonly largest: number;
  /** Whether any step of the request is guided: then negative prompts are encoded. */
  readonly isEverGuided: boolean;
  private steps: LoopSteps | undefined;
  private isInside: (index: number) => boolean = () => true;
  private replaced: number | undefined;

  constructor(
    private readonly scale: number | readonly number[],
    private readonly isGuidedBy: (scale: number) => boolean,
    private readonly limits: GuidanceLimits = {},
  ) {
    if (limits.interval) expectInterval(limits.interval);
    const scales = [scale].flat();
    this.largest = Math.max(...scales);
    this.isEverGuided = scales.some(isGuidedBy);
  }

  /**
   * Fits the plan to the steps of the loop over `timesteps`. @throws ArgumentError unless a list of scales has one for each step, and the
   * scheduler can honour the interval.
   */
  fit(steps: LoopSteps, timesteps: readonly number[], scheduler: Scheduler): void {
    this.steps = steps;
    const { scale } = this;
    const { interval, includes = () => true } = this.limits;
    const { className } = scheduler;
    if (interval) expectSchedulerForInterval(interval, scheduler);
    this.isInside = (index) =>
      includes(timesteps[index] ?? 0) && (!interval || isInsideInterval(interval, index, { steps, scheduler, timesteps }));
    if (typeof scale === "number" || scale.length === steps.count) return;
    if (steps.count === undefined) {
      throw new ArgumentError(
        (name) => `${name("guidanceScale")} is a list, but ${className} does not know its number of steps beforehand`,
        { argument: "guidanceScale", hint: (name) => `give one number, or choose another ${name("scheduler")}` },
      );
    }
    throw new ArgumentError(
      (name) =>
        `${name("guidanceScale")} is a list of ${scale.length} for a run of ${steps.count} steps; expected one number for each step`,
      {
        argument: "guidanceScale",
        hint: "a run that starts from a picture, or that a refiner continues, takes fewer steps than it is asked for: only those count",
      },
    );
  }

  /** The guidance at turn `index` of the loop. */
  at(index: number): TurnGuidance {
    const scale = this.isInside(index) ? (this.replaced ?? this.planned(index)) : (this.limits.unguided ?? 1);
    return { scale, isGuided: this.isGuidedBy(scale) };
  }

  /** Sets the scale of all later turns. */
  replace(scale: number): void {
    this.replaced = scale;
  }

  private planned(index: number): number {
    const { scale, steps } = this;
    if (typeof scale === "number") return scale;
    return scale[steps ? stepAtTurn(index, steps) - 1 : 0] as number;
  }
}
