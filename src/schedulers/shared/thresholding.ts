import { concat, type Tensor } from "../../tensor/tensor.js";
import { f32 } from "../float32/arithmetic.js";

/** The numbers of dynamic thresholding. */
export interface ThresholdConfig {
  /** Quantile of the absolute values that becomes the new range. */
  readonly dynamicThresholdingRatio: number;
  /** Largest range allowed. */
  readonly sampleMaxValue: number;
}

/**
 * Dynamic thresholding (Saharia et al. 2022, "Imagen", section 2.3): each image is clipped to its own quantile and scaled back to -1..1.
 */
export function dynamicThreshold(sample: Tensor, { dynamicThresholdingRatio, sampleMaxValue }: ThresholdConfig): Tensor {
  const images = Array.from({ length: sample.shape[0] ?? 0 }, (_, i) => sample.slice(i, i + 1));
  return concat(
    images.map((image) => {
      const range = Math.min(Math.max(quantile(image.data.map(Math.abs), dynamicThresholdingRatio), 1), sampleMaxValue);
      return image.map((value) => Math.min(Math.max(value, -range), range) / range);
    }),
  );
}

/** `torch.quantile`: linear interpolation between order statistics, in float32. */
function quantile(values: Float32Array, q: number): number {
  const sorted = values.sort();
  const rank = f32(f32(q) * (sorted.length - 1));
  const below = Math.floor(rank);
  const weight = f32(rank - below);
  const [low, high] = [sorted[below] as number, sorted[Math.ceil(rank)] as number];
  const gap = f32(high - low);
  return weight < 0.5 ? f32(low + f32(weight * gap)) : f32(high - f32(gap * f32(1 - weight)));
}
