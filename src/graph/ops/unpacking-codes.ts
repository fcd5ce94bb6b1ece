import { isBlockFormat } from "../../tensor/block-format.js";
import type { CodePacking, Packing, StoredTensor } from "../../tensor/stored-tensor.js";
import { type Shape, sizeOf } from "../../tensor/tensor.js";
import type { Value } from "../graph.js";
import { gather, reshape, slice } from "./shapes.js";
import { and, arithmetic, type CodedBlocks, codedBlocks, move, type PackedBytes } from "./unpacking.js";

/** The bytes of a tensor, and of others that belong to it. */
export interface PackedTensor extends PackedBytes {
  /** Another tensor, [numbers]. */
  beside(tensor: StoredTensor): Value;
}

/** The blocks of a tensor that is packed like this. `scale` has the rows' scales of LLM.int8. */
export function blocksIn(packing: Packing, bytes: PackedTensor, scale: StoredTensor | undefined): CodedBlocks {
  const { format } = packing;
  if (isBlockFormat(format)) return codedBlocks(format, bytes);
  return "rows" in packing ? tableBlocks(packing, bytes) : signedRows(bytes, scale as StoredTensor);
}

/** The numbers of blocks in a tensor's shape. */
export function inShape(numbers: Value, packing: Packing, shape: Shape): Value {
  if (!("rows" in packing)) return reshape(numbers, shape);
  const { whole, rows } = packing;
  const flat = reshape(numbers, [-1]);
  // The last block may not be full.
  const all = reshape(slice(flat, 0, 0, sizeOf(whole)), whole);
  return reshape(slice(all, 0, ...rows), shape);
}

/** LLM.int8: a block is a row. */
function signedRows(bytes: PackedTensor, scale: StoredTensor): CodedBlocks {
  const { graph } = bytes;
  const scales = graph.cast(bytes.beside(scale), "float32");
  return { codes: bytes.as("int8"), bits: 8, scales: reshape(scales, [-1, 1]), divisor: 127 };
}

/** NF4 and FP4: two codes in a byte, the upper half first. */
function tableBlocks({ table, block, scales, nested, whole }: CodePacking, bytes: PackedTensor): CodedBlocks {
  const { graph } = bytes;
  const pairs = bytes.as("uint8");
  const codes = reshape(and(move(pairs, "RIGHT", [4, 0], [2]), 15), [-1]);
  const blocks = Math.ceil(sizeOf(whole) / block);
  const found = bytes.beside(scales);
  const own = nested ? nestedScales(found, nested, bytes) : graph.cast(found, "float32");
  return {
    codes: reshape(filled(codes, blocks * block), [blocks, block]),
    bits: 4,
    table: bytes.beside(table),
    scales: reshape(own, [blocks, 1]),
  };
}

/** Scales that are quantised themselves (double quantisation), in blocks of their own. */
function nestedScales(codes: Value, { table, scales, block, offset }: NonNullable<CodePacking["nested"]>, bytes: PackedTensor): Value {
  const { graph } = bytes;
  const [count = 0] = codes.shape;
  const blocks = Math.ceil(count / block);
  const numbers = gather(bytes.beside(table), graph.cast(reshape(filled(codes, blocks * block), [blocks, block]), "int32"));
  const scaled = arithmetic("Mul", numbers, reshape(bytes.beside(scales), [blocks, 1]));
  return slice(reshape(arithmetic("Add", scaled, graph.constant([offset], [])), [-1]), 0, 0, count);
}

/** Bytes [count] with zeros at the end. */
function filled(bytes: Value, length: number): Value {
  const { graph } = bytes;
  const [count = 0] = bytes.shape;
  if (count >= length) return slice(bytes, 0, 0, length);
  return graph.node("Pad", [bytes, graph.integers([0, length - count])], { shape: [length] });
}
