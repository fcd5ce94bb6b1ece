import type { UNet2DConditionInputs, UNet2DConditionModel } from "../../models/unet-2d-condition.js";
import { type Fields, needed, whole } from "../../options/fields.js";
import type { Scheduler } from "../../schedulers/shared/scheduler.js";
import type { Tensor } from "../../tensor/tensor.js";
import { expectInteger, expectNumber } from "./arguments.js";

/**
 * Step caching: what lies deep in the UNet changes little from one step to the next, so that most steps need to compute its shallow part only. Quicker, and
 * not quite the same picture. Matches the Python package DeepCache 0.1.1 (Ma et al. 2023).
 */
export interface StepCacheOptions {
  /** Every so many steps the whole UNet runs; 1 is off. A scheduler of order 2 takes two for each inference step. */
  readonly interval: number;
  /** Where the UNet is cut: 0, the default, leaves the least to the steps between; 1 and 2 are a layer deeper each, 3 a level, 6 two levels. */
  readonly branch?: number | undefined;
}

export const STEP_CACHE_FIELDS: Fields<StepCacheOptions> = {
  interval: needed(whole(1), "such as cache: { interval: 3 }"),
  branch: whole(0),
};

/** @throws ArgumentError unless the interval is whole and at least 1, and the UNet has such a branch. */
export function expectStepCache({ interval, branch = 0 }: StepCacheOptions, unet: UNet2DConditionModel): void {
  expectInteger("cache.interval", interval, 1);
  expectInteger("cache.branch", branch, 0);
  expectNumber("cache.branch", branch, 0, unet.cacheBranches - 1);
}

/** What one call's UNet gave back at the last step, and whether the next may go by it. */
export class StepCache {
  private deepFeature: Tensor | undefined;
  private first: number | undefined;

  constructor(
    private readonly options: StepCacheOptions,
    private readonly scheduler: Scheduler,
  ) {}

  /** What the UNet is to be told at this turn of the loop: to begin anew, or to go by what it gave back. */
  take(timestep: number, index: number): Pick<UNet2DConditionInputs, "cacheBranch" | "deepFeature"> {
    const { interval, branch: cacheBranch = 0 } = this.options;
    const position = this.positionOf(timestep, index);
    this.first ??= position;
    const { deepFeature } = this;
    this.deepFeature = undefined;
    return (position - this.first) % interval === 0 ? { cacheBranch } : { cacheBranch, deepFeature };
  }

  /** Takes what the UNet gave back. */
  keep(deepFeature: Tensor | undefined): void {
    this.deepFeature = deepFeature;
  }

  /**
   * DeepCache's count of steps: the first place of the timestep in the scheduler's list, where PNDM has one twice. A scheduler of order 2 may have nearly all of
   * them twice, which would leave out every other number and, at even intervals, the whole UNet for good; there the turns count.
   */
  private positionOf(timestep: number, index: number): number {
    return this.scheduler.order === 1 ? this.scheduler.timesteps.indexOf(timestep) : index;
  }
}
