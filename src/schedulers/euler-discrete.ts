import * as v from "valibot";
import { ArgumentError } from "../errors.js";
import type { Tensor } from "../tensor/tensor.js";
import { f32, linspaceFloat32, sumFloat32 } from "./float32/arithmetic.js";
import { logTorch } from "./float32/exp-log.js";
import { sqrtTorch } from "./float32/sqrt.js";
import { betaFields, flag, oneOf, oneSpacing, optionalReal, sigmaSpacingFields, spacingFields } from "./shared/config-fields.js";
import { expectVelocity, mixRows } from "./shared/forward-process.js";
import { atTimestep, positiveAlphasCumprodOf, trainingSigmas } from "./shared/noise-schedule.js";
import type { StepOptions, StepOutput, TimestepOptions } from "./shared/scheduler.js";
import { SigmaScheduler } from "./shared/sigma-scheduler.js";
import { logSigmasOf, namedSpacing, sigmaRange, sigmasAt, timestepOfFloat32Sigma, timestepOfSigma } from "./shared/sigma-spacing.js";
import { spacedTimesteps } from "./shared/timestep-spacing.js";
import { churn, denoised, initialSigma, scaleByDeviation } from "./shared/variance-exploding.js";

const schema = v.strictObject({
  ...betaFields(),
  /** What the model predicts: "epsilon" (the noise), "sample" (the picture), "v_prediction" (the velocity); "epsilon" by default. */
  predictionType: oneOf(["epsilon", "sample", "v_prediction"], "epsilon"),
  /** How sigmas between training timesteps are found: by interpolation, or evenly spaced in log sigma. */
  interpolationType: oneOf(["linear", "log_linear"], "linear"),
  ...sigmaSpacingFields(),
  /** Ends of the named spacings; null takes them from the timesteps. */
  sigmaMin: optionalReal(),
  /** The largest noise level of a run; null takes it from the training sigmas. */
  sigmaMax: optionalReal(),
  ...spacingFields("linspace"),
  /** "continuous" uses log(sigma) / 4 as timestep of v-prediction models that were trained the EDM way. */
  timestepType: oneOf(["discrete", "continuous"], "discrete"),
  /** Rescale betas so that the last timestep is pure noise (Lin et al. 2023, Algorithm 1); false by default. */
  rescaleBetasZeroSnr: flag(false),
  /** Where the last step ends: at no noise, or at the cleanest training sigma. */
  finalSigmasType: oneOf(["zero", "sigma_min"], "zero"),
});

/** Config of a {@link EulerDiscreteScheduler}, with its defaults filled in. @interface */
export type EulerDiscreteConfig = v.InferOutput<typeof schema>;

/**
 * Euler's method along the sigmas, with optional churn.
 * Karras et al. 2022, "Elucidating the Design Space of Diffusion-Based Generative Models" (arXiv:2206.00364), Algorithm 2 with Euler steps.
 * Matches diffusers' EulerDiscreteScheduler.
 */
export class EulerDiscreteScheduler extends SigmaScheduler<EulerDiscreteConfig> {
  static override readonly className = "EulerDiscreteScheduler";
  static override readonly schema = schema;

  protected override readonly takes = ["timesteps", "sigmas"] as const;
  private readonly alphasCumprod = positiveAlphasCumprodOf(this.config);
  private readonly trainingSigmas = trainingSigmas(this.alphasCumprod);

  constructor(config: Partial<EulerDiscreteConfig> = {}) {
    super(config);
    oneSpacing(this.className, this.config);
    const timesteps = Array.from(this.trainingSigmas.keys()).reverse();
    this.begin(timesteps, [...this.trainingSigmas.toReversed(), 0]);
  }

  override get initNoiseSigma(): number {
    return initialSigma(this.sigmas, this.config.timestepSpacing);
  }

