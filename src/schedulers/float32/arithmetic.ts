import { ArgumentError } from "../../errors.js";
import { sizeOf, Tensor } from "../../tensor/tensor.js";

/**
 * torch keeps noise schedules in float32 and rounds after every operation. Differences such as `1 - alphaCumprod` near zero amplify these
 * roundings beyond our tolerance, so schedules round where torch rounds. These functions need more than `Math.fround`.
 */
export const f32 = Math.fround;

/**
 * `w0 * t0 + w1 * t1 + ...` as torch evaluates it: weights, products and partial sums, from left to right, are rounded to float32. If two
 * large terms cancel (with a sigma in the thousands, for example), the exact sum of `weightedSum` would differ visibly.
 */
export function sumFloat32(...terms: readonly (readonly [weight: number, tensor: Tensor])[]): Tensor {
  const shape = terms[0]?.[1].shape ?? [];
  const sum = new Float32Array(sizeOf(shape));
  for (const [i, [weight, tensor]] of terms.entries()) {
    const [w, { data }] = [f32(weight), tensor];
    if (data.length !== sum.length) throw new ArgumentError(`tensors of shapes [${shape}] and [${tensor.shape}] do not match`);
    for (let k = 0; k < sum.length; k++) {
      const term = f32(w * (data[k] as number));
      sum[k] = i === 0 ? term : (sum[k] as number) + term;
    }
  }
  return Tensor.from(sum, shape);
}

/** `torch.linspace(start, end, count, dtype=float32)`: counted from the nearer end, with one rounding (fused multiply-add) per value. */
export function linspaceFloat32(start: number, end: number, count: number): Float32Array {
  const [first, last] = [f32(start), f32(end)];
  if (count === 1) return Float32Array.of(first);
  const step = f32(f32(last - first) / (count - 1));
  return Float32Array.from({ length: count }, (_, i) => (i < Math.floor(count / 2) ? first + step * i : last - step * (count - 1 - i)));
}
