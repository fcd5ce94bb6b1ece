import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { DType } from "../../src/tensor/dtype.js";
import { type Shape, Tensor } from "../../src/tensor/tensor.js";

/** A case of `test/fixtures`: its `.json` and the tensors of its `.safetensors`. */
export interface Fixture<Meta> {
  readonly meta: Meta;
  /** @throws Error if the case has no such tensor. */
  tensor(name: string): Tensor<DType>;
}

const dtypes: Record<string, [DType, (bytes: ArrayBuffer) => Tensor<DType>["data"]]> = {
  F16: ["float16", (bytes) => new Uint16Array(bytes)],
  BF16: ["bfloat16", (bytes) => new Uint16Array(bytes)],
  F32: ["float32", (bytes) => new Float32Array(bytes)],
  F64: ["float64", (bytes) => new Float64Array(bytes)],
  I32: ["int32", (bytes) => new Int32Array(bytes)],
  I64: ["int64", (bytes) => new BigInt64Array(bytes)],
  U8: ["uint8", (bytes) => new Uint8Array(bytes)],
  BOOL: ["bool", (bytes) => new Uint8Array(bytes)],
};

/** Absolute path of a checkpoint made for the tests. */
export function checkpoint(name: string): string {
  return fileURLToPath(new URL(`../checkpoints/${name}`, import.meta.url));
}

/** Reads a case; it does not use Darkroom's own safetensors reader, so that one's faults cannot hide here. */
export function readFixture<Meta>(group: string, name: string): Fixture<Meta> {
  const file = (ending: string) => readFileSync(new URL(`../fixtures/${group}/${name}.${ending}`, import.meta.url));
  const bytes = file("safetensors");
  const start = 8 + Number(bytes.readBigUInt64LE());
  const header: Record<string, { dtype: string; shape: Shape; data_offsets: [number, number] }> = JSON.parse(
    bytes.subarray(8, start).toString(),
  );
  return {
    meta: JSON.parse(file("json").toString()),
    tensor(key) {
      const entry = header[key];
      const dtype = dtypes[entry?.dtype ?? ""];
      if (!entry || !dtype) throw new Error(`${group}/${name} has no tensor ${key}`);
      const [from, to] = entry.data_offsets;
      return new Tensor(dtype[0], entry.shape, dtype[1](new Uint8Array(bytes.subarray(start + from, start + to)).buffer));
    },
  };
}
