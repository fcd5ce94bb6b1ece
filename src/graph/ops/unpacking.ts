import { type BlockFormat, IQ4_VALUES } from "../../tensor/block-format.js";
import type { Shape } from "../../tensor/tensor.js";
import type { Graph, Value } from "../graph.js";
import { broadcast, concat, gather, reshape, slice } from "./shapes.js";

/*
 * Quantised weights taken apart in a graph: the codes of their blocks, and the blocks' scales. The operations are on bytes, as they lie in
 * the file. tensor/dequantise.ts has the formats one number at a time.
 */

/** The bytes of a tensor's blocks, [blocks, bytes of a block], seen as numbers of a dtype. */
export interface PackedBytes {
  readonly graph: Graph;
  as(dtype: "uint8" | "int8" | "float16"): Value;
}

/** Numbers in blocks, in the tensor's order: (code - zero) * scale + offset, or table[code] * scale. */
export interface CodedBlocks {
  /** The codes [blocks, numbers of a block], uint8; int8 if they have a sign. */
  readonly codes: Value;
  /** How many bits a code has. */
  readonly bits: number;
  /** The codes as bytes [blocks, half the numbers], if they lie so in the file: lower halves are the first half of a block's numbers. */
  readonly pairs?: Value;
  /** The bytes of signed codes. */
  readonly bytes?: Value;
  /** The code of 0; 0 by default. */
  readonly zero?: number;
  /** What the codes stand for, if they are no numbers themselves. */
  readonly table?: readonly number[] | Value;
  /** The scale of each block [blocks, 1], float32. */
  readonly scales: Value;
  /** What the scaled numbers are divided by. */
  readonly divisor?: number;
  /** What is added in each block [blocks, 1], float32. */
  readonly offsets?: Value;
}

/** The blocks of a tensor of this format. Formats of 256 numbers have blocks of 16 or 32 with scales of their own. */
export function codedBlocks(format: BlockFormat, bytes: PackedBytes): CodedBlocks {
  return UNPACKERS[format](bytes);
}

/**
 * Codes of 4 bits, or of fewer plus 8, as bytes [blocks, half the numbers]: lower halves are the first half of a block's numbers.
 */
export function pairsOf({ codes, pairs, bits }: CodedBlocks): Value {
  const { graph, shape } = codes;
  const [, numbers = 0] = shape;
  const made = pairs ?? or(slice(codes, 1, 0, numbers / 2), move(slice(codes, 1, numbers / 2, numbers), "LEFT", [4]));
  return bits === 4 ? made : or(made, graph.constant([0x88], [], "uint8"));
}

/** Codes plus 128, as bytes [blocks, numbers of a block]. */
export function marked({ codes, bytes = codes }: CodedBlocks): Value {
  const { graph } = codes;
  // Without a carry, so that the sign of signed codes is turned, too.
  return graph.node("BitwiseXor", [bytes, graph.constant([128], [], "uint8")], { shape: codes.shape, dtype: "uint8" });
}

/** The numbers of blocks, [blocks, numbers of a block], in float32. */
export function widened({ codes, zero = 0, table, scales, divisor, offsets }: CodedBlocks): Value {
  const { graph } = codes;
  if (graph.lowering.blockProducts === "widened" && !table && divisor === undefined) {
    const scaled = dequantised(codes, scales, zero);
    return offsets ? arithmetic("Add", scaled, offsets) : scaled;
  }
  const numbers = table
    ? gather("graph" in table ? table : graph.constant(table), graph.cast(codes, "int32"))
    : graph.cast(codes, "float32");
  const centred = zero === 0 ? numbers : arithmetic("Sub", numbers, graph.constant([zero], []));
  const scaled = arithmetic("Mul", centred, scales);
  if (divisor !== undefined) return arithmetic("Div", scaled, graph.constant([divisor], []));
  return offsets ? arithmetic("Add", scaled, offsets) : scaled;
}

/** (code - zero) * scale in one operation of the runtime: the same bits as in several, in a third of the time. */
function dequantised(codes: Value, scales: Value, zero: number): Value {
  const { graph, shape } = codes;
  const [blocks = 0, numbers = 0] = shape;
  const zeros =
    zero === 0
      ? undefined
      : graph.node("Expand", [graph.constant([zero], [1, 1], "uint8"), graph.integers([blocks, 1])], {
          shape: [blocks, 1],
          dtype: "uint8",
        });
  return graph.node("DequantizeLinear", [codes, scales, zeros], {
    shape,
    dtype: "float32",
    attributes: { axis: 1, block_size: numbers },
  });
}

