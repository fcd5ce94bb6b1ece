import * as v from "valibot";
import { ArgumentError } from "../errors.js";
import { roundTiesToEven } from "../tensor/round.js";
import type { Tensor } from "../tensor/tensor.js";
import { f32, sumFloat32 } from "./float32/arithmetic.js";
import { expTorch, logTorch } from "./float32/exp-log.js";
import { sqrtTorch } from "./float32/sqrt.js";
import { channels } from "./shared/channels.js";
import { betaFields, flag, oneOf, real, spacingFields, thresholdFields } from "./shared/config-fields.js";
import { eitherStepsOrTimesteps, refuseTooManySteps, refuseUnordered } from "./shared/custom-timesteps.js";
import { diffuse, velocity } from "./shared/forward-process.js";
import { alphasCumprodOf, atTimestep } from "./shared/noise-schedule.js";
import { predictedOriginal } from "./shared/prediction.js";
import { Scheduler, type StepOptions, type StepOutput, type TimestepOptions } from "./shared/scheduler.js";
import { dynamicThreshold } from "./shared/thresholding.js";
import { spacedTimesteps } from "./shared/timestep-spacing.js";

const VARIANCE_TYPES = ["fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log", "learned", "learned_range", "other"] as const;

const schema = v.strictObject({
  ...betaFields({ rare: ["laplace", "sigmoid"] }),
  /**
   * The variance of the noise that a step adds: the posterior's ("fixed_small", and, as in diffusers, "other" and null), beta
   * ("fixed_large"), or the model's own, which follows the prediction in as many channels.
   */
  varianceType: v.optional(v.nullable(v.picklist(VARIANCE_TYPES)), "fixed_small"),
  /** Clip the predicted picture to -`clipSampleRange`..`clipSampleRange`; for models of pixels. */
  clipSample: flag(true),
  /** What the model predicts: "epsilon" (the noise), "sample" (the picture), "v_prediction" (the velocity); "epsilon" by default. */
  predictionType: oneOf(["epsilon", "sample", "v_prediction"], "epsilon"),
  ...thresholdFields(),
  /** The largest absolute value that `clipSample` leaves; 1 by default. */
  clipSampleRange: real(1),
  ...spacingFields("leading"),
  /** Rescale betas so that the last timestep is pure noise (Lin et al. 2023, Algorithm 1); false by default. */
  rescaleBetasZeroSnr: flag(false),
});

/** Config of a {@link DDPMScheduler}, with its defaults filled in. @interface */
export type DDPMConfig = v.InferOutput<typeof schema>;

/** alphaCumprod, 1 - alphaCumprod at both ends of a step; alpha and beta between them. */
interface StepLevels {
  readonly alphaCumprod: number;
  readonly alphaCumprodPrevious: number;
  readonly betaCumprod: number;
  readonly betaCumprodPrevious: number;
  readonly alpha: number;
  readonly beta: number;
}

/** Keeps the logarithm of a variance finite. */
const SMALLEST_VARIANCE = f32(1e-20);

/**
 * Denoising diffusion probabilistic models: every step samples from the posterior of the forward process.
 * Ho et al. 2020, "Denoising Diffusion Probabilistic Models" (arXiv:2006.11239), equations 6, 7 and 15.
 * Matches diffusers' DDPMScheduler.
 */
export class DDPMScheduler extends Scheduler<DDPMConfig> {
  static override readonly className: string = "DDPMScheduler";
  static override readonly schema = schema;

  protected override readonly takes = ["timesteps"] as const;
  protected numInferenceSteps: number | undefined; // undefined if the timesteps are custom
  protected readonly alphasCumprod = alphasCumprodOf(this.config);
  override timesteps: readonly number[] = Array.from(this.alphasCumprod.keys()).reverse();

  protected override plan(options: TimestepOptions): void {
    const { timestepSpacing, numTrainTimesteps: trainSteps, stepsOffset: offset } = this.config;
    const { numInferenceSteps: steps = 0, timesteps: custom } = options;
    eitherStepsOrTimesteps(this.className, options);
    if (custom) refuseUnordered(this.className, custom, trainSteps);
    refuseTooManySteps(steps, trainSteps);
    this.numInferenceSteps = options.numInferenceSteps ?? this.numInferenceSteps;
    this.timesteps = custom?.map(Math.trunc) ?? spacedTimesteps(timestepSpacing, { steps, trainSteps, offset }).map(roundTiesToEven);
  }

  protected override takeStep(modelOutput: Tensor, timestep: number, sample: Tensor, options: StepOptions): StepOutput {
    const { mean, variance: predictedVariance } = this.split(modelOutput, sample);
    const levels = this.levels(timestep, this.previousTimestep(timestep));
    const { original, prevSample } = this.posteriorMean(mean, sample, levels);
    if (timestep <= 0) return { prevSample, predOriginalSample: original };

    const { betaCumprod, betaCumprodPrevious, beta } = levels;
    const variance = Math.max(f32(f32(betaCumprodPrevious / betaCumprod) * beta), SMALLEST_VARIANCE);
    const noise = this.noise(mean.shape, options);
    const deviation = this.deviation(variance, beta, predictedVariance);
    const added = typeof deviation === "number" ? noise.mul(f32(deviation)) : noise.mul(deviation);
    return { prevSample: prevSample.add(added), predOriginalSample: original };
  }

