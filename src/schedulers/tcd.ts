import * as v from "valibot";
import { ArgumentError } from "../errors.js";
import type { Tensor } from "../tensor/tensor.js";
import { f32, sumFloat32 } from "./float32/arithmetic.js";
import { sqrtTorch } from "./float32/sqrt.js";
import { ConsistencyScheduler, consistencyFields } from "./shared/consistency-scheduler.js";
import { atTimestep } from "./shared/noise-schedule.js";
import { predictedNoise, predictedOriginal } from "./shared/prediction.js";
import type { StepOptions, StepOutput } from "./shared/scheduler.js";

const schema = v.strictObject(consistencyFields());

/** Config of a {@link TCDScheduler}, with its defaults filled in. @interface */
export type TCDConfig = v.InferOutput<typeof schema>;

/**
 * Trajectory consistency distillation: few steps. `eta` chooses how far below the next timestep each step goes before noise is added.
 * Zheng et al. 2024, "Trajectory Consistency Distillation" (arXiv:2402.19159), Algorithm 4; eta is the paper's gamma.
 * Matches diffusers' TCDScheduler.
 */
export class TCDScheduler extends ConsistencyScheduler<TCDConfig> {
  static override readonly className = "TCDScheduler";
  static override readonly schema = schema;

  /**
   * One step; `eta` is 0.3 by default here. Like diffusers, it ignores the config's clipping and thresholding.
   *
   * @throws ArgumentError if `eta` is not in 0..1.
   */
  protected override takeStep(modelOutput: Tensor, timestep: number, sample: Tensor, options: StepOptions): StepOutput {
    const { eta = 0.3 } = options;
    if (!(eta >= 0 && eta <= 1)) throw new ArgumentError(`TCDScheduler: eta is ${eta}; expected 0 to 1`, { argument: "eta" });
    const { predictionType } = this.config;
    const index = this.currentIndex(timestep);
    const isLast = this.isLast(index);
    const next = this.timesteps[index + 1] ?? 0;
    const below = Math.floor(f32(f32(1 - eta) * next));
    const alphaCumprod = atTimestep(this.alphasCumprod, timestep);
    const alphaCumprodNext = this.alphaCumprodAt(next);
    const alphaCumprodBelow = atTimestep(this.alphasCumprod, below);
    const sigma = sqrtTorch(f32(1 - alphaCumprod));
    const level = { alpha: sqrtTorch(alphaCumprod), sigma, raw: sigma };

    const predOriginalSample = predictedOriginal(predictionType, modelOutput, sample, level);
    const noise = predictedNoise(predictionType, modelOutput, sample, level);
    const predNoisedSample = sumFloat32([sqrtTorch(alphaCumprodBelow), predOriginalSample], [sqrtTorch(f32(1 - alphaCumprodBelow)), noise]);
    this.stepIndex = index + 1;
    if (eta === 0 || isLast) return { prevSample: predNoisedSample, predOriginalSample, predNoisedSample };
    const ratio = f32(alphaCumprodNext / alphaCumprodBelow);
    const prevSample = sumFloat32(
      [sqrtTorch(ratio), predNoisedSample],
      [sqrtTorch(f32(1 - ratio)), this.noise(modelOutput.shape, options)],
    );
    return { prevSample, predOriginalSample, predNoisedSample };
  }

  /** If a run sets the length of the distillation's schedule, every training timestep is allowed. */
  protected override distilledTimesteps(originalSteps: number, strength: number, asked: boolean): number[] {
    if (!asked) return super.distilledTimesteps(originalSteps, strength, asked);
    return Array.from({ length: Math.max(Math.trunc(this.config.numTrainTimesteps * strength), 0) }, (_, i) => i);
  }
}
