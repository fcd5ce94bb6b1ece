import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import type { NamedShape } from "./tensors.js";
import { size } from "./write-weights.js";

/** Formats of llama.cpp, which hold a row in blocks of 32 numbers. */
export type GgufFormat = "q8_0" | "q4_0";

/** The numbers of types in GGUF's specification, and bytes for each number, or block of numbers. */
const F32 = { type: 0, block: 1, bytes: 4 };
const FORMATS: Readonly<Record<GgufFormat, typeof F32>> = {
  q4_0: { type: 2, block: 32, bytes: 18 },
  q8_0: { type: 8, block: 32, bytes: 34 },
};
const ALIGNMENT = 32;
const STRING = 8;

/**
 * Writes a GGUF file (version 3). Its matrices are in `format`, vectors in float32. Weights are holes, which read as 0 and take no space on
 * the disk.
 */
export function writeGguf(path: string, tensors: Iterable<NamedShape>, format: GgufFormat, architecture: string): void {
  const list = [...tensors].map(([name, shape]) => {
    // Rows must be whole blocks.
    const isMatrix = shape.length > 1 && (shape.at(-1) ?? 0) % 32 === 0;
    const { type, block, bytes } = isMatrix ? FORMATS[format] : F32;
    return { name, shape, type, bytes: (size(shape) / block) * bytes };
  });
  const parts: Buffer[] = [
    Buffer.from("GGUF"),
    u32(3),
    u64(list.length),
    u64(1),
    text("general.architecture"),
    u32(STRING),
    text(architecture),
  ];
  let end = 0;
  for (const { name, shape, type, bytes } of list) {
    // The last axis comes first.
    parts.push(text(name), u32(shape.length), ...shape.toReversed().map(u64), u32(type), u64(end));
    end = aligned(end + bytes);
  }
  const header = Buffer.concat(parts);
  const file = openSync(path, "w");
  try {
    writeSync(file, header);
    ftruncateSync(file, aligned(header.length) + end);
  } finally {
    closeSync(file);
  }
}

function aligned(offset: number): number {
  return Math.ceil(offset / ALIGNMENT) * ALIGNMENT;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([u64(bytes.length), bytes]);
}
