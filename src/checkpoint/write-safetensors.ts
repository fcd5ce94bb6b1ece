import type { OutputFolder } from "../platform/output-folder.js";
import type { Shape } from "../tensor/tensor.js";

/** A tensor that can be written. */
export interface OutputTensor {
  readonly name: string;
  /** The format's word: "F16". */
  readonly dtype: string;
  readonly shape: Shape;
  /** Bytes. */
  readonly length: number;
  /** Its bytes, in parts. */
  read(): AsyncIterable<Uint8Array>;
}

/** The order of the reference implementation's `Dtype`. Its files begin with the last of them. */
const ORDER = ["BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "I16", "U16", "F16", "BF16", "I32", "U32", "F32", "F64", "I64", "U64"];

/** Writes a safetensors file with the bytes that the reference implementation writes. */
export async function writeSafetensors(
  folder: OutputFolder,
  path: string,
  tensors: readonly OutputTensor[],
  metadata: Readonly<Record<string, string>> = { format: "pt" },
): Promise<void> {
  const sorted = [...tensors].sort((a, b) => ORDER.indexOf(b.dtype) - ORDER.indexOf(a.dtype) || compare(a.name, b.name));
  await folder.write(path, contents(sorted, metadata));
}

async function* contents(
  tensors: readonly OutputTensor[],
  metadata: Readonly<Record<string, string>>,
): AsyncGenerator<Uint8Array, void, void> {
  let end = 0;
  const entries = tensors.map(({ name, dtype, shape, length }) => {
    const start = end;
    end += length;
    return [name, { dtype, shape, data_offsets: [start, end] }] as const;
  });
  const json = new TextEncoder().encode(JSON.stringify({ __metadata__: metadata, ...Object.fromEntries(entries) }));
  const header = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(header.length - 8), true);
  header.set(json, 8);
  yield header;
  for (const tensor of tensors) yield* tensor.read();
}

/** Rust compares the bytes of names. For names of tensors, the order of their characters is the same. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
