import type { Tensor } from "../../tensor/tensor.js";
import { sumFloat32 } from "../float32/arithmetic.js";

/** What a model predicts: the noise, the picture, the velocity of both (Salimans & Ho 2022), or the flow (noise minus picture). */
export type PredictionType = "epsilon" | "sample" | "v_prediction" | "flow_prediction";

/** A sample is `alpha * picture + sigma * noise`; `raw` is sigma as the schedule lists it, which flow prediction is scaled by. */
export interface Mixture {
  readonly alpha: number;
  readonly sigma: number;
  readonly raw: number;
}

/** The picture that a model output stands for. */
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

/** The noise that a model output stands for. */
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
