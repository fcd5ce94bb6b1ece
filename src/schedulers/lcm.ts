import * as v from "valibot";
import type { Tensor } from "../tensor/tensor.js";
import { f32, sumFloat32 } from "./float32/arithmetic.js";
import { sqrtTorch } from "./float32/sqrt.js";
import { ConsistencyScheduler, consistencyFields } from "./shared/consistency-scheduler.js";
import { atTimestep } from "./shared/noise-schedule.js";
import { predictedOriginal } from "./shared/prediction.js";
import type { StepOptions, StepOutput } from "./shared/scheduler.js";
import { dynamicThreshold } from "./shared/thresholding.js";

const schema = v.strictObject(consistencyFields());

/** Config of a {@link LCMScheduler}, with its defaults filled in. @interface */
export type LCMConfig = v.InferOutput<typeof schema>;

/** The squared standard deviation of the data that the distillation assumes. */
const DATA_VARIANCE = 0.25;

/**
 * Latent consistency models: pictures in 1 to 8 steps from distilled models.
 * Luo et al. 2023, "Latent Consistency Models" (arXiv:2310.04378), Algorithm 3; boundary conditions of Song et al. 2023 (arXiv:2303.01469).
 * Matches diffusers' LCMScheduler.
 */
export class LCMScheduler extends ConsistencyScheduler<LCMConfig> {
  static override readonly className = "LCMScheduler";
  static override readonly schema = schema;

  /** One step; `predOriginalSample` is what diffusers calls `denoised`. */
  protected override takeStep(modelOutput: Tensor, timestep: number, sample: Tensor, options: StepOptions): StepOutput {
    const { predictionType, thresholding, clipSample, clipSampleRange } = this.config;
    const index = this.currentIndex(timestep);
    const isLast = this.isLast(index);
    const alphaCumprod = atTimestep(this.alphasCumprod, timestep);
    const alphaCumprodNext = this.alphaCumprodAt(this.timesteps[index + 1] ?? timestep);
    const sigma = sqrtTorch(f32(1 - alphaCumprod));

    let original = predictedOriginal(predictionType, modelOutput, sample, { alpha: sqrtTorch(alphaCumprod), sigma, raw: sigma });
    if (thresholding) original = dynamicThreshold(original, this.config);
    else if (clipSample) original = original.clamp(-clipSampleRange, clipSampleRange);
    const { skip, out } = this.boundaryScalings(timestep);
    const denoised = sumFloat32([out, original], [skip, sample]);

    this.stepIndex = index + 1;
    if (isLast) return { prevSample: denoised, predOriginalSample: denoised };
    const noise = this.noise(modelOutput.shape, options);
    const prevSample = sumFloat32([sqrtTorch(alphaCumprodNext), denoised], [sqrtTorch(f32(1 - alphaCumprodNext)), noise]);
    return { prevSample, predOriginalSample: denoised };
  }

  /** The weights of sample and prediction that make the consistency function the identity at timestep 0. */
  private boundaryScalings(timestep: number): { readonly skip: number; readonly out: number } {
    const scaled = f32(timestep * f32(this.config.timestepScaling));
    const total = f32(f32(scaled ** 2) + DATA_VARIANCE);
    return { skip: DATA_VARIANCE / total, out: scaled / sqrtTorch(total) };
  }
}
