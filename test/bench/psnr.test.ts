import { describe, expect, it } from "vitest";
import { formatDecibels, psnr } from "../../bench/psnr.js";

describe("PSNR", () => {
  it("of pictures that differ by 1 everywhere is 20 times the logarithm of 255", () => {
    expect(psnr([1, 2, 3], [2, 3, 4])).toBeCloseTo(48.13, 2);
  });

  it("depends on the mean square: one value off by 2 counts as four off by 1", () => {
    expect(psnr([2, 0, 0, 0], [0, 0, 0, 0])).toBeCloseTo(psnr([1, 1, 1, 1], [0, 0, 0, 0]), 10);
  });

  it("is 0 of black and white, and infinite of equal pictures", () => {
    expect(psnr([0, 255], [255, 0])).toBe(0);
    expect(psnr([7, 8], [7, 8])).toBe(Number.POSITIVE_INFINITY);
    expect([formatDecibels(31.26), formatDecibels(Number.POSITIVE_INFINITY)]).toEqual(["31.3 dB", "the same"]);
  });

  it("is refused for pictures of different sizes, and for empty ones", () => {
    expect(() => psnr([1], [1, 2])).toThrow("1 values were given for 2");
    expect(() => psnr([], [])).toThrow("0 values were given for 0");
  });
});
