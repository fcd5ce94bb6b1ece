import { ArgumentError } from "../../errors.js";
import { FirstBlockCache, relativeDifference } from "../../models/first-block-cache.js";
import { type Fields, real, whole } from "../../options/fields.js";
import type { Scheduler } from "../../schedulers/shared/scheduler.js";
import type { Tensor } from "../../tensor/tensor.js";
import { expectInteger, expectNumber } from "./arguments.js";
import type { DenoiserOutput, DenoisingNetwork, StepCacheInputs } from "./denoiser.js";

/**
 * Step caching: the deep layers of a network change little from one step to the next, so some steps compute its first layers only. This is
 * faster, and the picture differs a little. Give either an `interval` or a `threshold`.
 */
export interface StepCacheOptions {
  /**
   * For UNets: the whole network runs at every `interval`-th step; 1 turns the cache off. A scheduler of order 2 takes two steps for each
   * inference step. Matches the Python package DeepCache 0.1.1 (Ma et al. 2023).
   */
  readonly interval?: number | undefined;
  /**
   * The whole network runs when something has changed by more than this share; 0 turns the cache off. In transformers it is what the first
   * block adds, as in diffusers' FirstBlockCacheConfig: 0.05 to 0.2 are usual. In UNets it is the prediction, added up since the whole
   * network ran, as TeaCache does with a network's inputs (Liu et al. 2024).
   */
  readonly threshold?: number | undefined;
  /**
   * Where a UNet is cut: 0, the default, computes the least in the steps between; 1 and 2 are one layer deeper each, 3 is one level
   * deeper, 6 two.
   */
  readonly branch?: number | undefined;
}

export const STEP_CACHE_FIELDS: Fields<StepCacheOptions> = {
  interval: whole(1),
  threshold: real(0),
  branch: whole(0),
};

/** @throws ArgumentError unless there is an interval or a threshold, and the network has such a cache and branch. */
export function expectStepCache(
  options: StepCacheOptions,
  { cacheBranches, cachesFirstBlock }: Pick<DenoisingNetwork, "cacheBranches" | "cachesFirstBlock">,
): void {
  const { interval, threshold, branch } = options;
  if (cacheBranches === undefined && !cachesFirstBlock) {
    throw new ArgumentError((name) => `${name("cache")} was given; this pipeline's network has no step cache`, {
      argument: "cache",
      hint: (name) => `leave ${name("cache")} out`,
    });
  }
  if ((interval === undefined) === (threshold === undefined)) {
    throw new ArgumentError(
      (name) =>
        `${name("cache")} has ${interval === undefined ? "neither" : "both"} interval ${interval === undefined ? "nor" : "and"} threshold; expected one of them`,
      { argument: "cache", hint: cachesFirstBlock ? "such as cache: { threshold: 0.1 }" : "such as cache: { interval: 3 }" },
    );
  }
  if (threshold !== undefined) expectNumber("cache.threshold", threshold, 0);
  if (cachesFirstBlock) {
    const wrong = interval === undefined ? (branch === undefined ? undefined : "branch") : "interval";
    if (wrong === undefined) return;
    throw new ArgumentError((name) => `${name(`cache.${wrong}`)} was given; it is for UNets, and this pipeline has a transformer`, {
      argument: `cache.${wrong}`,
      hint: (name) => `give ${name("cache", { code: "cache: { threshold: 0.1 }" })}, or leave it out`,
    });
  }
  if (interval !== undefined) expectInteger("cache.interval", interval, 1);
  expectInteger("cache.branch", branch ?? 0, 0);
  expectNumber("cache.branch", branch ?? 0, 0, (cacheBranches ?? 1) - 1);
}

/** The further inputs of a network at each turn of the loop, and what it returned for them. */
export interface TurnCache {
  take(timestep: number, index: number, parts: number): StepCacheInputs;
  /** Keeps what the network returned. */
  keep(output: DenoiserOutput): void;
}

/** The step cache of one call; undefined if it has none, or one that is off. */
export function stepCacheOf(
  options: StepCacheOptions | undefined,
  scheduler: Scheduler,
  isTransformer: boolean | undefined,
): TurnCache | undefined {
  const { interval = 1, threshold = 0 } = options ?? {};
  if (!options || (interval === 1 && threshold === 0)) return undefined;
  if (!isTransformer) return new StepCache(options, scheduler);
  const firstBlock = new FirstBlockCache(threshold);
  return { take: () => ({ firstBlock }), keep: () => undefined };
}

/** The deep feature that a call's last step left, and whether the next step uses it. */
class StepCache implements TurnCache {
  private deepFeature: Tensor | undefined;
  private first: number | undefined;
  private lastParts: number | undefined;
  private prediction: Tensor | undefined;
  /** How far the last prediction is from the one before; infinite until it is known. */
  private lastChange = Number.POSITIVE_INFINITY;
  /** How far predictions are taken to have changed since the whole network ran: each step as far as the one before it. */
  private change = 0;

  constructor(
    private readonly options: StepCacheOptions,
    private readonly scheduler: Scheduler,
  ) {}

  /**
   * The network's inputs for this turn of the loop: without a deep feature the whole network runs. A deep feature has as many `parts` as
   * the prediction: two with guidance, one without. It serves turns with as many.
   */
  take(timestep: number, index: number, parts: number): StepCacheInputs {
    const { branch: cacheBranch = 0 } = this.options;
    const deepFeature = parts === this.lastParts ? this.deepFeature : undefined;
    this.deepFeature = undefined;
    this.lastParts = parts;
    const isDue = this.isDue(timestep, index);
    const isWhole = !deepFeature || isDue;
    if (isWhole) this.change = 0;
    return isWhole ? { cacheBranch } : { cacheBranch, deepFeature };
  }

  keep({ sample, deepFeature }: DenoiserOutput): void {
    const last = this.prediction;
    if (this.options.threshold !== undefined) {
      this.prediction = sample;
      if (last) this.lastChange = relativeDifference(sample, last);
    }
    this.deepFeature = deepFeature;
  }

  private isDue(timestep: number, index: number): boolean {
    const { interval, threshold = 0 } = this.options;
    if (interval === undefined) {
      this.change += this.lastChange;
      return this.change > threshold;
    }
    const position = this.positionOf(timestep, index);
    this.first ??= position;
    return (position - this.first) % interval === 0;
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
