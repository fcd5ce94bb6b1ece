import type { Value } from "../graph.js";
import { add } from "./elementwise.js";
import { narrow } from "./precision.js";
import { concat, reshape, transpose } from "./shapes.js";
import { type CodedBlocks, marked, pairsOf, widened } from "./unpacking.js";

/*
 * Products with quantised weights. On a processor, a weight is widened in one pass over its codes, right before its product. Elsewhere the
 * product takes the codes as they are: ONNX Runtime's MatMulNBits takes codes of 4 or 8 bits in blocks of 16 or more, with a scale for each
 * block, and 8 or 128 as the code of 0. What a format adds in each block beyond that (Q4_1, Q4_K, ...) is a second product, of the sums of
 * x over the blocks. It is a 32nd of the work, as ggml computes it, and needs no zero points, for which the runtime's kernels differ.
 */

/** Rows of a weight that are widened at once, in numbers, if it has no product of its own. */
const LARGEST_WIDENED = 2 ** 22;

/** x [rows, in] times the transpose of a quantised weight [out, in], plus bias [out]; undefined if it must be widened as a whole. */
export function packedProduct(
  x: Value,
  weight: Value,
  bias: Value | undefined,
  multiplied: (x: Value, weight: Value) => Value,
): Value | undefined {
  const { graph } = x;
  const { blockProducts, weights } = graph.lowering;
  const blocks = graph.blocksOf(weight);
  if (!blocks) return undefined;
  const [out = 0, features = 0] = weight.shape;
  const fits = features % (blocks.codes.shape[1] ?? 1) === 0;
  if (!blocks.table && fits && blockProducts === "fused") return withBias(blockProduct(narrow(x), blocks, out), bias);
  if (!blocks.table && blockProducts === "widened") {
    return fits && blocks.offsets ? productWithOffsets(x, weight, bias, { ...blocks, offsets: blocks.offsets }) : undefined;
  }
  const rowsAtOnce = Math.max(1, Math.floor(LARGEST_WIDENED / features));
  if (weights === "folded" || out <= rowsAtOnce) return undefined;
  const parts: Value[] = [];
  for (let start = 0; start < out; start += rowsAtOnce) {
    const part = graph.weightRows(weight, start, Math.min(out, start + rowsAtOnce));
    const product = part && multiplied(x, part);
    if (!product) return undefined;
    parts.push(product);
  }
  return withBias(concat(parts as [Value, ...Value[]], 1), bias);
}

function blockProduct(x: Value, blocks: CodedBlocks, out: number): Value {
  const { graph } = x;
  const [rows = 0, features = 0] = x.shape;
  const [, size = 0] = blocks.codes.shape;
  const bits = blocks.bits <= 4 ? 4 : 8;
  const count = features / size;
  const scales = graph.cast(reshape(blocks.scales, [out * count]), x.dtype);
  const codes = reshape(bits === 4 ? pairsOf(blocks) : marked(blocks), [out, count, (size * bits) / 8]);
  const product = graph.node("MatMulNBits", [bits === 4 ? inPairs(x, size) : x, codes, scales], {
    shape: [rows, out],
    domain: "com.microsoft",
    attributes: { K: features, N: out, bits, block_size: size, accuracy_level: 1 },
  });
  const added = blockOffsets(blocks);
  if (!added) return product;
  return graph.node("Gemm", [sums(x, size), graph.cast(reshape(added, [out, count]), x.dtype), product], {
    shape: [rows, out],
    attributes: { transB: 1 },
  });
}

/** x times the transpose of a weight whose blocks add something to each of their numbers. */
function productWithOffsets(
  x: Value,
  weight: Value,
  bias: Value | undefined,
  { offsets, ...blocks }: CodedBlocks & { readonly offsets: Value },
): Value {
  const { graph } = x;
  const [out = 0, features = 0] = weight.shape;
  const [, size = 0] = blocks.codes.shape;
  const shape = [x.shape[0] ?? 0, out];
  const scaled = graph.varied(`${weight.name} without offsets`, () => reshape(widened(blocks), weight.shape));
  const attributes = { transB: 1 };
  const added = graph.node("Gemm", [sums(x, size), reshape(offsets, [out, features / size]), bias], { shape, attributes });
  return graph.node("Gemm", [x, scaled, added], { shape, attributes });
}

/** What each block adds to each of its numbers beyond (code - 8 or 128) * scale; undefined if that is nothing. */
function blockOffsets({ zero = 0, bits, scales, offsets }: CodedBlocks): Value | undefined {
  const { graph } = scales;
  // All codes but those of 4 bits have 8 or 128 added to them.
  const distance = bits === 4 ? 8 - zero : -zero;
  if (distance === 0) return offsets;
  const moved = graph.node("Mul", [scales, graph.constant([distance], [])], { shape: scales.shape });
  return offsets ? graph.node("Add", [moved, offsets], { shape: scales.shape }) : moved;
}

/** x with the two halves of each block interleaved: in the order of the codes in {@link pairsOf}. */
function inPairs(x: Value, size: number): Value {
  return x.graph.once(`${x.name} in pairs of ${size}`, () => reshape(transpose(reshape(x, [-1, 2, size / 2]), [0, 2, 1]), x.shape));
}

/** The sum of x over each block of features. */
function sums(x: Value, size: number): Value {
  const { graph } = x;
  const [rows = 0, features = 0] = x.shape;
  return graph.once(`${x.name} summed by ${size}`, () =>
    graph.node("ReduceSum", [reshape(x, [rows, features / size, size]), graph.integers([2])], {
      shape: [rows, features / size],
      attributes: { keepdims: 0 },
    }),
  );
}

function withBias(product: Value, bias: Value | undefined): Value {
  return bias ? add(product, bias) : product;
}
