import type { Tensor } from "../tensor/tensor.js";
import { type NoiseLevel, noiseLevel } from "./noise-level.js";
import { type BetaConfig, positiveAlphasCumprodOf, trainingSigmas } from "./noise-schedule.js";
import { noiseBetween, type PredictionType, predictedNoise, predictedOriginal } from "./prediction.js";
import { mixRows } from "./scheduler.js";
import { SigmaScheduler } from "./sigma-scheduler.js";
import { logSigmasOf } from "./sigma-spacing.js";
import { dynamicThreshold, type ThresholdConfig } from "./thresholding.js";

/** What the DPM-Solver family has in common. */
export interface LogSnrConfig extends BetaConfig, ThresholdConfig {
  readonly solverOrder: number;
  readonly predictionType: PredictionType;
  readonly thresholding: boolean;
  readonly useFlowSigmas: boolean;
}

/**
 * The solvers that work in log-SNR (DPM-Solver, UniPC, DEIS): multistep methods over the last `solverOrder` predictions of the picture
 * or of the noise, with fewer of them in the first steps.
 */
export abstract class LogSnrScheduler<Config extends LogSnrConfig = LogSnrConfig> extends SigmaScheduler<Config> {
  protected readonly alphasCumprod = positiveAlphasCumprodOf(this.config);
  protected readonly trainingSigmas = trainingSigmas(this.alphasCumprod);
  protected readonly logSigmas = logSigmasOf(this.trainingSigmas);
  /** Converted model outputs of this run, newest first, at most `solverOrder`. */
  protected outputs: readonly Tensor[] = [];
  override timesteps: readonly number[] = Array.from(this.trainingSigmas.keys()).reverse();
  override sigmas: readonly number[] = Array.from(this.trainingSigmas);

  protected override start(timesteps: readonly number[], sigmas: readonly number[]): void {
    super.start(timesteps, sigmas);
    this.outputs = [];
  }

  /** How noisy the sample is before step `index`; `timesteps.length` is after the last one. */
  protected level(index: number): NoiseLevel {
    return noiseLevel(this.sigmaAt(index), this.config.useFlowSigmas ? "flow" : "vp");
  }

  /** Adds a converted model output to the history. */
  protected remember(output: Tensor): void {
    this.outputs = [output, ...this.outputs].slice(0, this.config.solverOrder);
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

  override addNoise(original: Tensor, noise: Tensor, timesteps: readonly number[]): Tensor {
    return mixRows(original, noise, timesteps, (timestep) => {
      const { alpha, sigma } = this.level(this.noisingIndex(timestep));
      return [alpha, sigma];
    });
  }
}
