import { type BlockFormat, blockSize } from "../tensor/block-format.js";
import { type Shape, sizeOf } from "../tensor/tensor.js";

/** A tensor of a GGUF file that is written. */
export interface GgufOutput {
  readonly name: string;
  readonly shape: Shape;
  readonly format: "Q4_0" | "Q8_0";
  /** Its bytes, in parts. */
  read(): AsyncIterable<Uint8Array>;
}

const TYPES: { readonly [F in GgufOutput["format"]]: number } = { Q4_0: 2, Q8_0: 8 };
const TEXT = 8;
const ALIGNMENT = 32;

/** The bytes of a GGUF file (version 3) with these tensors and texts as metadata, in parts. */
export async function* ggufChunks(tensors: readonly GgufOutput[], metadata: Readonly<Record<string, string>>): AsyncGenerator<Uint8Array> {
  const parts: Uint8Array[] = [ascii("GGUF"), integer(3, 4), integer(tensors.length, 8), integer(Object.keys(metadata).length, 8)];
  for (const [key, value] of Object.entries(metadata)) parts.push(text(key), integer(TEXT, 4), text(value));
  let offset = 0;
  for (const { name, shape, format } of tensors) {
    parts.push(text(name), integer(shape.length, 4), ...shape.toReversed().map((extent) => integer(extent, 8)));
    parts.push(integer(TYPES[format], 4), integer(offset, 8));
    offset += padded(bytesOf(format, shape));
  }
  const header = joined(parts);
  yield header;
  yield new Uint8Array(padded(header.length) - header.length);
  for (const { shape, format, read } of tensors) {
    yield* read();
    const length = bytesOf(format, shape);
    yield new Uint8Array(padded(length) - length);
  }
}

function bytesOf(format: BlockFormat, shape: Shape): number {
  const { numbers, bytes } = blockSize(format);
  return (sizeOf(shape) / numbers) * bytes;
}

function padded(length: number): number {
  return Math.ceil(length / ALIGNMENT) * ALIGNMENT;
}

function ascii(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

function text(value: string): Uint8Array {
  const bytes = ascii(value);
  return joined([integer(bytes.length, 8), bytes]);
}

function integer(value: number, bytes: 4 | 8): Uint8Array {
  const out = new Uint8Array(bytes);
  const view = new DataView(out.buffer);
  if (bytes === 4) view.setUint32(0, value, true);
  else view.setBigUint64(0, BigInt(value), true);
  return out;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
