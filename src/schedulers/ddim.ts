import * as v from "valibot";
import { ArgumentError } from "../errors.js";
import { roundTiesToEven } from "../tensor/round.js";
import type { Tensor } from "../tensor/tensor.js";
import { f32, sumFloat32 } from "./float32/arithmetic.js";
import { sqrtTorch } from "./float32/sqrt.js";
import { betaFields, type ConfigSchema, flag, oneOf, real, spacingFields, thresholdFields } from "./shared/config-fields.js";
import { refuseTooManySteps } from "./shared/custom-timesteps.js";
import { diffuse, velocity } from "./shared/forward-process.js";
import { alphasCumprodOf, atTimestep } from "./shared/noise-schedule.js";
import { noiseBetween, predictedNoise, predictedOriginal } from "./shared/prediction.js";
import { Scheduler, type StepOptions, type StepOutput, type TimestepOptions } from "./shared/scheduler.js";
import { dynamicThreshold } from "./shared/thresholding.js";
import { spacedTimesteps } from "./shared/timestep-spacing.js";

/** The fields of a DDIM scheduler. */
export const ddimFields = () => ({
  ...betaFields(),
  /** Clip the predicted picture to -`clipSampleRange`..`clipSampleRange`; for models of pixels. */
  clipSample: flag(true),
  /** The largest absolute value that `clipSample` leaves; 1 by default. */
  clipSampleRange: real(1),
  /** After the last step, alphaCumprod is 1 instead of its value at timestep 0. */
  setAlphaToOne: flag(true),
  /** What the model predicts: "epsilon" (the noise), "sample" (the picture), "v_prediction" (the velocity); "epsilon" by default. */
  predictionType: oneOf(["epsilon", "sample", "v_prediction"], "epsilon"),
  ...thresholdFields(),
  ...spacingFields("leading"),
  /** Rescale betas so that the last timestep is pure noise (Lin et al. 2023, Algorithm 1); false by default. */
  rescaleBetasZeroSnr: flag(false),
});

const schema = v.strictObject(ddimFields());

/** Config of a {@link DDIMScheduler}, with its defaults filled in. @interface */
export type DDIMConfig = v.InferOutput<typeof schema>;

/**
 * Denoising diffusion implicit models: deterministic at eta 0, DDPM at eta 1.
 * Song et al. 2021, "Denoising Diffusion Implicit Models" (arXiv:2010.02502), equations 12 and 16.
 * Matches diffusers' DDIMScheduler.
 */
export class DDIMScheduler<Config extends DDIMConfig = DDIMConfig> extends Scheduler<Config> {
  static override readonly className: string = "DDIMScheduler";
  static override readonly schema: ConfigSchema = schema;

  protected readonly alphasCumprod = alphasCumprodOf(this.config);
  protected stride: number | undefined; // training timesteps per step
  override timesteps: readonly number[] = Array.from(this.alphasCumprod.keys()).reverse();

  protected override plan({ numInferenceSteps = 0 }: TimestepOptions): void {
    const { timestepSpacing, numTrainTimesteps, stepsOffset } = this.config;
    refuseTooManySteps(numInferenceSteps, numTrainTimesteps);
    this.stride = Math.floor(numTrainTimesteps / numInferenceSteps);
    this.timesteps = spacedTimesteps(timestepSpacing, { steps: numInferenceSteps, trainSteps: numTrainTimesteps, offset: stepsOffset }).map(
      roundTiesToEven,
    );
  }

  protected override takeStep(modelOutput: Tensor, timestep: number, sample: Tensor, options: StepOptions): StepOutput {
    const { eta = 0 } = options;
    const previous = timestep - this.planned(this.stride);
    const alphaCumprod = atTimestep(this.alphasCumprod, timestep);
    const alphaCumprodPrevious =
      previous >= 0 ? atTimestep(this.alphasCumprod, previous) : this.config.setAlphaToOne ? 1 : atTimestep(this.alphasCumprod, 0);
    const { original, noise } = this.predict(modelOutput, sample, alphaCumprod, options);

    // Equation 16, rounded as torch rounds: these are small differences of large numbers.
    const [beta, betaPrevious] = [f32(1 - alphaCumprod), f32(1 - alphaCumprodPrevious)];
    const variance = f32(f32(betaPrevious / beta) * f32(1 - f32(alphaCumprod / alphaCumprodPrevious)));
    const deviation = f32(eta * sqrtTorch(variance));
    let prevSample = towards(alphaCumprodPrevious, { original, noise, deviation });
    if (eta > 0) {
      if (options.varianceNoise && options.generator) {
        throw new ArgumentError(`${this.className}: give a generator or varianceNoise, not both`);
      }
      prevSample = sumFloat32([1, prevSample], [deviation, this.noise(modelOutput.shape, options)]);
    }
    return { prevSample, predOriginalSample: original };
  }

  /** The predicted picture, clipped or thresholded as the config says, and the predicted noise. */
  protected predict(modelOutput: Tensor, sample: Tensor, alphaCumprod: number, { useClippedModelOutput }: StepOptions): DDIMPrediction {
    const { predictionType, thresholding, clipSample, clipSampleRange } = this.config;
    const sigma = sqrtTorch(f32(1 - alphaCumprod));
    const level = { alpha: sqrtTorch(alphaCumprod), sigma, raw: sigma };
    let original = predictedOriginal(predictionType, modelOutput, sample, level);
    if (thresholding) original = dynamicThreshold(original, this.config);
    else if (clipSample) original = original.clamp(-clipSampleRange, clipSampleRange);
    const noise = useClippedModelOutput
      ? noiseBetween(sample, original, level)
      : predictedNoise(predictionType, modelOutput, sample, level);
    return { original, noise };
  }

  protected override noised(original: Tensor, noise: Tensor, timesteps: readonly number[]): Tensor {
    return diffuse(this.alphasCumprod, original, noise, timesteps);
  }

  override getVelocity(sample: Tensor, noise: Tensor, timesteps: readonly number[]): Tensor {
    return velocity(this.alphasCumprod, sample, noise, timesteps);
  }
}

/** What a model output says of a sample. */
export interface DDIMPrediction {
  readonly original: Tensor;
  readonly noise: Tensor;
}

/** Equation 12 without its noise, which will have `deviation`. */
export function towards(alphaCumprod: number, { original, noise, deviation }: DDIMPrediction & { readonly deviation: number }): Tensor {
  const direction = sqrtTorch(f32(f32(1 - alphaCumprod) - f32(deviation ** 2)));
  return sumFloat32([sqrtTorch(alphaCumprod), original], [direction, noise]);
}
