import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/errors.js";
import { type InterpolationMode, interpolate } from "../../src/tensor/interpolate.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { readTensors } from "../helpers/safetensors.js";

const tensors = readTensors(new URL("../fixtures/scheduler-extras/extras.safetensors", import.meta.url).pathname);
const input = tensors["resize.input"] as Tensor; // [2, 3, 5, 7]

describe("interpolate", () => {
  const resized = Object.keys(tensors).filter((name) => /^resize\.[a-z-]+\.[\dx]+$/.test(name));
  it.each(resized)("gives torch's numbers: %s", (name) => {
    const [, mode, size] = name.split(".") as [string, InterpolationMode, string];
    const expected = tensors[name] as Tensor;
    // The modes for one and three axes get the same numbers in another shape.
    const from = { linear: input.slice(0, 1).reshape([3, 5, 7]), trilinear: input.slice(0, 1).reshape([1, 1, 3, 5, 7]) } as Record<
      string,
      Tensor
    >;
    const actual = interpolate(from[mode] ?? input, size.split("x").map(Number), mode);
    expect(actual.shape).toEqual(expected.shape);
    expect(Math.max(...actual.sub(expected).toArray().map(Math.abs))).toBeLessThan(1e-5);
  });

  it("refuses a mode for another number of axes", () => {
    expect(() => interpolate(input, [2, 2], "linear")).toThrow(ArgumentError);
    expect(() => interpolate(input, [2, 2], "linear")).toThrow('"linear" does not resize a tensor of shape [2,3,5,7] to [2,2]');
  });

  it("refuses a size below 1", () => {
    expect(() => interpolate(input, [0, 2], "nearest")).toThrow("cannot resize to [0,2]");
  });

  it("keeps a constant constant", () => {
    for (const mode of ["nearest", "nearest-exact", "bilinear", "bicubic", "area"] as const) {
      const values = interpolate(Tensor.full([1, 1, 3, 4], 2.5), [7, 5], mode).toArray();
      for (const value of values) expect(value).toBeCloseTo(2.5, 6);
    }
  });
});
