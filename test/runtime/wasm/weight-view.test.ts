import { describe, expect, it } from "vitest";
import type { OpenFile } from "../../../src/runtime/wasm/weight-mount.js";
import { WeightView } from "../../../src/runtime/wasm/weight-view.js";
import { convert } from "../../../src/tensor/convert.js";
import { byteSize, type DataOf, type DType } from "../../../src/tensor/dtype.js";

const FLOATS: readonly DType[] = ["float32", "float64", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"];
const NUMBERS = Float32Array.of(0, -0.5, 1.75, 3, -448, 2 ** -6, 0.3, 1000);

const bytesOf = (data: DataOf<DType>) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/** A file that has `data` from byte `offset` on, and what was read of it. */
function fileOf(data: DataOf<DType>, offset: number): OpenFile & { reads: [number, number][] } {
  const reads: [number, number][] = [];
  return {
    reads,
    read(at, into) {
      reads.push([at, into.length]);
      into.set(bytesOf(data).subarray(at - offset, at - offset + into.length));
    },
    close() {},
  };
}

function viewOf(from: DType, to: DType, offset = 3) {
  const data = convert("float32", NUMBERS, from);
  const file = fileOf(data, offset);
  const mount = { path: "weight0", file: { id: "f" }, offset, length: data.byteLength, from, to };
  return { view: new WeightView(mount, file, () => {}), file, data };
}

describe("a weight that is read when it is asked for", () => {
  it.each(FLOATS.flatMap((from) => (["float32", "float16"] as const).map((to) => [from, to] as const)))("makes %s %s", (from, to) => {
    const { view, data } = viewOf(from, to);
    expect(view.byteLength).toBe(NUMBERS.length * byteSize(to));
    expect([...view.subarray(0, view.byteLength)]).toEqual([...bytesOf(convert(from, data, to))]);
  });

  it("reads nothing before, and only what is asked for", () => {
    const { view, file, data } = viewOf("bfloat16", "float32", 2 ** 33 + 1);
    expect(view.byteLength).toBe(32);
    expect(file.reads).toEqual([]);
    // Bytes 6 to 13 are of the numbers 1 to 3.
    expect([...view.subarray(6, 13)]).toEqual([...bytesOf(convert("bfloat16", data, "float32")).subarray(6, 13)]);
    expect(file.reads).toEqual([[2 ** 33 + 3, 6]]);
  });

  it("tells why it cannot be read", () => {
    const errors: unknown[] = [];
    const reason = new Error("the disk is gone");
    const file: OpenFile = {
      read() {
        throw reason;
      },
      close() {},
    };
    const mount = { path: "weight0", file: { id: "f" }, offset: 0, length: 4, from: "float32", to: "float32" } as const;
    expect(() => new WeightView(mount, file, (error) => errors.push(error)).subarray(0, 4)).toThrow(reason);
    expect(errors).toEqual([reason]);
  });
});
