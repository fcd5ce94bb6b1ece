// Samplers of Karras et al. 2022 (arXiv:2206.00364): a sample is `picture + sigma * noise`.
import type { Tensor } from "../../tensor/tensor.js";
import { f32, sumFloat32 } from "../float32/arithmetic.js";
import { sqrtTorch } from "../float32/sqrt.js";
import type { StepOptions } from "./scheduler.js";

/** The predicted picture; `hat` is the sigma after churn, if it differs. */
export function denoised(type: "epsilon" | "sample" | "v_prediction", output: Tensor, sample: Tensor, sigma: number, hat = sigma): Tensor {
  switch (type) {
    case "epsilon":
      return sumFloat32([1, sample], [-hat, output]);
    case "sample":
      return output;
    case "v_prediction": {
      const total = f32(f32(sigma ** 2) + 1);
      return sumFloat32([-sigma / sqrtTorch(total), output], [1 / total, sample]);
    }
  }
}

/**
 * The standard deviation of the first noise: the largest sigma or, for "leading" timesteps, which start below pure noise, a sample's
 * deviation.
 */
export function initialSigma(sigmas: readonly number[], timestepSpacing: string): number {
  const largest = Math.max(...sigmas);
  return timestepSpacing === "leading" ? sqrtTorch(f32(f32(largest ** 2) + 1)) : largest;
}

/** The sample scaled to unit variance, as in the model's training. */
export function scaleByDeviation(sample: Tensor, sigma: number): Tensor {
  return sample.div(sqrtTorch(f32(f32(sigma ** 2) + 1)));
}

/** Limits of {@link ancestralSigmas}: the share of fresh noise, 0 to 1 (default), and the largest `up`. */
interface AncestralOptions {
  readonly eta?: number;
  readonly most?: number;
}

/** The sigma to step down to (`down`) and the noise to add then (`up`), so that the result is as noisy as `to`. */
export function ancestralSigmas(
  from: number,
  to: number,
  { eta = 1, most = Number.POSITIVE_INFINITY }: AncestralOptions = {},
): { readonly up: number; readonly down: number } {
  if (eta === 0) return { up: 0, down: to };
  const [fromSquared, toSquared] = [f32(from ** 2), f32(to ** 2)];
  const up = Math.min(most, f32(eta * sqrtTorch(f32(f32(toSquared * f32(fromSquared - toSquared)) / fromSquared))));
  return { up, down: sqrtTorch(f32(toSquared - f32(up ** 2))) };
}

/**
 * Churn (Algorithm 2): before a step, noise raises the sample from `sigma` to `hat`. `added` is the standard deviation of this noise, or 0.
 * `steps` is the length of the run.
 */
export function churn(
  sigma: number,
  steps: number,
  { sChurn = 0, sTmin = 0, sTmax = Number.POSITIVE_INFINITY, sNoise = 1 }: StepOptions,
): { readonly hat: number; readonly added: number } {
  const gamma = sTmin <= sigma && sigma <= sTmax ? Math.min(sChurn / steps, Math.SQRT2 - 1) : 0;
  const hat = f32(sigma * (gamma + 1));
  return { hat, added: gamma > 0 ? sNoise * sqrtTorch(f32(f32(hat ** 2) - f32(sigma ** 2))) : 0 };
}
