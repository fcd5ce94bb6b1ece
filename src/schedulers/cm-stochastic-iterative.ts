import * as v from "valibot";
import type { Tensor } from "../tensor/tensor.js";
import { f32, sumFloat32 } from "./float32/arithmetic.js";
import { sqrtTorch } from "./float32/sqrt.js";
import { flag, real, whole } from "./shared/config-fields.js";
import { eitherStepsOrTimesteps, refuseTooManySteps, refuseUnordered } from "./shared/custom-timesteps.js";
import type { StepOptions, StepOutput, TimestepOptions } from "./shared/scheduler.js";
import { SigmaScheduler } from "./shared/sigma-scheduler.js";
import { linspace } from "./shared/timestep-spacing.js";

const schema = v.strictObject({
  /** Noise levels of the training, 1 to 100,000; 40 by default. Custom timesteps are their numbers, 0 the cleanest. */
  numTrainTimesteps: whole(40, 1, 100_000),
  /** The smallest noise level; 0.002 by default. */
  sigmaMin: real(0.002),
  /** The largest noise level; 80 by default. */
  sigmaMax: real(80),
  /** The standard deviation of the data the model was trained on; 0.5 by default. */
  sigmaData: real(0.5),
  /** Scales the noise that is added between steps; 1 by default, up to 1.011 is useful. */
  sNoise: real(1),
  /** Noise levels are uniform in sigma^(1/rho); 7 by default. */
  rho: real(7),
  /** Clip the predicted picture to -1..1; true by default. */
  clipDenoised: flag(true),
});

/** Config of a {@link CMStochasticIterativeScheduler}, with its defaults filled in. @interface */
export type CMStochasticIterativeConfig = v.InferOutput<typeof schema>;

/**
 * Consistency models: each step predicts the picture, and adds noise up to the next noise level. One step is enough; more are finer.
 * Song et al. 2023, "Consistency Models" (arXiv:2303.01469), Algorithm 1 and, for the boundary condition, Appendix C.
 * Matches diffusers' CMStochasticIterativeScheduler.
 */
export class CMStochasticIterativeScheduler extends SigmaScheduler<CMStochasticIterativeConfig> {
  static override readonly className = "CMStochasticIterativeScheduler";
  static override readonly schema = schema;

  protected override readonly takes = ["timesteps"] as const;

  constructor(config: Partial<CMStochasticIterativeConfig> = {}) {
    super(config);
    const sigmas = this.sigmasAt(linspace(0, 1, this.config.numTrainTimesteps));
    this.start(sigmas.map(timestepOf), sigmas);
  }

  override get initNoiseSigma(): number {
    return this.config.sigmaMax;
  }

  /** Custom `timesteps` are numbers of noise levels of the training, in descending order. */
  protected override plan(options: TimestepOptions): void {
    const { numTrainTimesteps, sigmaMin } = this.config;
    const { numInferenceSteps: steps = 0, timesteps: custom } = options;
    eitherStepsOrTimesteps(this.className, options);
    if (custom) refuseUnordered(this.className, custom, numTrainTimesteps);
    else refuseTooManySteps(steps, numTrainTimesteps);
    const stride = Math.floor(numTrainTimesteps / steps);
    const numbers = custom?.map(Math.trunc) ?? Array.from({ length: steps }, (_, i) => (steps - 1 - i) * stride);
    const sigmas = this.sigmasAt(numbers.toReversed().map((number) => number / (numTrainTimesteps - 1)));
    this.start(sigmas.map(timestepOf), [...sigmas, sigmaMin].map(f32));
  }

  protected override scaled(sample: Tensor, timestep: number): Tensor {
    return sample.div(this.deviation(f32(this.sigmaAt(this.currentIndex(timestep)))));
  }

  protected override takeStep(modelOutput: Tensor, timestep: number, sample: Tensor, options: StepOptions): StepOutput {
    const { numTrainTimesteps, sigmaMin, sigmaMax, sigmaData, sNoise, clipDenoised } = this.config;
    const index = this.currentIndex(timestep);
    const sigma = f32(this.sigmaAt(index));
    const next = f32(this.sigmaAt(index + 1 < numTrainTimesteps ? index + 1 : -1));
    // Appendix C: at sigmaMin, the prediction is the sample itself.
    const above = f32(sigma - f32(sigmaMin));
    const skip = sigmaData ** 2 / f32(f32(above ** 2) + f32(sigmaData ** 2));
    const out = f32(above * f32(sigmaData)) / this.deviation(sigma);
    let denoised = sumFloat32([out, modelOutput], [skip, sample]);
    if (clipDenoised) denoised = denoised.clamp(-1, 1);
    this.stepIndex = index + 1;
    if (this.timesteps.length === 1) return { prevSample: denoised, predOriginalSample: denoised };

    const hat = Math.min(Math.max(next, f32(sigmaMin)), f32(sigmaMax));
    const added = sqrtTorch(f32(f32(hat ** 2) - f32(sigmaMin ** 2)));
    const noise = this.noise(modelOutput.shape, options).mul(f32(sNoise));
    return { prevSample: sumFloat32([1, denoised], [added, noise]), predOriginalSample: denoised };
  }

  /** Karras' noise levels (Karras et al. 2022, equation 5) at `ramp`, positions from noisy (0) to clean (1). */
  private sigmasAt(ramp: readonly number[]): number[] {
    const { sigmaMin, sigmaMax, rho } = this.config;
    const [noisy, clean] = [sigmaMax ** (1 / rho), sigmaMin ** (1 / rho)];
    return ramp.map((position) => (noisy + position * (clean - noisy)) ** rho);
  }

  /** The standard deviation of a sample at `sigma`. */
  private deviation(sigma: number): number {
    return sqrtTorch(f32(f32(sigma ** 2) + f32(this.config.sigmaData ** 2)));
  }
}

/** The timestep that the model takes for a noise level. */
function timestepOf(sigma: number): number {
  return 250 * Math.log(sigma + 1e-44);
}
