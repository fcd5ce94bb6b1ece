import { ArgumentError } from "../../errors.js";
import { sizeOf, Tensor } from "../../tensor/tensor.js";

/**
 * torch keeps noise schedules in float32 and rounds after every operation. Differences such as `1 - alphaCumprod` near zero amplify that
 * rounding beyond our tolerance, so schedules round where torch rounds. These are the few pieces that take more than `Math.fround`.
 */
export const f32 = Math.fround;

/**
 * `w0 * t0 + w1 * t1 + ...` as torch evaluates it: weights, products and partial sums, from left to right, are rounded to float32. Where two
 * large terms cancel (a sigma in the thousands, say), the exact sum of `weightedSum` would differ visibly.
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

/** `torch.linspace(start, end, count, dtype=float32)`: counted from the nearer end, one rounding (fused multiply-add) per value. */
export function linspaceFloat32(start: number, end: number, count: number): Float32Array {
  const [first, last] = [f32(start), f32(end)];
  if (count === 1) return Float32Array.of(first);
  const step = f32(f32(last - first) / (count - 1));
  return Float32Array.from({ length: count }, (_, i) => (i < Math.floor(count / 2) ? first + step * i : last - step * (count - 1 - i)));
}

// Coefficients of numpy's rational minimax approximation of log(1 + y), numpy/_core/src/umath/npy_simd_data.h, as float32.
const LOG_P = [0, 1, 2.112677543073053, 1.4800006335765066, 0.38088377413884084, 0.02589979117907923].map(f32);
const LOG_Q = [1, 2.612677543073109, 2.453006071784736, 0.9864942958519418, 0.1546476374983907, 0.005875095403124574].map(f32);
const LN_2 = f32(Math.LN2);

/**
 * `np.log` of a float32, which is up to 4 units off in the last place: where a sigma lies between two log sigmas decides a timestep, so
 * the correctly rounded logarithm would move timesteps. Positive normal numbers only.
 */
export function logFloat32(x: number): number {
  const value = f32(x);
  if (value === 0) return Number.NEGATIVE_INFINITY;
  if (!(value > 0 && value < Number.POSITIVE_INFINITY)) return Math.log(value);
  let exponent = Math.floor(Math.log2(value));
  let mantissa = value / 2 ** exponent;
  if (mantissa >= 2 || mantissa < 1) {
    const carry = mantissa >= 2 ? 1 : -1;
    exponent += carry;
    mantissa = value / 2 ** exponent;
  }
  if (mantissa / 2 > f32(Math.SQRT1_2)) {
    exponent += 1;
    mantissa /= 2;
  }
  const y = f32(mantissa - 1);
  const horner = (coefficients: readonly number[]) => coefficients.reduceRight((sum, coefficient) => f32(sum * y + coefficient));
  return f32(exponent * LN_2 + f32(horner(LOG_P) / horner(LOG_Q)));
}
