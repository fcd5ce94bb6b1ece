import { ArgumentError } from "../../errors.js";
import { type Fields, needed, whole } from "../../options/fields.js";
import type { Scheduler } from "../../schedulers/shared/scheduler.js";
import type { Tensor } from "../../tensor/tensor.js";
import { expectInteger, expectNumber } from "./arguments.js";
import type { DenoisingNetwork, StepCacheInputs } from "./denoiser.js";

/**
 * Step caching: the deep layers of a UNet change little from one step to the next, so most steps compute its shallow layers only. This is
 * faster, and the picture differs a little. Matches the Python package DeepCache 0.1.1 (Ma et al. 2023).
 */
export interface StepCacheOptions {
  /**
   * The whole UNet runs at every `interval`-th step; 1 turns the cache off. A scheduler of order 2 takes two steps for each inference step.
   */
  readonly interval: number;
  /**
   * Where the UNet is cut: 0, the default, computes the least in the steps between; 1 and 2 are one layer deeper each, 3 is one level
   * deeper, 6 two.
   */
  readonly branch?: number | undefined;
}

export const STEP_CACHE_FIELDS: Fields<StepCacheOptions> = {
  interval: needed(whole(1), "such as cache: { interval: 3 }"),
  branch: whole(0),
};

/** @throws ArgumentError unless the interval is whole and at least 1, and the network has such a branch. */
export function expectStepCache({ interval, branch = 0 }: StepCacheOptions, { cacheBranches }: DenoisingNetwork): void {
  expectInteger("cache.interval", interval, 1);
  expectInteger("cache.branch", branch, 0);
  if (cacheBranches === undefined) {
    throw new ArgumentError((name) => `${name("cache")} was given; this pipeline's network has no step cache`, {
      argument: "cache",
      hint: (name) => `leave ${name("cache")} out`,
    });
  }
  expectNumber("cache.branch", branch, 0, cacheBranches - 1);
}

/** The deep feature that a call's last step left, and whether the next step uses it. */
export class StepCache {
  private deepFeature: Tensor | undefined;
  private first: number | undefined;
  private lastParts: number | undefined;

  constructor(
    private readonly options: StepCacheOptions,
    private readonly scheduler: Scheduler,
  ) {}

  /**
   * The network's inputs for this turn of the loop: without a deep feature the whole network runs. A deep feature has as many `parts` as
   * the prediction: two with guidance, one without. It serves turns with as many.
   */
  take(timestep: number, index: number, parts: number): StepCacheInputs {
    const { interval, branch: cacheBranch = 0 } = this.options;
    const position = this.positionOf(timestep, index);
    this.first ??= position;
    const deepFeature = parts === this.lastParts ? this.deepFeature : undefined;
    this.deepFeature = undefined;
    this.lastParts = parts;
    return (position - this.first) % interval === 0 ? { cacheBranch } : { cacheBranch, deepFeature };
  }

  /** Keeps the deep feature that the network returned. */
  keep(deepFeature: Tensor | undefined): void {
    this.deepFeature = deepFeature;
  }

  /**
   * DeepCache's number of a step: the first index of its timestep in the scheduler's list. PNDM's list has one timestep twice. A scheduler
   * of order 2 may have nearly every timestep twice: then every other number would be missing, and at even intervals the whole network
   * would not run again. For these schedulers the turn of the loop is the number.
   */
  private positionOf(timestep: number, index: number): number {
    return this.scheduler.order === 1 ? this.scheduler.timesteps.indexOf(timestep) : index;
  }
}
