import { describe, expect, it } from "vitest";
import { rowsOf, type StoredTensor } from "../../src/tensor/stored-tensor.js";

const weight: StoredTensor = { name: "w", dtype: "float16", shape: [8, 3], file: { id: "f" }, offset: 100, length: 2 * 8 * 3 };
const scale: StoredTensor = { name: "s", dtype: "float32", shape: [8, 1], file: { id: "f" }, offset: 500, length: 4 * 8 };

describe("rows of a stored tensor", () => {
  it("are a byte range inside the tensor's own", () => {
    expect(rowsOf(weight, 2, 7)).toEqual({ ...weight, shape: [5, 3], offset: 100 + 2 * 3 * 2, length: 5 * 3 * 2 });
  });

  it("keep a scale that is one number", () => {
    const one = { ...scale, shape: [], length: 4 };
    expect(rowsOf({ ...weight, scale: one }, 2, 7).scale).toEqual(one);
  });

  it("take their part of a scale with a number for each row", () => {
    expect(rowsOf({ ...weight, scale }, 2, 7).scale).toEqual({ ...scale, shape: [5, 1], offset: 508, length: 20 });
  });

  it("of a tensor without rows are empty", () => {
    expect(rowsOf({ ...weight, shape: [0, 3], length: 0 }, 0, 0)).toMatchObject({ shape: [0, 3], offset: 100, length: 0 });
  });
});
