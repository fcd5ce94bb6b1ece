import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { toBfloat, toHalf } from "../../src/tensor/half.js";
import { Generator, randn } from "../../src/tensor/random.js";
import type { NamedShape } from "./tensors.js";

/** The number of random numbers for each scale. A larger tensor repeats them, which does not change the time of a matrix product. */
const POOL = 2 ** 20;
/** Each tensor begins this many numbers later in the pool, so that tensors of one shape differ. A prime. */
const STRIDE = 104_729;

/** How the files of a checkpoint hold numbers. */
export type WeightPrecision = "fp32" | "fp16" | "bf16";

const BYTES: Readonly<Record<WeightPrecision, number>> = { fp32: 4, fp16: 2, bf16: 2 };
const WORDS: Readonly<Record<WeightPrecision, string>> = { fp32: "F32", fp16: "F16", bf16: "BF16" };

/**
 * Writes a safetensors file of random weights under which activations keep their size: matrices and kernels normal with variance 1 / inputs
 * (LeCun et al. 1998), gains 1, biases 0.
 */
export function writeWeights(path: string, tensors: Iterable<NamedShape>, precision: WeightPrecision): void {
  const list = [...tensors];
  const pool = new Pool(precision);
  const file = openSync(path, "w");
  try {
    writeSync(file, header(list, precision));
    for (const [i, [name, shape]] of list.entries()) {
      for (const chunk of pool.chunks(size(shape), scaleOf(name, shape), i * STRIDE)) writeWhole(file, chunk);
    }
  } finally {
    closeSync(file);
  }
}

/**
 * Writes a safetensors file whose weights are holes, which read as 0 and take no space on the disk. Time and memory of a network do not
 * depend on its numbers.
 */
export function writeHoles(path: string, tensors: Iterable<NamedShape>, precision: WeightPrecision): void {
  const list = [...tensors];
  const file = openSync(path, "w");
  try {
    const start = header(list, precision);
    writeSync(file, start);
    ftruncateSync(file, start.length + list.reduce((sum, [, shape]) => sum + size(shape) * BYTES[precision], 0));
  } finally {
    closeSync(file);
  }
}

function header(tensors: readonly NamedShape[], precision: WeightPrecision): Uint8Array {
  let end = 0;
  const entries = tensors.map(([name, shape]) => {
    const begin = end;
    end += size(shape) * BYTES[precision];
    return [name, { dtype: WORDS[precision], shape, data_offsets: [begin, end] }];
  });
  const json = JSON.stringify(Object.fromEntries([["__metadata__", { format: "pt" }], ...entries]));
  // Padded, so that the numbers begin at a multiple of 8 bytes.
  const padded = Buffer.from(json.padEnd(Math.ceil(Buffer.byteLength(json) / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  return Buffer.concat([length, padded]);
}

type TensorScale = "ones" | "zeros" | number;

function scaleOf(name: string, shape: readonly number[]): TensorScale {
  if (shape.length === 1) return name.endsWith(".bias") ? "zeros" : "ones";
  return 1 / Math.sqrt(size(shape.slice(1)));
}

/** Random numbers in the file's precision. Those of each scale are made once. */
class Pool {
  private readonly normals = randn([POOL], new Generator(0)).data;
  private readonly scaled = new Map<TensorScale, Float32Array | Uint16Array>();

  constructor(private readonly precision: WeightPrecision) {}

  *chunks(count: number, scale: TensorScale, start: number): Iterable<Uint8Array> {
    const numbers = this.numbers(scale);
    for (let left = count, from = start % POOL; left > 0; from = 0) {
      const chunk = numbers.subarray(from, Math.min(POOL, from + left));
      left -= chunk.length;
      yield new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    }
  }

  private numbers(scale: TensorScale): Float32Array | Uint16Array {
    const known = this.scaled.get(scale);
    if (known) return known;
    const factor = typeof scale === "number" ? scale : 0;
    const values = this.normals.map((value) => factor * value + (scale === "ones" ? 1 : 0));
    const made = this.precision === "fp32" ? values : Uint16Array.from(values, this.precision === "bf16" ? toBfloat : toHalf);
    this.scaled.set(scale, made);
    return made;
  }
}

function writeWhole(file: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length; ) written += writeSync(file, bytes, written);
}

export function size(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}
