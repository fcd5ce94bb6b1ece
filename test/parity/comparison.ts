import type { DType } from "../../src/tensor/dtype.js";
import type { Tensor } from "../../src/tensor/tensor.js";

/** One comparison of a case: the difference from Python's result, in the unit of `tolerance`. */
export interface Comparison {
  /** The tensor or number, by its name in the case. */
  readonly what: string;
  readonly error: number;
  readonly tolerance: number;
  /** The unit of error and tolerance, if they are not absolute differences. */
  readonly unit?: "ulp" | "relative";
}

/** Numbers, with a shape where the case has one. */
type Numbers = Tensor<DType> | readonly number[];

/** Darkroom does not have this: the case neither passes nor fails. */
export class NotSupported extends Error {}

/** Within `tolerance` of what was expected, everywhere. */
export function withinAbsolute(what: string, actual: Numbers, expected: Numbers, tolerance: number): Comparison {
  return { what, error: largest(what, actual, expected, (a, b) => Math.abs(a - b)), tolerance };
}

/** Within `tolerance` times the largest absolute value expected. */
export function withinRelative(what: string, actual: Numbers, expected: Numbers, tolerance: number): Comparison {
  const scale = toArray(expected).reduce((most, value) => (Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most), 0);
  // Zeros must be exact.
  return { what, error: largest(what, actual, expected, (a, b) => Math.abs(a - b) / scale), tolerance, unit: "relative" };
}

/** The same numbers. */
export function exactly(what: string, actual: Numbers, expected: Numbers): Comparison {
  return withinAbsolute(what, actual, expected, 0);
}

/** Bits of the significand after the point, and the least exponent of a normal number. */
const PRECISION: Partial<Record<DType, readonly [bits: number, leastExponent: number]>> = {
  float64: [52, -1022],
  float32: [23, -126],
  float16: [10, -14],
  bfloat16: [7, -126],
};

/** Within `tolerance` units in the last place of the expected tensor's dtype. */
export function withinUlp(what: string, actual: Tensor<DType>, expected: Tensor<DType>, tolerance: number): Comparison {
  const [bits, leastExponent] = PRECISION[expected.dtype] ?? [0, 0];
  const ulp = (value: number) => 2 ** (Math.max(Math.floor(Math.log2(Math.abs(value))), leastExponent) - bits);
  if (actual.dtype !== expected.dtype) throw new Error(`${what} is ${actual.dtype}; ${expected.dtype} was expected`);
  return { what, error: largest(what, actual, expected, (a, b) => Math.abs(a - b) / ulp(b)), tolerance, unit: "ulp" };
}

/** Whether a comparison holds. */
export function holds({ error, tolerance }: Comparison): boolean {
  return error <= tolerance;
}

/** The largest difference of two lists of numbers. NaN and infinities are equal to themselves, and infinitely far from other numbers. */
function largest(what: string, actual: Numbers, expected: Numbers, difference: (actual: number, expected: number) => number): number {
  const [own, python] = [shapeOf(actual), shapeOf(expected)];
  if (String(own) !== String(python)) throw new Error(`${what} is [${own.join(", ")}]; [${python.join(", ")}] was expected`);
  const values = toArray(actual);
  return toArray(expected).reduce((most, value, i) => {
    const found = values[i] as number;
    if (found === value || (Number.isNaN(found) && Number.isNaN(value))) return most;
    const error = difference(found, value);
    return Number.isNaN(error) ? Number.POSITIVE_INFINITY : Math.max(most, error);
  }, 0);
}

function shapeOf(numbers: Numbers): readonly number[] {
  return "shape" in numbers ? numbers.shape : [numbers.length];
}

function toArray(numbers: Numbers): readonly number[] {
  return "shape" in numbers ? numbers.toArray() : numbers;
}