/** Arithmetic in float32, with broadcasting. */
export function arithmetic(op: "Add" | "Sub" | "Mul" | "Div", a: Value, b: Value): Value {
  return a.graph.node(op, [a, b], { shape: broadcast(a.shape, b.shape), dtype: "float32" });
}

/** The part of each block from a byte on, in this shape. */
function part({ as }: PackedBytes, start: number, shape: Shape, dtype: "uint8" | "int8" = "uint8"): Value {
  const whole = as(dtype);
  const [blocks = 0] = whole.shape;
  const length = shape.reduce((product, extent) => product * extent, 1);
  return reshape(slice(whole, 1, start, start + length), [blocks, ...shape]);
}

/** The half-precision number at a byte of each block, [blocks, 1]. */
function half({ graph, as }: PackedBytes, at: number): Value {
  return graph.cast(slice(as("float16"), 1, at / 2, at / 2 + 1), "float32");
}

function bitwise(op: "BitwiseAnd" | "BitwiseOr", a: Value, b: Value): Value {
  return a.graph.node(op, [a, b], { shape: broadcast(a.shape, b.shape), dtype: "uint8" });
}

/** The bits of `a` in a mask. */
export function and(a: Value, mask: number): Value {
  return bitwise("BitwiseAnd", a, a.graph.constant([mask], [], "uint8"));
}

function or(a: Value, b: Value): Value {
  return bitwise("BitwiseOr", a, b);
}

/** The bits of `a` moved by a count, or by counts that broadcast. */
export function move(a: Value, direction: "LEFT" | "RIGHT", counts: readonly number[], shape: Shape = []): Value {
  const by = a.graph.constant(counts, shape, "uint8");
  return a.graph.node("BitShift", [a, by], { shape: broadcast(a.shape, by.shape), dtype: "uint8", attributes: { direction } });
}

/** The lower and the upper halves of bytes [..., count] as [..., 2 * count]: all lower ones first. */
function halves(bytes: Value): Value {
  return concat([and(bytes, 15), move(bytes, "RIGHT", [4])], bytes.shape.length - 1);
}

function pairedCodes(pairs: Value): Pick<CodedBlocks, "codes" | "bits" | "pairs"> {
  return { codes: halves(pairs), bits: 4, pairs };
}

/** Blocks of one size: all codes in rows of `numbers`. */
function inBlocks(codes: Value, numbers: number): Value {
  return reshape(codes, [-1, numbers]);
}

/** 32 bits in 4 bytes, as the fifth bits of codes [blocks, 32]. */
function fifthBits(bytes: PackedBytes, at: number): Value {
  const bits = and(move(part(bytes, at, [4, 1]), "RIGHT", [0, 1, 2, 3, 4, 5, 6, 7], [8]), 1);
  return move(reshape(bits, [-1, 32]), "LEFT", [4]);
}

/** Bit j of byte i of 32 bytes is that of the number 32 j + i: [blocks, 8, 32], moved to the place `to`. */
function highBits(bytes: PackedBytes, at: number, to: number): Value {
  return move(and(move(part(bytes, at, [1, 32]), "RIGHT", [0, 1, 2, 3, 4, 5, 6, 7], [8, 1]), 1), "LEFT", [to]);
}

/** Codes of two bits: four in each of 64 bytes, 32 apart: [blocks, 2, 4, 32]. */
function pairsOfBits(bytes: PackedBytes, at: number): Value {
  return and(move(part(bytes, at, [2, 1, 32]), "RIGHT", [0, 2, 4, 6], [4, 1]), 3);
}

/** The 8 scales and minima of Q4_K and Q5_K, [blocks * 8, 1], as factors of the numbers. */
function scalesAndOffsets(bytes: PackedBytes): Pick<CodedBlocks, "scales" | "offsets"> {
  const [a, b, c] = [part(bytes, 4, [4]), part(bytes, 8, [4]), part(bytes, 12, [4])];
  const high = (value: Value) => and(move(value, "RIGHT", [2]), 0x30);
  const scales = concat([and(a, 63), or(and(c, 15), high(a))], 1);
  const minima = concat([and(b, 63), or(move(c, "RIGHT", [4]), high(b))], 1);
  return { scales: perBlock(half(bytes, 0), scales), offsets: negative(perBlock(half(bytes, 2), minima)) };
}

/** A block's scale times the small ones of its parts: [blocks * parts, 1]. */
function perBlock(scale: Value, parts: Value): Value {
  return reshape(arithmetic("Mul", scale, scale.graph.cast(parts, "float32")), [-1, 1]);
}

