import type { Tensor } from "../../tensor/tensor.js";
import { f32, linspaceFloat32, sumFloat32 } from "../float32/arithmetic.js";
import { expTorch, logTorch } from "../float32/exp-log.js";
import { sqrtTorch } from "../float32/sqrt.js";
import { oneOf, real, trainTimesteps } from "./config-fields.js";
import { SigmaScheduler } from "./sigma-scheduler.js";
import type { Rounding } from "./sigma-spacing.js";

/** The fields of both EDM samplers. */
export const edmFields = () => ({
  /** The smallest noise level of a run; 0.002 by default. */
  sigmaMin: real(0.002),
  /** The largest noise level of a run; 80 by default. */
  sigmaMax: real(80),
  /** The standard deviation of the data the model was trained on. */
  sigmaData: real(0.5),
  /** How noise levels are spaced: "karras" (default) or "exponential". */
  sigmaSchedule: oneOf(["karras", "exponential"], "karras"),
  /** Timesteps of the forward process, 1 to 100,000; 1000 by default. */
  numTrainTimesteps: trainTimesteps(),
  /** The sign of the model output in the predicted picture. */
  predictionType: oneOf(["epsilon", "v_prediction"], "epsilon"),
  /** Karras sigmas are uniform in sigma^(1/rho). */
  rho: real(7),
  /** Where the last step ends: at no noise, or at the cleanest sigma. */
  finalSigmasType: oneOf(["zero", "sigma_min"], "zero"),
});

/** What both EDM samplers' configs have. */
export interface EDMConfig {
  readonly sigmaMin: number;
  readonly sigmaMax: number;
  readonly sigmaData: number;
  readonly sigmaSchedule: "karras" | "exponential";
  readonly numTrainTimesteps: number;
  readonly predictionType: "epsilon" | "v_prediction";
  readonly rho: number;
  readonly finalSigmasType: "zero" | "sigma_min";
}

/** Samplers for models preconditioned as in Karras et al. 2022 (arXiv:2206.00364), section 5 and Table 1. */
export abstract class EDMScheduler<Config extends EDMConfig = EDMConfig> extends SigmaScheduler<Config> {
  override get initNoiseSigma(): number {
    return Math.sqrt(this.config.sigmaMax ** 2 + 1);
  }

  /** c_in of the paper times the sample. */
  protected override scaled(sample: Tensor, timestep: number): Tensor {
    return sample.mul(f32(1 / this.deviation(this.sigmaAt(this.currentIndex(timestep)))));
  }

  /** c_skip of the paper times the sample, plus c_out times the model output: the picture. */
  protected denoised(output: Tensor, sample: Tensor, sigma: number): Tensor {
    const { sigmaData, predictionType } = this.config;
    const skip = sigmaData ** 2 / f32(f32(sigma ** 2) + f32(sigmaData ** 2));
    const out = f32((predictionType === "epsilon" ? sigma : -sigma) * f32(sigmaData)) / this.deviation(sigma);
    return sumFloat32([skip, sample], [out, output]);
  }

  /** Takes the sigmas of a new run, without the one it ends on; the timesteps are c_noise of the paper. */
  protected begin(sigmas: readonly number[], last: number): void {
    this.start(
      sigmas.map((sigma) => f32(0.25 * logTorch(sigma))),
      [...sigmas, last].map(f32),
    );
  }

  /** The sigmas at `ramp`, positions from noisy (0) to clean (1); computed in float32 or, with `round` left out, in double precision. */
  protected sigmasOn(ramp: readonly number[], round: Rounding = (x) => x): number[] {
    const { sigmaMin, sigmaMax, sigmaSchedule, rho } = this.config;
    if (sigmaSchedule === "exponential") {
      return Array.from(linspaceFloat32(Math.log(sigmaMin), Math.log(sigmaMax), ramp.length), expTorch).reverse();
    }
    const [noisy, clean] = [sigmaMax ** (1 / rho), sigmaMin ** (1 / rho)];
    return ramp.map((position) => f32(round(round(noisy) + round(position * round(clean - noisy))) ** rho));
  }

  /** The standard deviation of a sample at `sigma`. */
  private deviation(sigma: number): number {
    return sqrtTorch(f32(f32(sigma ** 2) + f32(this.config.sigmaData ** 2)));
  }
}
