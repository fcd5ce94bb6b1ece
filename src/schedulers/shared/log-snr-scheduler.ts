import { ArgumentError } from "../../errors.js";
import { roundTiesToEven } from "../../tensor/round.js";
import type { Tensor } from "../../tensor/tensor.js";
import { f32 } from "../float32/arithmetic.js";
import { sqrtTorch } from "../float32/sqrt.js";
import { type MultistepConfig, multistepOrder } from "./multistep-order.js";
import { type NoiseLevel, noiseLevel } from "./noise-level.js";
import { type BetaConfig, positiveAlphasCumprodOf, trainingSigmas } from "./noise-schedule.js";
import { noiseBetween, type PredictionType, predictedNoise, predictedOriginal } from "./prediction.js";
import { mixRows } from "./scheduler.js";
import { SigmaScheduler } from "./sigma-scheduler.js";
import {
  logSigmasOf,
  namedSpacing,
  type SigmaRange,
  type SpacingFlags,
  shiftFlowSigma,
  sigmaRange,
  sigmasAt,
  timestepOfSigma,
} from "./sigma-spacing.js";
import { dynamicThreshold, type ThresholdConfig } from "./thresholding.js";
import { linspace } from "./timestep-spacing.js";

/** What the DPM-Solver family has in common. */
export interface LogSnrConfig extends BetaConfig, ThresholdConfig, SpacingFlags {
  readonly predictionType: PredictionType;
  readonly thresholding: boolean;
  readonly useFlowSigmas: boolean;
  readonly flowShift: number;
  readonly useDynamicShifting?: boolean;
}

/** The sigmas of a run without the one it ends on, and the timesteps to evaluate the model at. */
export interface SolverSchedule {
  readonly timesteps: readonly number[];
  readonly sigmas: readonly number[];
  /** Whether the sigmas are those of the training timesteps, not of a named spacing or a flow. */
  readonly interpolated: boolean;
}

/**
 * The solvers that work in log-SNR (DPM-Solver, UniPC, DEIS, SA-Solver): they combine the last few predictions of the picture or of the
 * noise, with fewer of them in the first steps.
 */
export abstract class LogSnrScheduler<Config extends LogSnrConfig = LogSnrConfig> extends SigmaScheduler<Config> {
  protected readonly alphasCumprod = positiveAlphasCumprodOf(this.config);
  protected readonly trainingSigmas = trainingSigmas(this.alphasCumprod);
  protected readonly logSigmas = logSigmasOf(this.trainingSigmas);
  /** Converted model outputs of this run, newest first. */
  protected outputs: readonly Tensor[] = [];
  /** The config's shift of flow sigmas, until a run's `mu` takes its place. */
  protected flowShift = this.config.flowShift;
  /** Whether `setTimesteps` was called. */
  protected planned = false;
  override timesteps: readonly number[] = Array.from(this.trainingSigmas.keys()).reverse();
  /** The noise level of every timestep and, last, the one the loop ends on. */
  override sigmas: readonly number[] = Array.from(this.trainingSigmas);

  protected override start(timesteps: readonly number[], sigmas: readonly number[]): void {
    super.start(timesteps, sigmas);
    this.outputs = [];
    this.planned = true;
  }

  /** Shifts flow sigmas by exp(`mu`) from now on. */
  protected takeMu(mu: number | undefined): void {
    if (mu === undefined) return;
    if (!this.config.useDynamicShifting)
      throw new ArgumentError(`${this.className} takes mu only with use_dynamic_shifting`, { argument: "mu" });
    this.flowShift = Math.exp(mu);
  }

