import * as v from "valibot";
import type { Tensor } from "../tensor/tensor.js";
import { f32, sumFloat32 } from "./float32/arithmetic.js";
import { betaFields, flag, oneOf, spacingFields } from "./shared/config-fields.js";
import { eitherStepsOrSigmas, expectDescent } from "./shared/custom-timesteps.js";
import { positiveAlphasCumprodOf, trainingSigmas } from "./shared/noise-schedule.js";
import type { StepOptions, StepOutput, TimestepOptions } from "./shared/scheduler.js";
import { SigmaScheduler } from "./shared/sigma-scheduler.js";
import { logSigmasOf, sigmasAt, timestepOfSigma } from "./shared/sigma-spacing.js";
import { spacedTimesteps } from "./shared/timestep-spacing.js";
import { ancestralSigmas, denoised, initialSigma, scaleByDeviation } from "./shared/variance-exploding.js";

const schema = v.strictObject({
  ...betaFields(),
  /** What the model predicts: "epsilon" (the noise), "v_prediction" (the velocity); "epsilon" by default. */
  predictionType: oneOf(["epsilon", "v_prediction"], "epsilon"),
  ...spacingFields("linspace"),
  /** Rescale betas so that the last timestep is pure noise (Lin et al. 2023, Algorithm 1); false by default. */
  rescaleBetasZeroSnr: flag(false),
});

/** Config of a {@link EulerAncestralDiscreteScheduler}, with its defaults filled in. @interface */
export type EulerAncestralDiscreteConfig = v.InferOutput<typeof schema>;

/**
 * Ancestral sampling with Euler steps: each step goes below the next sigma and adds noise back up to it.
 * Karras et al. 2022 (arXiv:2206.00364), Algorithm 2 without churn; the split into down and up is k-diffusion's sample_euler_ancestral.
 * Matches diffusers' EulerAncestralDiscreteScheduler.
 */
export class EulerAncestralDiscreteScheduler extends SigmaScheduler<EulerAncestralDiscreteConfig> {
  static override readonly className = "EulerAncestralDiscreteScheduler";
  static override readonly schema = schema;

  protected override readonly takes = ["sigmas"] as const;
  private readonly trainingSigmas = trainingSigmas(positiveAlphasCumprodOf(this.config));

  constructor(config: Partial<EulerAncestralDiscreteConfig> = {}) {
    super(config);
    this.start(Array.from(this.trainingSigmas.keys()).reverse(), [...this.trainingSigmas.toReversed(), 0]);
  }

  override get initNoiseSigma(): number {
    return initialSigma(this.sigmas, this.config.timestepSpacing);
  }

  protected override plan(options: TimestepOptions): void {
    const { numInferenceSteps: steps = 0, sigmas: custom } = options;
    eitherStepsOrSigmas(this.className, options);
    if (custom) {
      expectDescent(this.className, custom);
      const logSigmas = logSigmasOf(this.trainingSigmas);
      const levels = custom.map(f32);
      this.start(
        levels.slice(0, -1).map((sigma) => f32(timestepOfSigma(sigma, logSigmas))),
        levels,
      );
      return;
    }
    const { timestepSpacing, numTrainTimesteps, stepsOffset } = this.config;
    const timesteps = spacedTimesteps(timestepSpacing, { steps, trainSteps: numTrainTimesteps, offset: stepsOffset }).map(f32);
    this.start(timesteps, [...sigmasAt(timesteps, this.trainingSigmas).map(f32), 0]);
  }

  protected override scaled(sample: Tensor, timestep: number): Tensor {
    return scaleByDeviation(sample, this.sigmaAt(this.currentIndex(timestep)));
  }

  protected override takeStep(modelOutput: Tensor, timestep: number, sample: Tensor, options: StepOptions): StepOutput {
    const index = this.currentIndex(timestep);
    const sigma = this.sigmaAt(index);
    const original = denoised(this.config.predictionType, modelOutput, sample, sigma);
    const derivative = sample.sub(original).div(sigma);
    const { up, down } = ancestralSigmas(sigma, this.sigmaAt(index + 1));
    this.stepIndex = index + 1;
    const prevSample = sumFloat32([1, sample], [f32(down - sigma), derivative], [up, this.noise(modelOutput.shape, options)]);
    return { prevSample, predOriginalSample: original };
  }
}
