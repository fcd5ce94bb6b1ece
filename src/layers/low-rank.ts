import type { Graph, Value } from "../graph/graph.js";
import { add, affine, type ConvOptions, conv2d, matmul, mul, reshape, scale, transpose } from "../graph/ops.js";
import type { LowRank, Scope, StoredWeight } from "../graph/scope.js";
import { rowRange } from "../graph/weight-bytes.js";

// Layers' changes by products of small matrices (LoRA, Hu et al. 2021): beside the layer, y + scale · up(mid(down(x))), or in its weight.

/** The rows `start` to `end` (excluded) of a layer's outputs. */
export type Rows = readonly [start: number, end: number];

/** The result y [..., out or the `rows` of it] of the linear layer at `w` for x [..., in], with what adapters add to it. */
export function withAdapters(y: Value, x: Value, w: Scope, rows?: Rows): Value {
  return w.added.reduce((sum, { change, weight }) => {
    const matrices = [change.down, ...(change.mid ? [change.mid] : [])].map((stored) => x.graph.weight(stored, stored.shape.slice(0, 2)));
    const hidden = matrices.reduce((value, matrix) => affine(value, matrix), x);
    return add(sum, affine(mul(hidden, scale(weight, change.scale)), upMatrix(x.graph, change, rows)));
  }, y);
}

/** The result y [batch, out, height, width] of the convolution at `w` for x [batch, in, height, width], with what adapters add to it. */
export function withConvAdapters(y: Value, x: Value, w: Scope, kernel: number, options: ConvOptions): Value {
  const { graph } = x;
  return w.added.reduce((sum, { change, weight }) => {
    const { down, mid, up } = change;
    const input = mid ? conv2d(x, graph.weight(down, withKernel(down, 1)), undefined) : x;
    const spatial = mid ?? down;
    const hidden = conv2d(input, graph.weight(spatial, withKernel(spatial, kernel)), undefined, options);
    return add(sum, conv2d(mul(hidden, scale(weight, change.scale)), graph.weight(up, withKernel(up, 1)), undefined));
  }, y);
}

/** The weight of the layer at `w`, or `rows` of it, with the changes that are fused into it. */
export function fusedWeight(weight: Value, w: Scope, rows?: Rows): Value {
  const changes = w.fused;
  if (changes.length === 0) return weight;
  return weight.graph.changed(weight, "fused", (own) =>
    changes.reduce((sum, { change, weight: factor }) => {
      const product = matmul(upMatrix(own.graph, change, rows, "float32"), downMatrix(own.graph, change));
      return add(sum, reshape(scale(product, factor * change.scale), own.shape));
    }, own),
  );
}

/** `mid` and `down` as one float32 matrix [rank, in · kernel · kernel]. */
function downMatrix(graph: Graph, { down, mid }: LowRank): Value {
  const [inner = 0, ...ins] = down.shape;
  const columns = ins.reduce((product, extent) => product * extent, 1);
  const matrix = graph.weight(down, [inner, columns], "float32");
  if (!mid) return matrix;
  const [rank = 0, , height = 1, width = 1] = mid.shape;
  const places = height * width;
  const perPlace = reshape(transpose(graph.weight(mid, [rank, inner, places], "float32"), [0, 2, 1]), [rank * places, inner]);
  return reshape(transpose(reshape(matmul(perPlace, matrix), [rank, places, columns]), [0, 2, 1]), [rank, columns * places]);
}

function upMatrix(graph: Graph, { up }: LowRank, rows?: Rows, dtype?: "float32"): Value {
  const [out = 0, rank = 0] = up.shape;
  const [start, end] = rows ?? [0, out];
  return graph.weight(rowRange(up, out, start, end), [end - start, rank], dtype);
}

/** A matrix's shape as a square convolution's. */
function withKernel({ shape: [rows = 0, columns = 0] }: StoredWeight, kernel: number): number[] {
  return [rows, columns, kernel, kernel];
}
