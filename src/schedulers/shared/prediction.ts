import type { Tensor } from "../../tensor/tensor.js";
import { sumFloat32 } from "../float32/arithmetic.js";
import { channels } from "./channels.js";
import { dynamicThreshold, type ThresholdConfig } from "./thresholding.js";

/** What a model predicts: the noise, the picture, the velocity of both (Salimans & Ho 2022), or the flow (noise minus picture). */
export type PredictionType = "epsilon" | "sample" | "v_prediction" | "flow_prediction";

/** A sample is `alpha * picture + sigma * noise`; `raw` is sigma as the schedule lists it, the scale of flow prediction. */
export interface Mixture {
  readonly alpha: number;
  readonly sigma: number;
  readonly raw: number;
}

/** The predicted picture. */
export function predictedOriginal(type: PredictionType, output: Tensor, sample: Tensor, { alpha, sigma, raw }: Mixture): Tensor {
  switch (type) {
    case "epsilon":
      return sumFloat32([1, sample], [-sigma, output]).div(alpha);
    case "sample":
      return output;
    case "v_prediction":
      return sumFloat32([alpha, sample], [-sigma, output]);
    case "flow_prediction":
      return sumFloat32([1, sample], [-raw, output]);
  }
}

/** The predicted noise. */
export function predictedNoise(
  type: Exclude<PredictionType, "flow_prediction">,
  output: Tensor,
  sample: Tensor,
  { alpha, sigma }: Pick<Mixture, "alpha" | "sigma">,
): Tensor {
  switch (type) {
    case "epsilon":
      return output;
    case "sample":
      return noiseBetween(sample, output, { alpha, sigma });
    case "v_prediction":
      return sumFloat32([alpha, output], [sigma, sample]);
  }
}

/** The noise in `sample` when `original` is the picture in it. */
export function noiseBetween(sample: Tensor, original: Tensor, { alpha, sigma }: Pick<Mixture, "alpha" | "sigma">): Tensor {
  return sumFloat32([1, sample], [-alpha, original]).div(sigma);
}

/** What a model predicts, and whether the picture in it is thresholded. */
export interface PredictionConfig extends ThresholdConfig {
  readonly predictionType: PredictionType;
  readonly thresholding: boolean;
}

/** The predicted picture, thresholded if the config says so. */
export function thresholdedOriginal(config: PredictionConfig, output: Tensor, sample: Tensor, level: Mixture): Tensor {
  const original = predictedOriginal(config.predictionType, output, sample, level);
  return config.thresholding ? dynamicThreshold(original, config) : original;
}

/** The predicted noise. If the config says so, the predicted picture is thresholded first. */
export function thresholdedNoise(config: PredictionConfig, output: Tensor, sample: Tensor, level: Mixture): Tensor {
  const noise = predictedNoise(config.predictionType as Exclude<PredictionType, "flow_prediction">, output, sample, level);
  if (!config.thresholding) return noise;
  return noiseBetween(sample, dynamicThreshold(predictedOriginal("epsilon", noise, sample, level), config), level);
}

/** The output of a model that also predicts a variance, without it: the first three channels. Any other output unchanged. */
export function withoutVariance(
  output: Tensor,
  { predictionType, varianceType }: { readonly predictionType: PredictionType; readonly varianceType: string | null },
): Tensor {
  const learned = varianceType === "learned" || varianceType === "learned_range";
  return learned && predictionType === "epsilon" ? channels(output, 0, Math.min(3, output.shape[1] ?? 0)) : output;
}
