import type { Value } from "../graph/graph.js";
import { besideLayer, changesWeight, type LayerChange } from "../graph/layer-change.js";
import { type ConvOptions, conv2d } from "../graph/ops/conv2d.js";
import { add, mul, scale, shift } from "../graph/ops/elementwise.js";
import { affine } from "../graph/ops/products.js";
import { reshape, rows as rowsOf, slice } from "../graph/ops/shapes.js";
import type { Scope } from "../graph/scope.js";
import type { StoredTensor } from "../tensor/stored-tensor.js";
import type { Shape } from "../tensor/tensor.js";
import { lowRankProduct, upMatrix, weightDifference } from "./weight-changes.js";

// Layers with adapters. A plain LoRA is computed beside the layer: y + scale · up(mid(down(x))). All other adapters change the weight
// itself in every run, one layer at a time. Fused adapters change it once, when the graph is loaded.

/** The rows `start` to `end` (excluded) of a layer's outputs. */
export type Rows = readonly [start: number, end: number];

/** The output y [..., out, or its `rows`] of the linear layer at `w` for x [..., in], plus what LoRAs add. */
export function withAdapters(y: Value, x: Value, w: Scope, rows?: Rows): Value {
  return lowRanks(w).reduce((sum, { change, weight }) => {
    const matrices = [change.down, ...(change.mid ? [change.mid] : [])].map((stored) => x.graph.weight(stored, stored.shape.slice(0, 2)));
    const input = change.inputs === undefined ? x : slice(x, x.shape.length - 1, 0, change.down.shape[1] ?? 0);
    const hidden = matrices.reduce((value, matrix) => affine(value, matrix), input);
    return add(sum, affine(mul(hidden, scale(weight, change.scale)), upMatrix(x.graph, change, rows)));
  }, y);
}

/** The output y [batch, out, height, width] of the convolution at `w` for x [batch, in, height, width], plus what LoRAs add. */
export function withConvAdapters(y: Value, x: Value, w: Scope, kernel: number, options: ConvOptions): Value {
  const { graph } = x;
  return lowRanks(w).reduce((sum, { change, weight }) => {
    const { down, mid, up } = change;
    const input = mid ? conv2d(x, graph.weight(down, withKernel(down, 1)), undefined) : x;
    const spatial = mid ?? down;
    const hidden = conv2d(input, graph.weight(spatial, withKernel(spatial, kernel)), undefined, options);
    return add(sum, conv2d(mul(hidden, scale(weight, change.scale)), graph.weight(up, withKernel(up, 1)), undefined));
  }, y);
}

/**
 * The weight of the layer at `w`, or its `rows`, with the changes of all adapters except those that {@link withAdapters} computes. `weight`
 * is the weight (or its rows) without changes; `read` returns the checkpoint's whole weight in float32, in the graph of the scope it is
 * given.
 */
export function adaptedWeight(weight: Value, w: Scope, read: (w: Scope) => Value, rows?: Rows): Value {
  const changes = w.added.flatMap(({ change, weight }) => (changesWeight(change) && !besideLayer(change) ? [{ change, weight }] : []));
  if (changes.length === 0) return fusedWeight(weight, w, read, rows);
  const { graph } = weight;
  const whole = graph.varied(`${w.name} adapted`, () => {
    const own = fusedWeight(read(w), w, read);
    const changed = changes.reduce((sum, { change, weight }) => add(sum, weightDifference(own, change, weight)), own);
    return graph.cast(changed, graph.float);
  });
  return rows ? graph.varied(`${w.name} adapted ${rows}`, () => rowsOf(whole, ...rows)) : whole;
}

/** The bias of the layer or norm at `w`, with the changes of adapters, in `shape`. `bias` is the checkpoint's, if there is one. */
export function adaptedBias(bias: Value | undefined, w: Scope, shape: Shape): Value | undefined {
  const numbers = (stored: StoredTensor) => w.graph.weight(stored, shape, "float32");
  return adaptedVector(bias, w, (own, { bias: change }, weight) => {
    if (!change) return undefined;
    if (!("method" in change)) return mul(numbers(change.difference), scale(weight, change.scale));
    return own && mul(mul(own, shift(numbers(change.gain), -change.neutral)), weight);
  });
}

/** The gain of the norm at `w`, with the changes of adapters. */
export function adaptedGain(gain: Value, w: Scope): Value {
  return (
    adaptedVector(gain, w, (own, change, weight) => (own && changesWeight(change) ? weightDifference(own, change, weight) : undefined)) ??
    gain
  );
}

function adaptedVector(
  own: Value | undefined,
  w: Scope,
  differ: (own: Value | undefined, change: LayerChange, weight: Value) => Value | undefined,
): Value | undefined {
  const fused = w.fused.map(({ change, weight }) => ({ change, weight: w.graph.constant([weight]) }));
  return [...fused, ...w.added].reduce((sum, { change, weight }) => {
    const difference = differ(own, change, weight);
    return difference ? (sum ? add(sum, difference) : difference) : sum;
  }, own);
}

/** The weight of the layer at `w`, or its `rows`, with the fused changes. */
function fusedWeight(weight: Value, w: Scope, read: (w: Scope) => Value, rows?: Rows): Value {
  const changes = w.fused.flatMap(({ change, weight }) => (changesWeight(change) && weight !== 0 ? [{ change, weight }] : []));
  if (changes.length === 0) return weight;
  const products = changes.map(({ change, weight }) => ({ change: besideLayer(change), weight }));
  return weight.graph.changed(weight, "fused", (own) => {
    const { graph } = own;
    if (products.every(({ change }) => change !== undefined)) {
      return products.reduce(
        (sum, { change, weight }) => (change ? add(sum, reshape(scale(lowRankProduct(graph, change, rows), weight), own.shape)) : sum),
        own,
      );
    }
    const all = changes.reduce(
      (sum, { change, weight }) => add(sum, weightDifference(sum, change, graph.constant([weight]))),
      rows ? read(w.in(graph)) : own,
    );
    return rows ? rowsOf(all, ...rows) : all;
  });
}

function lowRanks(w: Scope) {
  return w.added.flatMap(({ change, weight }) => {
    const product = besideLayer(change);
    return product ? [{ change: product, weight }] : [];
  });
}

/** A matrix's shape as that of a square convolution. */
function withKernel({ shape: [rows = 0, columns = 0] }: StoredTensor, kernel: number): Shape {
  return [rows, columns, kernel, kernel];
}
