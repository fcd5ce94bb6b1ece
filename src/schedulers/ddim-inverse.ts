import * as v from "valibot";
import { roundTiesToEven } from "../tensor/round.js";
import type { Tensor } from "../tensor/tensor.js";
import { f32, sumFloat32 } from "./float32/arithmetic.js";
import { sqrtTorch } from "./float32/sqrt.js";
import { betaFields, flag, oneOf, real, spacingFields } from "./shared/config-fields.js";
import { refuseTooManySteps } from "./shared/custom-timesteps.js";
import { alphasCumprodOf, atTimestep } from "./shared/noise-schedule.js";
import { predictedNoise, predictedOriginal } from "./shared/prediction.js";
import { Scheduler, type StepOutput, type TimestepOptions } from "./shared/scheduler.js";
import { spacedTimesteps } from "./shared/timestep-spacing.js";

const schema = v.strictObject({
  ...betaFields(),
  /** Clip the predicted picture to -`clipSampleRange`..`clipSampleRange`; for models of pixels. */
  clipSample: flag(true),
  /** Before the first step, alphaCumprod is 1 (a picture without noise) instead of its value at timestep 0; true by default. */
  setAlphaToOne: flag(true),
  /** What the model predicts: "epsilon" (the noise), "sample" (the picture), "v_prediction" (the velocity); "epsilon" by default. */
  predictionType: oneOf(["epsilon", "sample", "v_prediction"], "epsilon"),
  /** The largest absolute value that `clipSample` leaves; 1 by default. */
  clipSampleRange: real(1),
  ...spacingFields("leading"),
  /** How the timesteps of a run are chosen (Lin et al. 2023, table 2): "leading", "trailing" or "linspace". */
  timestepSpacing: oneOf(["leading", "trailing"], "leading"),
  /** Rescale betas so that the last timestep is pure noise (Lin et al. 2023, Algorithm 1); false by default. */
  rescaleBetasZeroSnr: flag(false),
});

/** Config of a {@link DDIMInverseScheduler}, with its defaults filled in. @interface */
export type DDIMInverseConfig = v.InferOutput<typeof schema>;

/**
 * DDIM backwards: from a picture to the noise that leads to it.
 * Song et al. 2021, "Denoising Diffusion Implicit Models" (arXiv:2010.02502), equation 12 with time running up.
 * Matches diffusers' DDIMInverseScheduler.
 */
export class DDIMInverseScheduler extends Scheduler<DDIMInverseConfig> {
  static override readonly className = "DDIMInverseScheduler";
  static override readonly schema = schema;

  private readonly alphasCumprod = alphasCumprodOf(this.config);
  private stride: number | undefined; // training timesteps per step
  override timesteps: readonly number[] = Array.from(this.alphasCumprod.keys());

  protected override plan({ numInferenceSteps: steps = 0 }: TimestepOptions): void {
    const { timestepSpacing, numTrainTimesteps: trainSteps, stepsOffset: offset } = this.config;
    refuseTooManySteps(steps, trainSteps);
    this.stride = Math.floor(trainSteps / steps);
    this.timesteps = spacedTimesteps(timestepSpacing, { steps, trainSteps, offset }).map(roundTiesToEven).reverse();
  }

  protected override takeStep(modelOutput: Tensor, timestep: number, sample: Tensor): StepOutput {
    const stride = this.planned(this.stride);
    const { predictionType, clipSample, clipSampleRange, setAlphaToOne, numTrainTimesteps } = this.config;
    // The model was evaluated at the timestep that the step leads to.
    const from = Math.min(timestep - stride, numTrainTimesteps - 1);
    const alphaCumprod = from >= 0 ? atTimestep(this.alphasCumprod, from) : setAlphaToOne ? 1 : atTimestep(this.alphasCumprod, 0);
    const alphaCumprodNext = atTimestep(this.alphasCumprod, timestep);
    const sigma = sqrtTorch(f32(1 - alphaCumprod));
    const level = { alpha: sqrtTorch(alphaCumprod), sigma, raw: sigma };

    let original = predictedOriginal(predictionType, modelOutput, sample, level);
    const noise = predictedNoise(predictionType, modelOutput, sample, level);
    if (clipSample) original = original.clamp(-clipSampleRange, clipSampleRange);
    const prevSample = sumFloat32([sqrtTorch(alphaCumprodNext), original], [sqrtTorch(f32(1 - alphaCumprodNext)), noise]);
    return { prevSample, predOriginalSample: original };
  }
}
