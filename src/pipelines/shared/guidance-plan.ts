import { ArgumentError } from "../../errors.js";
import type { Scheduler } from "../../schedulers/shared/scheduler.js";
import { type LoopSteps, stepAtTurn } from "./timesteps.js";

/** The guidance at one turn of the denoising loop. */
export interface TurnGuidance {
  readonly scale: number;
  /** Whether there is a prediction for the negative prompt as well. */
  readonly isGuided: boolean;
}

/** The guidance of a call: one scale, or one for each step. A program may change it between two steps. */
export class GuidancePlan {
  /** The largest scale of the request. */
  readonly largest: number;
  /** Whether any step of the request is guided: then negative prompts are encoded. */
  readonly isEverGuided: boolean;
  private steps: LoopSteps | undefined;
  private replaced: number | undefined;

  constructor(
    private readonly scale: number | readonly number[],
    private readonly isGuidedBy: (scale: number) => boolean,
  ) {
    const scales = [scale].flat();
    this.largest = Math.max(...scales);
    this.isEverGuided = scales.some(isGuidedBy);
  }

  /** Fits the plan to the steps that the loop takes. @throws ArgumentError unless a list of scales has one for each. */
  fit(steps: LoopSteps, { className }: Scheduler): void {
    this.steps = steps;
    const { scale } = this;
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
        hint: "steps that strength, denoisingStart or denoisingEnd leave out do not count",
      },
    );
  }

  /** The guidance at turn `index` of the loop. */
  at(index: number): TurnGuidance {
    const scale = this.replaced ?? this.planned(index);
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
