import { expect } from "vitest";
import type { DType } from "../../src/tensor/dtype.js";
import type { Tensor } from "../../src/tensor/tensor.js";

/** The largest difference of two tensors. The test fails if the shapes differ or a difference is not a number. */
export function largestDifference(found: Tensor, expected: Tensor<DType>): number {
  expect(found.shape).toEqual(expected.shape);
  let largest = 0;
  for (let i = 0; i < found.size; i++) {
    const difference = Math.abs((found.data[i] as number) - Number(expected.data[i]));
    if (Number.isNaN(difference)) expect.fail(`number ${i} is ${found.data[i]}, expected ${expected.data[i]}`);
    largest = Math.max(largest, difference);
  }
  return largest;
}

/** Fails unless the tensors have the same shape and all differences are at most `tolerance`. */
export function expectClose(found: Tensor, expected: Tensor<DType>, tolerance = 1e-4): void {
  expect(largestDifference(found, expected)).toBeLessThanOrEqual(tolerance);
}
