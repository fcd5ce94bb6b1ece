import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/errors.js";
import type { DType } from "../../src/tensor/dtype.js";
import { concat, sizeOf, Tensor, weightedSum } from "../../src/tensor/tensor.js";

/** 0, 1, 2, ... in the given shape. */
function counted(...shape: number[]): Tensor {
  return Tensor.from(
    Array.from({ length: sizeOf(shape) }, (_, i) => i),
    shape,
  );
}

describe("Tensor", () => {
  it("refuses data that does not fill its shape", () => {
    expect(() => Tensor.from([1, 2, 3], [2, 2])).toThrow("tensor of shape [2,2] needs 4 numbers; 3 were given");
  });

  it("holds one number when it has no axes", () => {
    expect(Tensor.full([], 7).toArray()).toEqual([7]);
  });

  it("shares its numbers with another shape of itself", () => {
    const tensor = counted(2, 3);
    expect(tensor.reshape([3, 2]).data).toBe(tensor.data);
  });

  it("refuses a shape of another size", () => {
    expect(() => counted(2, 3).reshape([4])).toThrow(ArgumentError);
  });

  it("takes rows as a view", () => {
    const rows = counted(3, 2).slice(1, 3);
    expect(rows.shape).toEqual([2, 2]);
    expect(rows.toArray()).toEqual([2, 3, 4, 5]);
  });

  it("refuses rows it does not have", () => {
    expect(() => counted(3, 2).slice(1, 4)).toThrow("rows 1 to 4 are outside a tensor of shape [3,2]");
  });

  it("splits into equal chunks", () => {
    expect(
      counted(4, 1)
        .chunk(2)
        .map((part) => part.toArray()),
    ).toEqual([
      [0, 1],
      [2, 3],
    ]);
  });

  it.each([0, 3])("does not split four rows into %i chunks", (count) => {
    expect(() => counted(4, 1).chunk(count)).toThrow(ArgumentError);
  });

  it("repeats each row in place", () => {
    const repeated = counted(2, 2).repeatInterleave(2);
    expect(repeated.shape).toEqual([4, 2]);
    expect(repeated.toArray()).toEqual([0, 1, 0, 1, 2, 3, 2, 3]);
  });

  it("computes element by element and rounds to float32", () => {
    const [a, b] = [Tensor.from([1, 2]), Tensor.from([3, 7])];
    expect(a.add(b).toArray()).toEqual([4, 9]);
    expect(a.sub(1).toArray()).toEqual([0, 1]);
    expect(a.mul(b).toArray()).toEqual([3, 14]);
    expect(a.div(b).toArray()).toEqual([Math.fround(1 / 3), Math.fround(2 / 7)]);
    expect(Tensor.from([-2, 0.5, 3]).clamp(-1, 1).toArray()).toEqual([-1, 0.5, 1]);
  });

  it("does not add tensors of other shapes, even of the same size", () => {
    expect(() => counted(2, 3).add(counted(3, 2))).toThrow("tensors of shapes [2,3] and [3,2] do not match");
  });

  it("keeps NaN when it clamps, as torch does", () => {
    expect(Tensor.from([Number.NaN]).clamp(0, 1).toArray()).toEqual([Number.NaN]);
  });
});

describe("Tensor.to", () => {
  it.each([
    ["float64", [1.5, -2.25, 0]],
    ["float16", [1.5, -2.25, 0]],
    ["bfloat16", [1.5, -2.25, 0]],
    ["int64", [1, -2, 0]],
    ["int32", [1, -2, 0]],
    ["bool", [1, 1, 0]],
  ] as [DType, number[]][])("converts to %s and reads back", (dtype, expected) => {
    const converted = Tensor.from([1.5, -2.25, 0]).to(dtype);
    expect(converted.dtype).toBe(dtype);
    expect(converted.toArray()).toEqual(expected);
  });

  it("is the tensor itself for its own dtype", () => {
    const tensor = counted(3);
    expect(tensor.to("float32")).toBe(tensor);
  });

  it("keeps -0 in every float", () => {
    for (const dtype of ["float64", "float16", "bfloat16"] as const) {
      expect(Tensor.from([-0]).to(dtype).to("float32").toArray()).toEqual([-0]);
    }
  });
});

describe("concat", () => {
  it("joins along the first axis", () => {
    const joined = concat([counted(1, 2), counted(2, 2)]);
    expect(joined.shape).toEqual([3, 2]);
    expect(joined.toArray()).toEqual([0, 1, 0, 1, 2, 3]);
  });

  it.each([1, -1])("joins along axis %i of two", (axis) => {
    const joined = concat([counted(2, 1), counted(2, 2)], axis);
    expect(joined.shape).toEqual([2, 3]);
    expect(joined.toArray()).toEqual([0, 0, 1, 1, 2, 3]);
  });

  it.each([
    ["shapes that differ elsewhere", [counted(2, 1), counted(3, 1)], 1],
    ["another number of axes", [counted(2), counted(2, 1)], 0],
    ["an axis that is not there", [counted(2), counted(2)], 1],
    ["another dtype", [counted(2), counted(2).to("int64")], 0],
    ["nothing", [], 0],
  ] as [string, Tensor<DType>[], number][])("refuses %s", (_, tensors, axis) => {
    expect(() => concat(tensors, axis)).toThrow(ArgumentError);
  });
});

describe("weightedSum", () => {
  it("adds in double precision and rounds once", () => {
    const sum = weightedSum([1, Tensor.from([1])], [2 ** -24, Tensor.from([1])], [2 ** -24, Tensor.from([1])]);
    expect(sum.toArray()).toEqual([1 + 2 ** -23]);
  });

  it("refuses tensors of other shapes", () => {
    expect(() => weightedSum([1, counted(2)], [1, counted(3)])).toThrow(ArgumentError);
  });
});
