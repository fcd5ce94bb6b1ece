import { expect, it } from "vitest";
import { fitLine, fitPower } from "../../bench/fit.js";

it("a line goes through points that lie on one", () => {
  const { intercept, slope } = fitLine([1, 5, 10].map((x) => [x, 3 + 2 * x]));
  expect(intercept).toBeCloseTo(3, 12);
  expect(slope).toBeCloseTo(2, 12);
});

it("a line through scattered points has the least sum of squares", () => {
  // By the normal equations: slope 1/2, through the centre (1, 2/3).
  const { intercept, slope } = fitLine([
    [0, 0],
    [1, 1],
    [2, 1],
  ]);
  expect(slope).toBeCloseTo(1 / 2, 12);
  expect(intercept).toBeCloseTo(1 / 6, 12);
});

it("a power law gives its exponent", () => {
  expect(fitPower([256, 512, 1024].map((x) => [x, 7 * x ** 2.25]))).toBeCloseTo(2.25, 12);
});
