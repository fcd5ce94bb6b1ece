import { describe, expect, it } from "vitest";
import type { DType } from "../../src/tensor/dtype.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { readTensors } from "../helpers/safetensors.js";

const values = readTensors(new URL("../fixtures/float8/values.safetensors", import.meta.url).pathname);
const value = (name: string) => values[name] as Tensor<DType>;

describe.each(["e4m3fn", "e5m2"] as const)("float8_%s", (format) => {
  const patterns = value(`${format}.patterns`);

  it("becomes a float as in torch, for every bit pattern: subnormals, both zeros, infinities, NaN", () => {
    expect(patterns.dtype).toBe(`float8_${format}`);
    expect(patterns.to("float32").toArray()).toEqual(value(`${format}.widened`).toArray());
  });

  it("is rounded as in torch: ties to even, subnormals, beyond the largest number", () => {
    const rounded = value("numbers").to(`float8_${format}`);
    const found = [...rounded.data].map(Number);
    const expected = [...value(`${format}.rounded`).data].map(Number);
    // The sign of a NaN does not count.
    const isNone = (bits: number) => Number.isNaN(value(`${format}.widened`).toArray()[bits]);
    expect(found.map((bits) => (isNone(bits) ? "NaN" : bits))).toEqual(expected.map((bits) => (isNone(bits) ? "NaN" : bits)));
  });
});
