import { openWeightCache, readRange, sha256 } from "#platform";
import { readGgufHeader } from "../checkpoint/gguf.js";
import { collectWeights, type Weights } from "../checkpoint/weights.js";
import { type GgufOutput, ggufChunks } from "../checkpoint/write-gguf.js";
import type { Folder } from "../platform/folder.js";
import type { Quantisation } from "../runtime/device.js";
import { byteSize, type DType } from "../tensor/dtype.js";
import { bfloatsAsNumbers, halvesAsNumbers, quantiseQ4, quantiseQ8 } from "../tensor/quantise.js";
import type { StoredTensor } from "../tensor/stored-tensor.js";
import { Tensor } from "../tensor/tensor.js";

/** Part of the key of cached files: another number for other choices of tensors or other numbers. */
const VERSION = 1;
/** Numbers of a block of the formats. */
const BLOCK = 32;
/** Matrices with fewer numbers stay as they are. */
const FEWEST_NUMBERS = 1024;
/** Numbers that are read and quantised at once. */
const AT_ONCE = 2 ** 20;
/** The networks whose weights are quantised: those whose weights are mostly large matrices. */
const NETWORKS = /Transformer|UNet|T5|Qwen/;
/** Tables of embeddings, the first layers, which embed inputs, and the last ones: few weights, which much depends on. */
const KEPT = /embed|(^|\.)shared\.|relative_attention_bias|lm_head|^(proj_out|norm_out|(all_)?final_layer|conv_out|conv_in)\b/;

const FORMATS = {
  q4: { format: "Q4_0", quantise: quantiseQ4 },
  q8: { format: "Q8_0", quantise: quantiseQ8 },
} as const;

/** Whether a network's weights can be quantised, by its class. */
export function isQuantisable(className: string): boolean {
  return NETWORKS.test(className);
}

/** Whether quantising a network makes it smaller: weights that are quantised already stay as they are. */
export function gainsByQuantising(className: string, weights: Weights): boolean {
  const stored = weights.names().map((name) => weights.get(name));
  return isQuantisable(className) && stored.some(isLargeMatrix) && !stored.some(({ packing }) => packing !== undefined);
}

/**
 * The weights with their large matrices in blocks of 4 or 8 bits (Q4_0, Q8_0). They are made once, a million numbers at a time, and kept in
 * a file of the user's cache.
 * @throws OutputError if the cache cannot be written
 */
export async function quantisedWeights(weights: Weights, quantisation: Quantisation): Promise<Weights> {
  const stored = weights.names().map((name) => weights.get(name));
  const chosen = stored.filter(isLargeMatrix);
  if (chosen.length === 0) return weights;
  const cache = openWeightCache();
  const name = await nameOf(stored, weights.name, quantisation);
  const folder = (await cache.find(name)) ?? (await cache.write(name, fileOf(chosen, weights.name, quantisation)));
  return weights.with(await openCached(folder, name));
}

async function openCached(folder: Folder, name: string): Promise<Weights> {
  const { tensors } = await readGgufHeader(folder, name);
  const located = [...tensors.values()].map((stored) => ({ path: name, stored, name: stored.name }));
  return collectWeights(`${folder.name}/${name}`, folder, located);
}

function isLargeMatrix({ name, shape, dtype, packing, transposed, scale, swapsHalves }: StoredTensor): boolean {
  const [rows = 0, columns = 0] = shape;
  const isPlain = !packing && !transposed && !scale && !swapsHalves && dtype in READERS;
  return (
    isPlain &&
    shape.length === 2 &&
    name.endsWith(".weight") &&
    columns % BLOCK === 0 &&
    rows * columns >= FEWEST_NUMBERS &&
    !KEPT.test(name)
  );
}

/** The name of the cached file: readable, and different for other files, other contents and other formats. */
async function nameOf(stored: readonly StoredTensor[], source: string, quantisation: Quantisation): Promise<string> {
  const cache = openWeightCache();
  const files = new Map(stored.map(({ file }) => [file.id, file]));
  const stamps = await Promise.all([...files.values()].map((file) => cache.stampOf(file)));
  const places = stored.map(({ name, offset, length }) => `${name} ${offset} ${length}`);
  const text = [VERSION, quantisation, ...stamps.sort(), ...places.sort()].join("\n");
  const hash = await sha256(
    (async function* () {
      yield new TextEncoder().encode(text);
    })(),
  );
  const readable = source
    .split(/[/\\]+/)
    .slice(-3, -1)
    .join("-")
    .replace(/[^\w.-]+/g, "_")
    .slice(-60);
  return `${readable || "weights"}-${quantisation}-${hash.slice(0, 16)}.gguf`;
}

function fileOf(chosen: readonly StoredTensor[], source: string, quantisation: Quantisation): AsyncIterable<Uint8Array> {
  const { format, quantise } = FORMATS[quantisation];
  const outputs = chosen.map(
    (stored): GgufOutput => ({
      name: stored.name,
      shape: stored.shape,
      format,
      async *read() {
        for await (const numbers of numbersOf(stored)) yield quantise(numbers);
      },
    }),
  );
  return ggufChunks(outputs, { "general.architecture": "darkroom", "general.name": source });
}

/** How numbers of a dtype are read from bytes at the beginning of a buffer. */
const READERS: { readonly [D in DType]?: (buffer: ArrayBuffer) => Float32Array } = {
  float32: (buffer) => new Float32Array(buffer),
  float16: (buffer) => halvesAsNumbers(new Uint16Array(buffer)),
  bfloat16: (buffer) => bfloatsAsNumbers(new Uint16Array(buffer)),
  float8_e4m3fn: (buffer) => wide("float8_e4m3fn", buffer),
  float8_e5m2: (buffer) => wide("float8_e5m2", buffer),
};

function wide(dtype: "float8_e4m3fn" | "float8_e5m2", buffer: ArrayBuffer): Float32Array {
  return new Tensor(dtype, [buffer.byteLength], new Uint8Array(buffer)).to("float32").data;
}

/** A tensor's numbers, in parts of whole blocks. */
async function* numbersOf({ dtype, file, offset, length }: StoredTensor): AsyncGenerator<Float32Array> {
  const size = AT_ONCE * byteSize(dtype);
  const read = READERS[dtype] as (buffer: ArrayBuffer) => Float32Array;
  for (let start = 0; start < length; start += size) {
    const bytes = new Uint8Array(Math.min(size, length - start));
    let done = 0;
    for await (const part of readRange(file, offset + start, bytes.length)) {
      bytes.set(part, done);
      done += part.length;
    }
    yield read(bytes.buffer);
  }
}