  /**
   * The schedule that the config asks for: a named spacing of `range`, a shifted flow, or the training sigmas at `timesteps`.
   * Timesteps of Karras sigmas are rounded by `round`.
   */
  protected schedule(
    timesteps: readonly number[],
    steps: number,
    { range = this.trainingRange, round = roundTiesToEven }: { range?: SigmaRange; round?: (timestep: number) => number } = {},
  ): SolverSchedule {
    const { config } = this;
    const spacing = namedSpacing(config);
    if (spacing) {
      const sigmas = spacing(sigmaRange(config, range), steps);
      const exact = sigmas.map((sigma) => timestepOfSigma(sigma, this.logSigmas));
      return { timesteps: config.useKarrasSigmas ? exact.map(round) : exact, sigmas, interpolated: false };
    }
    if (config.useFlowSigmas) {
      const sigmas = linspace(1, 1 / config.numTrainTimesteps, steps + 1)
        .map((alpha) => shiftFlowSigma(1 - alpha, this.flowShift))
        .reverse()
        .slice(0, -1);
      return { timesteps: sigmas.map((sigma) => sigma * config.numTrainTimesteps), sigmas, interpolated: false };
    }
    return { timesteps, sigmas: sigmasAt(timesteps, this.trainingSigmas), interpolated: true };
  }

  /** The cleanest and the noisiest sigma of training. */
  protected get trainingRange(): SigmaRange {
    const { trainingSigmas } = this;
    return { min: trainingSigmas[0] as number, max: trainingSigmas.at(-1) as number };
  }

  /** How many training timesteps have a log-SNR of at least `lambdaMin`; they are the first ones. */
  protected timestepsAbove(lambdaMin: number): number {
    // Lambdas ascend from the noisiest timestep.
    const lambdas = this.alphasCumprod.map((a) => f32(Math.log(sqrtTorch(a))) - f32(Math.log(sqrtTorch(f32(1 - a))))).reverse();
    const clipped = lambdas.findIndex((lambda) => lambda >= lambdaMin);
    return this.config.numTrainTimesteps - (clipped < 0 ? lambdas.length : clipped);
  }

  /** The order of a multistep method's step when `known` outputs are there for it. */
  protected multistepOrder(index: number, known: number, config: MultistepConfig): number {
    return multistepOrder(this.timesteps.length - index, known, this.timesteps.length, config);
  }

  /** How noisy the sample is before step `index`; `timesteps.length` is after the last one. */
  protected level(index: number): NoiseLevel {
    return noiseLevel(this.sigmaAt(index), this.config.useFlowSigmas ? "flow" : "vp");
  }

  /** Adds a converted model output to the history, which keeps the last `count`. */
  protected remember(output: Tensor, count: number): void {
    this.outputs = [output, ...this.outputs].slice(0, count);
  }

  /** The picture a model output stands for, thresholded where the config says so. */
  protected toOriginal(output: Tensor, sample: Tensor, level: NoiseLevel): Tensor {
    const original = predictedOriginal(this.config.predictionType, output, sample, level);
    return this.config.thresholding ? dynamicThreshold(original, this.config) : original;
  }

  /** The noise a model output stands for, thresholded by way of the picture where the config says so. */
  protected toNoise(output: Tensor, sample: Tensor, level: NoiseLevel, { thresholding = this.config.thresholding } = {}): Tensor {
    const noise = predictedNoise(this.config.predictionType as Exclude<PredictionType, "flow_prediction">, output, sample, level);
    if (!thresholding) return noise;
    return noiseBetween(sample, dynamicThreshold(predictedOriginal("epsilon", noise, sample, level), this.config), level);
  }

  /** A timestep that is not in the schedule counts as the last one here. */
  protected override indexOf(timestep: number): number {
    return this.timesteps.includes(timestep) ? super.indexOf(timestep) : this.timesteps.length - 1;
  }

  /** `original` with as much of `noise` as there is at `timesteps`: one for each row of the batch, or one for all. */
  protected override noised(original: Tensor, noise: Tensor, timesteps: readonly number[]): Tensor {
    return mixRows(original, noise, timesteps, (timestep) => {
      const { alpha, sigma } = this.level(this.noisingIndex(timestep));
      return [alpha, sigma];
    });
  }
}
