import { concat, type Tensor } from "../../tensor/tensor.js";

/** Channels `start` to `end` (excluded) of `[batch, channels, ...]`. */
export function channels(tensor: Tensor, start: number, end: number): Tensor {
  const [batch = 0, count = 0, ...rest] = tensor.shape;
  const images = Array.from({ length: batch }, (_, i) =>
    tensor
      .slice(i, i + 1)
      .reshape([count, ...rest])
      .slice(start, end),
  );
  return concat(images).reshape([batch, end - start, ...rest]);
}