  /** The levels of a step between two timesteps; a negative one is the end of the run, where there is no noise. */
  protected levels(timestep: number, previous: number): StepLevels {
    const alphaCumprod = atTimestep(this.alphasCumprod, timestep);
    const alphaCumprodPrevious = previous >= 0 ? atTimestep(this.alphasCumprod, previous) : 1;
    const alpha = f32(alphaCumprod / alphaCumprodPrevious);
    return {
      alphaCumprod,
      alphaCumprodPrevious,
      betaCumprod: f32(1 - alphaCumprod),
      betaCumprodPrevious: f32(1 - alphaCumprodPrevious),
      alpha,
      beta: f32(1 - alpha),
    };
  }

  /** The predicted picture, clipped or thresholded as the config says, and the mean of the samples that may precede `sample`. */
  protected posteriorMean(mean: Tensor, sample: Tensor, levels: StepLevels): { readonly original: Tensor; readonly prevSample: Tensor } {
    const { predictionType, thresholding, clipSample, clipSampleRange } = this.config;
    const { alphaCumprod, alphaCumprodPrevious, betaCumprod, betaCumprodPrevious, alpha, beta } = levels;
    // Equation 15.
    const sigma = sqrtTorch(betaCumprod);
    let original = predictedOriginal(predictionType, mean, sample, { alpha: sqrtTorch(alphaCumprod), sigma, raw: sigma });
    if (thresholding) original = dynamicThreshold(original, this.config);
    else if (clipSample) original = original.clamp(-clipSampleRange, clipSampleRange);

    // Equation 7.
    const originalWeight = f32(sqrtTorch(alphaCumprodPrevious) * beta) / betaCumprod;
    const sampleWeight = f32(sqrtTorch(alpha) * betaCumprodPrevious) / betaCumprod;
    return { original, prevSample: sumFloat32([originalWeight, original], [sampleWeight, sample]) };
  }

  protected override noised(original: Tensor, noise: Tensor, timesteps: readonly number[]): Tensor {
    return diffuse(this.alphasCumprod, original, noise, timesteps);
  }

  override getVelocity(sample: Tensor, noise: Tensor, timesteps: readonly number[]): Tensor {
    return velocity(this.alphasCumprod, sample, noise, timesteps);
  }

  /** The prediction and, if the model predicts one, the variance. */
  protected split(output: Tensor, sample: Tensor): { readonly mean: Tensor; readonly variance?: Tensor } {
    const { varianceType } = this.config;
    const count = sample.shape[1] ?? 0;
    if (!(varianceType === "learned" || varianceType === "learned_range") || output.shape[1] !== 2 * count) return { mean: output };
    return { mean: channels(output, 0, count), variance: channels(output, count, 2 * count) };
  }

  /** The standard deviation of a step's noise, from the posterior's variance (equation 7) and the forward process's. */
  private deviation(variance: number, beta: number, predicted: Tensor | undefined): number | Tensor {
    const { varianceType } = this.config;
    switch (varianceType) {
      case null:
      case "other":
      case "fixed_small":
        return sqrtTorch(variance);
      case "fixed_small_log":
        return expTorch(0.5 * logTorch(variance));
      case "fixed_large":
        return sqrtTorch(beta);
      case "fixed_large_log": // NaN, as in diffusers, which takes the root of a negative logarithm
        return sqrtTorch(logTorch(beta));
    }
    if (!predicted) {
      throw new ArgumentError(`${this.className}: variance_type "${varianceType}" needs a model output with twice the sample's channels`, {
        hint: 'if the model predicts no variance, set variance_type to "fixed_small"',
      });
    }
    if (varianceType === "learned") return predicted.map(sqrtTorch);
    // Nichol & Dhariwal 2021, equation 15: the model interpolates between the two in their logarithms.
    const [low, high] = [logTorch(variance), logTorch(beta)];
    return predicted.map((value) => {
      const share = f32(f32(value + 1) / 2);
      return expTorch(0.5 * f32(f32(share * high) + f32(f32(1 - share) * low)));
    });
  }

  /** The timestep after this one, -1 after the last. */
  private previousTimestep(timestep: number): number {
    const index = this.timesteps.indexOf(timestep);
    if (index < 0) {
      throw new ArgumentError(`${this.className}: timestep ${timestep} is not one of the scheduler's timesteps`, {
        hint: "pass a value of scheduler.timesteps, not its index",
      });
    }
    return this.timesteps[index + 1] ?? -1;
  }
}
