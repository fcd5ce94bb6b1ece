import * as v from "valibot";
import { ArgumentError } from "../errors.js";
import type { Tensor } from "../tensor/tensor.js";
import { f32, sumFloat32 } from "./float32/arithmetic.js";
import { flag, oneOf, real } from "./shared/config-fields.js";
import { eitherStepsOrSigmas, eitherStepsOrTimesteps } from "./shared/custom-timesteps.js";
import { KDiffusionScheduler, kDiffusionFields } from "./shared/k-diffusion-scheduler.js";
import type { StepOutput, TimestepOptions } from "./shared/scheduler.js";
import { namedSpacing } from "./shared/sigma-spacing.js";
import { denoised } from "./shared/variance-exploding.js";

const schema = v.strictObject({
  ...kDiffusionFields({ start: 0.00085, end: 0.012, rare: ["exp"] }),
  /** What the model predicts: "epsilon" (the noise), "sample" (the picture), "v_prediction" (the velocity); "epsilon" by default. */
  predictionType: oneOf(["epsilon", "sample", "v_prediction"], "epsilon"),
  /** Clip the predicted picture to -`clipSampleRange`..`clipSampleRange`; for models of pixels. */
  clipSample: flag(false),
  /** The largest absolute value that `clipSample` leaves; 1 by default. */
  clipSampleRange: real(1),
});

/** Config of a {@link HeunDiscreteScheduler}, with its defaults filled in. @interface */
export type HeunDiscreteConfig = v.InferOutput<typeof schema>;

/**
 * Heun's method along the sigmas: every step but the last evaluates the model again at the end of Euler's step, and uses the mean slope.
 * Karras et al. 2022 (arXiv:2206.00364), Algorithm 1.
 * Matches diffusers' HeunDiscreteScheduler.
 */
export class HeunDiscreteScheduler extends KDiffusionScheduler<HeunDiscreteConfig> {
  static override readonly className = "HeunDiscreteScheduler";
  static override readonly schema = schema;

  override readonly order = 2;
  protected override readonly takes = ["timesteps", "sigmas", "numTrainTimesteps"] as const;
  // The current step, between its two evaluations.
  private euler: { readonly sample: Tensor; readonly derivative: Tensor; readonly change: number } | undefined;

  constructor(config: Partial<HeunDiscreteConfig> = {}) {
    super(config);
    this.plan({ numInferenceSteps: this.config.numTrainTimesteps });
  }

  protected override plan(options: TimestepOptions): void {
    const { numInferenceSteps, timesteps: custom, sigmas: levels, numTrainTimesteps: trainSteps } = options;
    eitherStepsOrTimesteps(this.className, options);
    eitherStepsOrSigmas(this.className, options);
    if (custom && namedSpacing(this.config)) {
      throw new ArgumentError(`${this.className}: custom timesteps cannot be used with karras, exponential or beta sigmas`, {
        argument: "timesteps",
      });
    }
    const { timesteps, sigmas } = this.layout({ steps: numInferenceSteps ?? custom?.length ?? 0, custom, levels, trainSteps });
    this.start(evaluatedTwice(timesteps).map(f32), [...evaluatedTwice(sigmas), levels?.at(-1) ?? 0].map(f32));
    this.euler = undefined;
  }

  protected override takeStep(modelOutput: Tensor, timestep: number, sample: Tensor): StepOutput {
    const { predictionType, clipSample, clipSampleRange } = this.config;
    const index = this.currentIndex(timestep);
    const sigma = this.sigmaAt(index);
    let original = denoised(predictionType, modelOutput, sample, sigma);
    if (clipSample) original = original.clamp(-clipSampleRange, clipSampleRange);
    const derivative = sample.sub(original).div(sigma);
    const prevSample = this.euler ? this.correct(this.euler, derivative) : this.predict(sample, derivative, index);
    this.stepIndex = index + 1;
    return { prevSample, predOriginalSample: original };
  }

  /** Euler's step. */
  private predict(sample: Tensor, derivative: Tensor, index: number): Tensor {
    const change = f32(this.sigmaAt(index + 1) - this.sigmaAt(index));
    this.euler = { sample, derivative, change };
    return sumFloat32([1, sample], [change, derivative]);
  }

  /** The step again, with the mean of the slopes at both ends. */
  private correct({ sample, derivative, change }: NonNullable<typeof this.euler>, derivativeThere: Tensor): Tensor {
    this.euler = undefined;
    return sumFloat32([1, sample], [change, derivative.add(derivativeThere).div(2)]);
  }
}

/** Every value but the first is repeated: it ends one step and begins the next. */
function evaluatedTwice(values: readonly number[]): number[] {
  return values.flatMap((value, i) => (i === 0 ? [value] : [value, value]));
}