  protected override plan(options: TimestepOptions): void {
    const { numTrainTimesteps, timestepSpacing, stepsOffset, interpolationType, finalSigmasType } = this.config;
    const logSigmas = logSigmasOf(this.trainingSigmas);
    if (options.numInferenceSteps !== undefined && (options.timesteps || options.sigmas)) {
      throw new ArgumentError(`${this.className}: only one of numInferenceSteps, timesteps and sigmas can be given`, {
        argument: "timesteps",
      });
    }
    if (options.sigmas) {
      const sigmas = options.sigmas.map(f32);
      this.begin(
        sigmas.slice(0, -1).map((sigma) => timestepOfFloat32Sigma(sigma, logSigmas)),
        sigmas,
      );
      return;
    }
    if (options.timesteps) this.refuseCustomTimesteps();
    const steps = options.numInferenceSteps ?? options.timesteps?.length ?? 0;
    const given = options.timesteps ?? spacedTimesteps(timestepSpacing, { steps, trainSteps: numTrainTimesteps, offset: stepsOffset });
    let timesteps = given.map(f32);
    let sigmas =
      interpolationType === "linear"
        ? sigmasAt(timesteps, this.trainingSigmas)
        : Array.from(linspaceFloat32(logSigmas.at(-1) as number, logSigmas[0] as number, steps + 1), Math.exp).map(f32);
    const spacing = namedSpacing(this.config);
    if (spacing) {
      sigmas = spacing(sigmaRange(this.config, { max: sigmas[0] as number, min: sigmas.at(-1) as number }), steps);
      timesteps = sigmas.map((sigma) => timestepOfSigma(sigma, logSigmas));
    }
    this.begin(timesteps, [...sigmas, finalSigmasType === "zero" ? 0 : (this.trainingSigmas[0] as number)]);
  }

  protected override scaled(sample: Tensor, timestep: number): Tensor {
    return scaleByDeviation(sample, this.sigmaAt(this.currentIndex(timestep)));
  }

  protected override takeStep(modelOutput: Tensor, timestep: number, sample: Tensor, options: StepOptions): StepOutput {
    const index = this.currentIndex(timestep);
    const [sigma, next] = [this.sigmaAt(index), this.sigmaAt(index + 1)];
    const { hat, added } = churn(sigma, this.sigmas.length - 1, options);
    const noisy = added === 0 ? sample : sumFloat32([1, sample], [added, this.noise(modelOutput.shape, options)]);
    const original = denoised(this.config.predictionType, modelOutput, noisy, sigma, hat);
    const derivative = noisy.sub(original).div(hat);
    this.stepIndex = index + 1;
    return { prevSample: sumFloat32([1, noisy], [next - hat, derivative]), predOriginalSample: original };
  }

  override getVelocity(sample: Tensor, noise: Tensor, timesteps: readonly number[]): Tensor {
    expectVelocity(sample, noise, timesteps);
    // Like diffusers, this reads alphasCumprod at the position in `timesteps`, not at the timestep.
    return mixRows(noise, sample, timesteps, (timestep) => {
      const alphaCumprod = atTimestep(this.alphasCumprod, this.indexOf(timestep));
      return [sqrtTorch(alphaCumprod), -sqrtTorch(f32(1 - alphaCumprod))];
    });
  }

  private begin(timesteps: readonly number[], sigmas: readonly number[]): void {
    const rounded = sigmas.map(f32);
    this.start(this.isContinuous ? rounded.slice(0, -1).map((sigma) => f32(0.25 * logTorch(sigma))) : timesteps.map(f32), rounded);
  }

  private get isContinuous(): boolean {
    return this.config.timestepType === "continuous" && this.config.predictionType === "v_prediction";
  }

  private refuseCustomTimesteps(): void {
    const { useKarrasSigmas, useExponentialSigmas, useBetaSigmas } = this.config;
    if (useKarrasSigmas || useExponentialSigmas || useBetaSigmas) {
      throw new ArgumentError(`${this.className}: custom timesteps cannot be used with karras, exponential or beta sigmas`, {
        argument: "timesteps",
      });
    }
    if (this.isContinuous)
      throw new ArgumentError(`${this.className}: custom timesteps cannot be used with continuous timesteps`, { argument: "timesteps" });
  }
}
