import type { Graph, Value } from "../graph/graph.js";
import type { Axis, ChangedWeight, Factor, LowRank, Magnitude, RowChoice, WeightChange } from "../graph/layer-change.js";
import { add, clip, div, mul, scale, shift, sub } from "../graph/ops/elementwise.js";
import { rowLengths } from "../graph/ops/norms.js";
import { matmul } from "../graph/ops/products.js";
import { concat, expand, reshape, slice, transpose } from "../graph/ops/shapes.js";
import { rowsOf, type StoredTensor } from "../tensor/stored-tensor.js";
import { type Shape, sizeOf } from "../tensor/tensor.js";

// The changes that adapters make to a layer's weight, in float32. graph/layer-change.ts describes the methods.

/** LyCORIS adds float32's epsilon to lengths. */
const EPSILON = 2 ** -23;

/** What a change adds to the weight `own`, for an adapter with the weight `weight` [1]; 0 if that is 0. */
export function weightDifference(own: Value, { weight: change, magnitude, rows: choice }: ChangedWeight, weight: Value): Value {
  const [, ...columns] = own.shape;
  const whole = choice ? [choice.of, ...columns] : own.shape;
  const all = reshape(fullDifference(own, change, whole), whole);
  const difference = choice ? chosenRows(all, choice) : all;
  return magnitude ? withLengths(own, difference, magnitude, weight) : mul(difference, weight);
}

/** `up` and `down` of a LoRA multiplied to one matrix [out, in · kernel · kernel], or its `rows`. */
export function lowRankProduct(graph: Graph, change: LowRank, rows?: readonly [start: number, end: number]): Value {
  const product = scale(matmul(upMatrix(graph, change, rows, "float32"), downMatrix(graph, change)), change.scale);
  const [out = 0, columns = 0] = product.shape;
  if (change.inputs === undefined) return product;
  return concat([product, expand(graph.constant([0], [1, 1]), [out, change.inputs - columns])], 1);
}

/** `up` as a matrix [out, rank], or its `rows`. */
export function upMatrix(graph: Graph, { up }: LowRank, rows?: readonly [start: number, end: number], dtype?: "float32"): Value {
  const [out = 0, rank = 0] = up.shape;
  const [start, end] = rows ?? [0, out];
  return graph.weight(rowsOf(up, start, end), [end - start, rank], dtype);
}

function chosenRows(value: Value, { ranges: [first, ...others] }: RowChoice): Value {
  return concat([slice(value, 0, ...first), ...others.map((range) => slice(value, 0, ...range))], 0);
}

/**
 * What an adapter with weight 1 adds to a weight of `shape`; only the size of the result's shape is defined. `own` is that weight, or those
 * of its rows that a layer has.
 */
function fullDifference(own: Value, change: WeightChange, shape: Shape): Value {
  const { graph } = own;
  const [out = 0, ins = 1] = shape;
  const places = sizeOf(shape) / (out * ins);
  switch (change.method) {
    case "lora":
      return lowRankProduct(graph, change);
    case "loha": {
      const [a, b] = change.factors.map((factor) => matrixOf(graph, factor, [out, ins * places])) as [Value, Value];
      return scale(mul(a, b), change.scale);
    }
    case "lokr": {
      const [a, b] = change.grid;
      const [c, d] = [out / a, ins / b];
      const blocks = reshape(matrixOf(graph, change.blocks, [a, b]), [a, 1, b, 1, 1]);
      const entries = reshape(matrixOf(graph, change.entries, [c, d * places]), [1, c, 1, d, places]);
      return scale(mul(blocks, entries), change.scale);
    }
    case "glora": {
      const byPlace = transpose(reshape(own, [out, ins, places]), [0, 2, 1]);
      const ofInput = matmul(reshape(byPlace, [out * places, ins]), matrixOf(graph, change.input, [ins, ins]));
      const product = transpose(reshape(ofInput, [out, places, ins]), [0, 2, 1]);
      return scale(add(product, reshape(matrixOf(graph, change.output, [out, ins * places]), [out, ins, places])), change.scale);
    }
    case "full":
      return stored(graph, change.difference, shape);
    case "ia3":
      return mul(own, shift(vector(graph, change.gain, shape, change.axis), -change.neutral));
  }
}

