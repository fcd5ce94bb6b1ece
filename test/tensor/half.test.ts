import { describe, expect, it } from "vitest";
import { fromBfloat, fromHalf, toBfloat, toHalf } from "../../src/tensor/half.js";

const all = Array.from({ length: 65536 }, (_, bits) => bits);
const isNan = { half: (bits: number) => (bits & 0x7fff) > 0x7c00, bfloat: (bits: number) => (bits & 0x7fff) > 0x7f80 };

describe("float16", () => {
  it("gives back all 65,536 bit patterns (one NaN for all)", () => {
    const wrong = all.filter((bits) => toHalf(fromHalf(bits)) !== (isNan.half(bits) ? 0x7e00 : bits));
    expect(wrong).toEqual([]);
  });

  it("rises from each number to the next", () => {
    const wrong = all.filter((bits) => bits < 0x7c00 && !(fromHalf(bits) < fromHalf(bits + 1)));
    expect(wrong).toEqual([]);
  });

  it("rounds to the nearer neighbour, and a tie to the even one", () => {
    const wrong = all.filter((low) => {
      if (low >= 0x7bff) return false;
      const [a, b] = [fromHalf(low), fromHalf(low + 1)];
      const middle = (a + b) / 2;
      const step = (b - a) / 1024;
      const even = low % 2 ? low + 1 : low;
      return (
        toHalf(middle) !== even || toHalf(-middle) !== (even | 0x8000) || toHalf(middle - step) !== low || toHalf(middle + step) !== low + 1
      );
    });
    expect(wrong).toEqual([]);
  });

  it.each([
    ["1", 1, 0x3c00],
    ["-2", -2, 0xc000],
    ["the largest", 65504, 0x7bff],
    ["just below half-way to 65536", 65519.99609375, 0x7bff],
    ["half-way to 65536", 65520, 0x7c00],
    ["the largest float32", 3.4e38, 0x7c00],
    ["-infinity", Number.NEGATIVE_INFINITY, 0xfc00],
    ["the smallest normal", 2 ** -14, 0x0400],
    ["the smallest subnormal", 2 ** -24, 0x0001],
    ["half the smallest subnormal, a tie with 0", 2 ** -25, 0x0000],
    ["one and a half of it, a tie with its double", 1.5 * 2 ** -24, 0x0002],
    ["the smallest float32", 2 ** -149, 0x0000],
    ["0", 0, 0x0000],
    ["-0", -0, 0x8000],
    ["NaN", Number.NaN, 0x7e00],
  ])("stores %s", (_, value, bits) => {
    expect(toHalf(value)).toBe(bits);
  });

  it("reads -0", () => {
    expect(fromHalf(0x8000)).toBe(-0);
  });
});

describe("bfloat16", () => {
  it("gives back all 65,536 bit patterns (one NaN for all)", () => {
    const wrong = all.filter((bits) => toBfloat(fromBfloat(bits)) !== (isNan.bfloat(bits) ? 0x7fc0 : bits));
    expect(wrong).toEqual([]);
  });

  it("rounds to the nearer neighbour, and a tie to the even one", () => {
    const wrong = all.filter((low) => {
      if (low >= 0x7f7f) return false;
      const [a, b] = [fromBfloat(low), fromBfloat(low + 1)];
      const middle = (a + b) / 2;
      const step = (b - a) / 256;
      const even = low % 2 ? low + 1 : low;
      return (
        toBfloat(middle) !== even ||
        toBfloat(-middle) !== (even | 0x8000) ||
        toBfloat(middle - step) !== low ||
        toBfloat(middle + step) !== low + 1
      );
    });
    expect(wrong).toEqual([]);
  });

  it.each([
    ["1", 1, 0x3f80],
    ["the largest float32, which rounds to infinity", 3.4028234663852886e38, 0x7f80],
    ["-infinity", Number.NEGATIVE_INFINITY, 0xff80],
    ["the smallest subnormal", 2 ** -133, 0x0001],
    ["-0", -0, 0x8000],
    ["NaN", Number.NaN, 0x7fc0],
  ])("stores %s", (_, value, bits) => {
    expect(toBfloat(value)).toBe(bits);
  });

  it("reads -0", () => {
    expect(fromBfloat(0x8000)).toBe(-0);
  });
});
