import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { allocate, type DType } from "../../src/tensor/dtype.js";
import { Tensor } from "../../src/tensor/tensor.js";

const DTYPES: Readonly<Record<string, DType>> = {
  F32: "float32",
  F64: "float64",
  F16: "float16",
  BF16: "bfloat16",
  F8_E4M3: "float8_e4m3fn",
  F8_E5M2: "float8_e5m2",
  I64: "int64",
  I32: "int32",
  U8: "uint8",
  BOOL: "bool",
};

/** Every tensor of a safetensors file that we trust (a fixture). */
export function readTensors(path: string): Record<string, Tensor<DType>> {
  const bytes = readFileSync(path);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const { __metadata__, ...header } = JSON.parse(bytes.toString("utf8", 8, start));
  const tensors: Record<string, Tensor<DType>> = {};
  for (const [name, { dtype, shape, data_offsets }] of Object.entries<{ dtype: string; shape: number[]; data_offsets: [number, number] }>(
    header,
  )) {
    const own = DTYPES[dtype];
    if (!own) throw new Error(`${path}: ${name} is ${dtype}`);
    const data = allocate(
      own,
      shape.reduce((a, b) => a * b, 1),
    );
    new Uint8Array(data.buffer).set(bytes.subarray(start + data_offsets[0], start + data_offsets[1]));
    tensors[name] = new Tensor(own, shape, data);
  }
  return tensors;
}

/** The bytes of a safetensors file with any header, true or false, and any data. `claimed` overrides the header's length. */
export function safetensorsBytes(header: unknown, data: Uint8Array = new Uint8Array(), claimed?: bigint): Uint8Array {
  const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(claimed ?? BigInt(json.length));
  return Buffer.concat([prefix, json, data]);
}

/** Writes a safetensors file, and the folders above it. */
export function writeSafetensors(path: string, tensors: Readonly<Record<string, Tensor<DType>>>, metadata?: Record<string, string>): void {
  let end = 0;
  const entries = Object.entries(tensors).map(([name, { dtype, shape, data }]) => {
    const start = end;
    end += data.byteLength;
    const word = Object.keys(DTYPES).find((key) => DTYPES[key] === dtype);
    return [name, { dtype: word, shape, data_offsets: [start, end] }] as const;
  });
  const chunks = Object.values(tensors).map(({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  const header = Object.fromEntries(metadata ? [["__metadata__", metadata], ...entries] : entries);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, safetensorsBytes(header, Buffer.concat(chunks)));
}
