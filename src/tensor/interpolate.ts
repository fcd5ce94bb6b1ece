import { ArgumentError } from "../errors.js";
import { allocate } from "./dtype.js";
import { sizeOf, Tensor } from "./tensor.js";

export const INTERPOLATION_MODES = ["nearest", "linear", "bilinear", "bicubic", "trilinear", "area", "nearest-exact"] as const;
export type InterpolationMode = (typeof INTERPOLATION_MODES)[number];

/** How many axes after batch and channels a mode needs; the other modes take any number of axes. */
const AXES: Partial<Record<InterpolationMode, number>> = { linear: 1, bilinear: 2, bicubic: 2, trilinear: 3 };

/** The input positions that one output position is made of, and their weights. */
type Taps = readonly (readonly [position: number, weight: number])[];

/**
 * Resizes the axes after batch and channels of `[batch, channels, ...]` to `size`, as `torch.nn.functional.interpolate` does with its
 * defaults (pixel centres, no antialiasing).
 *
 * @throws ArgumentError if the mode is for another number of axes, or a size is not a whole number of at least 1.
 */
export function interpolate(tensor: Tensor, size: readonly number[], mode: InterpolationMode): Tensor {
  const axes = tensor.shape.length - 2;
  if (size.length !== axes || axes !== (AXES[mode] ?? axes)) {
    throw new ArgumentError(`"${mode}" does not resize a tensor of shape [${tensor.shape}] to [${size}]`);
  }
  if (!size.every((extent) => Number.isInteger(extent) && extent >= 1)) throw new ArgumentError(`cannot resize to [${size}]`);
  return size.reduceRight((resized, extent, axis) => resizeAxis(resized, axis + 2, extent, mode), tensor);
}

function resizeAxis(tensor: Tensor, axis: number, to: number, mode: InterpolationMode): Tensor {
  const from = tensor.shape[axis] as number;
  const outer = sizeOf(tensor.shape.slice(0, axis));
  const inner = sizeOf(tensor.shape.slice(axis + 1));
  const result = allocate("float32", outer * to * inner);
  for (let position = 0; position < to; position++) {
    const taps = tapsOf(position, from, to, mode);
    for (let row = 0; row < outer; row++) {
      for (let k = 0; k < inner; k++) {
        let sum = 0;
        for (const [source, weight] of taps) sum += weight * (tensor.data[(row * from + source) * inner + k] as number);
        result[(row * to + position) * inner + k] = sum;
      }
    }
  }
  return Tensor.from(result, [...tensor.shape.slice(0, axis), to, ...tensor.shape.slice(axis + 1)]);
}

function tapsOf(position: number, from: number, to: number, mode: InterpolationMode): Taps {
  const scale = Math.fround(from / to);
  const inside = (source: number) => Math.min(Math.max(source, 0), from - 1);
  switch (mode) {
    case "nearest":
      return [[inside(Math.floor(Math.fround(position * scale))), 1]];
    case "nearest-exact":
      return [[inside(Math.floor(Math.fround((position + 0.5) * scale))), 1]];
    case "area": {
      const [start, end] = [Math.floor((position * from) / to), Math.ceil(((position + 1) * from) / to)];
      return Array.from({ length: end - start }, (_, i) => [start + i, 1 / (end - start)]);
    }
    case "bicubic": {
      const centre = scale * (position + 0.5) - 0.5;
      const below = Math.floor(centre);
      return [-1, 0, 1, 2].map((offset) => [inside(below + offset), cubic(centre - (below + offset))]);
    }
    default: {
      const centre = Math.max(scale * (position + 0.5) - 0.5, 0);
      const below = inside(Math.floor(centre));
      const weight = Math.min(centre - below, 1);
      return [
        [below, 1 - weight],
        [inside(below + 1), weight],
      ];
    }
  }
}

/** Keys' cubic convolution kernel with torch's a = -0.75. */
function cubic(distance: number): number {
  const [x, a] = [Math.abs(distance), -0.75];
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((x - 5) * x + 8) * x * a - 4 * a : 0;
}