/** DoRA: adds the difference to `own`, rescales the vectors to the trained lengths, and subtracts `own`. */
function withLengths(own: Value, difference: Value, { lengths, axis, weighting }: Magnitude, weight: Value): Value {
  const { graph, shape } = own;
  const trained = vector(graph, lengths, shape, axis);
  const isPeft = weighting === "peft";
  const changed = add(own, isPeft ? mul(difference, weight) : difference);
  const stretch = div(trained, shift(lengthsOf(changed, axis), EPSILON));
  const partway = isPeft ? stretch : shift(mul(shift(stretch, -1), weight), 1);
  // A weight of 0 turns an adapter off in all methods. Rescaling alone would still change the weight.
  const isOn = clip(scale(mul(weight, weight), 1e30), 0, 1);
  return mul(sub(mul(changed, partway), own), isOn);
}

/** The length of each row or column of a weight, with the weight's number of axes. */
function lengthsOf(weight: Value, axis: Axis): Value {
  const { shape } = weight;
  const [out = 0, ins = 0] = shape;
  const places = sizeOf(shape) / (out * ins);
  if (axis === "out") return reshape(rowLengths(reshape(weight, [out, ins * places])), alongAxis(shape, axis));
  const columns = reshape(transpose(reshape(weight, [out, ins, places]), [1, 0, 2]), [ins, out * places]);
  return reshape(rowLengths(columns), alongAxis(shape, axis));
}

/** One number for each row or column of a weight, with the weight's number of axes. */
function vector(graph: Graph, tensor: StoredTensor, shape: Shape, axis: Axis): Value {
  return reshape(stored(graph, tensor, [sizeOf(tensor.shape)]), alongAxis(shape, axis));
}

/** The shape of one number for each row or column of a weight. */
function alongAxis(shape: Shape, axis: Axis): Shape {
  return shape.map((extent, i) => (i === (axis === "out" ? 0 : 1) ? extent : 1));
}

/** A factor as one matrix [rows, columns]. */
function matrixOf(graph: Graph, factor: Factor, [rows = 0, columns = 0]: Shape): Value {
  if ("whole" in factor) return stored(graph, factor.whole, [rows, columns]);
  const { left, right, core } = factor;
  if (!core) {
    const rank = sizeOf(left.shape) / rows;
    return matmul(stored(graph, left, [rows, rank]), stored(graph, right, [rank, columns]));
  }
  const [p = 0, q = 0] = core.shape;
  const places = sizeOf(core.shape) / (p * q);
  const [leftMatrix, rightMatrix] = [stored(graph, left, [p, rows]), stored(graph, right, [q, columns / places])];
  return tucker(transpose(leftMatrix, [1, 0]), stored(graph, core, [p, q, places]), rightMatrix);
}

/** `mid` and `down` of a LoRA multiplied to one matrix [rank, in · kernel · kernel]. */
function downMatrix(graph: Graph, { down, mid }: LowRank): Value {
  const [inner = 0, ...ins] = down.shape;
  const matrix = stored(graph, down, [inner, sizeOf(ins)]);
  if (!mid) return matrix;
  const [rank = 0, , height = 1, width = 1] = mid.shape;
  return tucker(undefined, stored(graph, mid, [rank, inner, height * width]), matrix);
}

/** left [rows, p] · core [p, q, places] · right [q, columns], as a matrix [rows, columns · places]. */
function tucker(left: Value | undefined, core: Value, right: Value): Value {
  const [p = 0, q = 0, places = 0] = core.shape;
  const [, columns = 0] = right.shape;
  const perPlace = reshape(transpose(core, [0, 2, 1]), [p * places, q]);
  const product = reshape(transpose(reshape(matmul(perPlace, right), [p, places, columns]), [0, 2, 1]), [p, columns * places]);
  return left ? matmul(left, product) : product;
}

function stored(graph: Graph, tensor: StoredTensor, shape: Shape): Value {
  return graph.weight(tensor, shape, "float32");
}