function negative(value: Value): Value {
  return value.graph.node("Neg", [value], { shape: value.shape });
}

/** The codes of Q4_K and Q5_K without fifth bits: [blocks, 4, 64]. */
function nibbleGroups(bytes: PackedBytes, at: number): Value {
  return halves(part(bytes, at, [4, 32]));
}

const UNPACKERS: { readonly [F in BlockFormat]: (bytes: PackedBytes) => CodedBlocks } = {
  Q4_0: (bytes) => ({ ...pairedCodes(part(bytes, 2, [16])), zero: 8, scales: half(bytes, 0) }),
  Q4_1: (bytes) => ({ ...pairedCodes(part(bytes, 4, [16])), scales: half(bytes, 0), offsets: half(bytes, 2) }),
  Q5_0: (bytes) => ({
    codes: or(halves(part(bytes, 6, [16])), fifthBits(bytes, 2)),
    bits: 5,
    zero: 16,
    scales: half(bytes, 0),
  }),
  Q5_1: (bytes) => ({
    codes: or(halves(part(bytes, 8, [16])), fifthBits(bytes, 4)),
    bits: 5,
    scales: half(bytes, 0),
    offsets: half(bytes, 2),
  }),
  Q8_0: (bytes) => ({ codes: part(bytes, 2, [32], "int8"), bits: 8, bytes: part(bytes, 2, [32]), scales: half(bytes, 0) }),
  Q2_K(bytes) {
    const small = part(bytes, 0, [16]);
    return {
      codes: inBlocks(pairsOfBits(bytes, 16), 16),
      bits: 2,
      scales: perBlock(half(bytes, 80), and(small, 15)),
      offsets: negative(perBlock(half(bytes, 82), move(small, "RIGHT", [4]))),
    };
  },
  Q3_K(bytes) {
    const high = reshape(highBits(bytes, 0, 2), [-1, 2, 4, 32]);
    const upper = reshape(and(move(part(bytes, 104, [1, 4]), "RIGHT", [0, 2, 4, 6], [4, 1]), 3), [-1, 16]);
    const small = or(halves(part(bytes, 96, [8])), move(upper, "LEFT", [4]));
    const { graph } = bytes;
    const centred = arithmetic("Sub", graph.cast(small, "float32"), graph.constant([32], []));
    return { codes: inBlocks(or(pairsOfBits(bytes, 32), high), 16), bits: 3, zero: 4, scales: perBlock(half(bytes, 108), centred) };
  },
  Q4_K: (bytes) => ({ codes: inBlocks(nibbleGroups(bytes, 16), 32), bits: 4, ...scalesAndOffsets(bytes) }),
  Q5_K(bytes) {
    const high = reshape(highBits(bytes, 16, 4), [-1, 4, 64]);
    return { codes: inBlocks(or(nibbleGroups(bytes, 48), high), 32), bits: 5, ...scalesAndOffsets(bytes) };
  },
  Q6_K(bytes) {
    const low = reshape(halves(part(bytes, 0, [2, 64])), [-1, 2, 4, 32]);
    const high = move(pairsOfBits(bytes, 128), "LEFT", [4]);
    return {
      codes: inBlocks(or(low, high), 16),
      bits: 6,
      zero: 32,
      scales: perBlock(half(bytes, 208), part(bytes, 192, [16], "int8")),
    };
  },
  IQ4_NL: (bytes) => ({ codes: halves(part(bytes, 2, [16])), bits: 4, table: IQ4_VALUES, scales: half(bytes, 0) }),
  IQ4_XS(bytes) {
    const low = halvesInPairs(part(bytes, 4, [4, 1]));
    const high = reshape(and(move(part(bytes, 2, [2, 1]), "RIGHT", [0, 2, 4, 6], [4]), 3), [-1, 8]);
    const { graph } = bytes;
    const small = graph.cast(or(low, move(high, "LEFT", [4])), "float32");
    return {
      codes: inBlocks(halves(part(bytes, 8, [8, 16])), 32),
      bits: 4,
      table: IQ4_VALUES,
      scales: perBlock(half(bytes, 0), arithmetic("Sub", small, graph.constant([32], []))),
    };
  },
};

/** The lower and upper half of each byte, one after the other: [blocks, n, 1] as [blocks, 2 n]. */
function halvesInPairs(bytes: Value): Value {
  const [blocks = 0, count = 0] = bytes.shape;
  return reshape(and(move(bytes, "RIGHT", [0, 4], [2]), 15), [blocks, 2 * count]);
}
