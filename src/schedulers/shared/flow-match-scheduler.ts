import { ArgumentError } from "../../errors.js";
import type { Tensor } from "../../tensor/tensor.js";
import { f32 } from "../float32/arithmetic.js";
import { flag, oneOf, oneSpacing, optionalReal, real, sigmaSpacingFields, trainTimesteps, whole } from "./config-fields.js";
import type { Mixture } from "./prediction.js";
import type { TimestepOptions } from "./scheduler.js";
import { SigmaScheduler } from "./sigma-scheduler.js";
import {
  namedSpacing,
  type SigmaRange,
  type SpacingFlags,
  shiftFlowSigma,
  shiftFlowSigmaByMu,
  sigmaRange,
  stretchToTerminal,
} from "./sigma-spacing.js";
import { linspace } from "./timestep-spacing.js";

/** The fields of flow-matching schedulers. */
export const flowMatchFields = () => ({
  /** Timesteps of the forward process, 1 to 100,000; 1000 by default. */
  numTrainTimesteps: trainTimesteps(),
  /** Values above 1 spend more steps at high noise, as large pictures need; 1 by default. */
  shift: real(1),
  /** Shift sigmas by the `mu` given to `setTimesteps` instead of by `shift`; false by default. */
  useDynamicShifting: flag(false),
  /** `mu` at `baseImageSeqLen` tokens, for pipelines that interpolate it between `baseShift` and `maxShift`; 0.5 by default. */
  baseShift: optionalReal(0.5),
  /** `mu` at `maxImageSeqLen` tokens; 1.15 by default. */
  maxShift: optionalReal(1.15),
  /** The number of tokens for `baseShift`; 256 by default. */
  baseImageSeqLen: whole(256),
  /** The number of tokens for `maxShift`; 4096 by default. */
  maxImageSeqLen: whole(4096),
  /** Reverse time: sigmas go from 0 to 1; false by default. */
  invertSigmas: flag(false),
  /** The last sigma is stretched to this value. */
  shiftTerminal: optionalReal(),
  ...sigmaSpacingFields(),
  /** How `mu` shifts sigmas under dynamic shifting; "exponential" by default. */
  timeShiftType: oneOf(["exponential", "linear"], "exponential"),
});

/** A config with the fields of `flowMatchFields`. */
export interface FlowMatchConfig extends SpacingFlags {
  readonly numTrainTimesteps: number;
  readonly shift: number;
  readonly useDynamicShifting: boolean;
  readonly invertSigmas: boolean;
  readonly shiftTerminal: number | null;
  readonly timeShiftType: "exponential" | "linear";
}

/** The sigmas of all training timesteps, noisiest first, in float32. */
export function flowTrainingSigmas(trainSteps: number, shift: number): number[] {
  return Array.from({ length: trainSteps }, (_, i) => shiftFlowSigma(f32((trainSteps - i) / trainSteps), shift, f32));
}

/** Evenly spread times from the noisiest to the cleanest sigma, before shifting. */
export function evenFlowSigmas({ min, max }: SigmaRange, trainSteps: number, steps: number): number[] {
  return linspace(max * trainSteps, min * trainSteps, steps).map((timestep) => timestep / trainSteps);
}

/**
 * Schedulers of rectified flow (Liu et al. 2022, Esser et al. 2024): a sample is `(1 - sigma) * picture + sigma * noise`. Timesteps are
 * scaled sigmas.
 */
export abstract class FlowMatchScheduler<Config extends FlowMatchConfig = FlowMatchConfig> extends SigmaScheduler<Config> {
  protected override readonly takes = ["timesteps", "sigmas", "mu"] as const;
  protected override readonly pairsTimestepsWithSigmas = true;
  private readonly range: SigmaRange;
  private currentShift = this.config.shift;

  constructor(config: Partial<Config> = {}) {
    super(config);
    oneSpacing(this.className, this.config);
    const { numTrainTimesteps, shift, useDynamicShifting } = this.config;
    const sigmas = flowTrainingSigmas(numTrainTimesteps, useDynamicShifting ? 1 : shift);
    this.range = { max: sigmas[0] as number, min: sigmas.at(-1) as number };
    this.start(
      sigmas.map((sigma) => f32(sigma * numTrainTimesteps)),
      sigmas,
    );
  }

  /** The shift of the next runs. */
  get shift(): number {
    return this.currentShift;
  }

  /** Changes the shift for the next `setTimesteps`; the config keeps its own. */
  setShift(shift: number): void {
    this.currentShift = shift;
  }

  protected override plan(options: TimestepOptions): void {
    const { config } = this;
    const { timesteps: customTimesteps, sigmas: customSigmas, mu } = options;
    if (config.useDynamicShifting && mu === undefined)
      throw new ArgumentError(`${this.className}: use_dynamic_shifting needs mu`, { argument: "mu" });
    const steps = this.countSteps(options);
    const trainSteps = config.numTrainTimesteps;

    // diffusers computes with custom values in float32, and with its own in double precision.
    const custom = customSigmas ?? customTimesteps?.map((timestep) => f32(timestep) / trainSteps);
    const round = custom ? f32 : (x: number) => x;
    let sigmas = (custom?.map(f32) ?? evenFlowSigmas(this.range, trainSteps, steps)).map((sigma) =>
      config.useDynamicShifting
        ? shiftFlowSigmaByMu(sigma, mu as number, config.timeShiftType, round)
        : shiftFlowSigma(sigma, this.shift, round),
    );
    if (config.shiftTerminal) sigmas = stretchToTerminal(sigmas, config.shiftTerminal, round);
    const spacing = namedSpacing(config);
    if (spacing) sigmas = spacing(sigmaRange(config, { max: sigmas[0] as number, min: sigmas.at(-1) as number }), steps);

    sigmas = sigmas.map((sigma) => (config.invertSigmas ? f32(1 - f32(sigma)) : f32(sigma)));
    const given = config.invertSigmas ? undefined : customTimesteps?.map(f32);
    this.start(given ?? sigmas.map((sigma) => f32(sigma * trainSteps)), [...sigmas, config.invertSigmas ? 1 : 0]);
  }

  /** diffusers' `scale_noise`: {@link addNoise} with its arguments in that order. */
  scaleNoise(sample: Tensor, timesteps: readonly number[], noise: Tensor): Tensor {
    return this.addNoise(sample, noise, timesteps);
  }

  protected override levelAt(index: number): Pick<Mixture, "alpha" | "sigma"> {
    const sigma = this.sigmaAt(index);
    return { alpha: 1 - sigma, sigma };
  }

  private countSteps({ numInferenceSteps, timesteps, sigmas }: TimestepOptions): number {
    const counts = [numInferenceSteps, sigmas?.length, timesteps?.length].filter((count) => count !== undefined);
    const [first = 0] = counts;
    if (counts.some((count) => count !== first)) {
      throw new ArgumentError(
        `${this.className}: numInferenceSteps, sigmas and timesteps ask for different numbers of steps (${counts.join(", ")})`,
        { argument: "numInferenceSteps" },
      );
    }
    return first;
  }
}
