import { type Shape, sizeOf } from "../../tensor/tensor.js";
import type { Value } from "../graph.js";

/*
 * Networks see pictures as [batch, channels, height, width]. Some GPUs compute faster with [batch, height, width, channels]. If the target
 * wants that (`lowering.channelsLast`), a value that was made with its channels last carries that form, and operations that can use it do.
 * The form with channels first exists, too; the graph leaves out transpositions that nothing needs. So a network's pictures are transposed
 * at its beginning and at its end.
 */

/** The order of axes that moves the channels of [batch, channels, ...] to the end. */
function lastOrder(rank: number): readonly number[] {
  return [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1];
}

/** The order of axes that moves the channels from the end to their place behind the batch. */
function firstOrder(rank: number): readonly number[] {
  return [0, rank - 1, ...Array.from({ length: rank - 2 }, (_, i) => i + 1)];
}

function isOrder(order: readonly number[], other: readonly number[]): boolean {
  return order.length > 2 && order.every((axis, i) => axis === other[i]);
}

function permuted({ shape }: Value, order: readonly number[]): Shape {
  return order.map((axis) => shape[axis] ?? 1);
}

function transposed(x: Value, order: readonly number[]): Value {
  return x.graph.node("Transpose", [x], { shape: permuted(x, order), dtype: x.dtype, attributes: { perm: order } });
}

function reshaped(x: Value, shape: Shape): Value {
  const { graph } = x;
  return graph.once(`${x.name} as [${shape}]`, () => graph.node("Reshape", [x, graph.integers(shape)], { shape, dtype: x.dtype }));
}

/** Whether operations on x should use its form with channels last. */
export function isChannelsLast(x: Value): boolean {
  return x.channelsLast !== undefined;
}

/** x [batch, channels, ...] as [batch, ..., channels]. */
export function toChannelsLast(x: Value): Value {
  if (x.channelsLast) return x.channelsLast;
  const order = lastOrder(x.shape.length);
  // A single pixel only changes its shape.
  if (sizeOf(x.shape.slice(2)) === 1) return reshaped(x, permuted(x, order));
  return x.graph.once(`${x.name} with channels last`, () => transposed(x, order));
}

/** y [batch, ..., channels] as [batch, channels, ...], which carries y. */
export function fromChannelsLast(y: Value): Value {
  return { ...transposed(y, firstOrder(y.shape.length)), channelsLast: y };
}

/** The axis of the form with channels last that is this axis of [batch, channels, ...]. */
export function axisOfLast(axis: number, rank: number): number {
  return lastOrder(rank).indexOf(axis);
}

/** x with its axes in another order, without a transposition if x carries that form; undefined if neither form is meant. */
export function reordered(x: Value, order: readonly number[]): Value | undefined {
  if (!x.graph.lowering.channelsLast) return undefined;
  if (x.channelsLast && isOrder(order, lastOrder(x.shape.length))) return x.channelsLast;
  return isOrder(order, firstOrder(x.shape.length)) ? fromChannelsLast(x) : undefined;
}

/** The form with channels last of x [batch, channels, ...] in a shape with the same batch and channels; undefined if x carries none. */
export function reshapedLast(x: Value, [batch, channels, ...sides]: Shape): Value | undefined {
  const isSame = x.channelsLast && sides.length > 0 && batch === x.shape[0] && channels === x.shape[1];
  return isSame ? reshaped(x.channelsLast as Value, [batch ?? 1, ...sides, channels ?? 1]) : undefined;
}

/**
 * The inputs of an element-wise operation with channels last, if one of them carries that form and all others broadcast to it; otherwise
 * undefined.
 */
export function broadcastLast(inputs: readonly Value[]): readonly Value[] | undefined {
  const rank = inputs.find(isChannelsLast)?.shape.length;
  if (rank === undefined) return undefined;
  const all = inputs.map((x): Value | undefined => {
    const { shape } = x;
    if (shape.length === rank) return toChannelsLast(x);
    if (sizeOf(shape) === 1 && shape.length < rank) return shape.length < 2 ? x : reshaped(x, [1]);
    // [channels, 1, 1]
    return shape.length === rank - 1 && sizeOf(shape.slice(1)) === 1 ? reshaped(x, [shape[0] ?? 1]) : undefined;
  });
  return all.every((x) => x !== undefined) ? (all as readonly Value[]) : undefined;
}
