import { ArgumentError } from "../../errors.js";
import { type Shape, sizeOf } from "../../tensor/tensor.js";
import type { Value } from "../graph.js";
import { axisOfLast, fromChannelsLast, isChannelsLast, reordered, reshapedLast, toChannelsLast } from "./channels-last.js";
import { alike } from "./precision.js";

/** The same numbers in another shape; one extent may be -1. */
export function reshape(x: Value, shape: Shape): Value {
  const known = sizeOf(shape.filter((extent) => extent !== -1));
  const full = shape.map((extent) => (extent === -1 ? sizeOf(x.shape) / known : extent));
  if (!full.every(Number.isInteger) || sizeOf(full) !== sizeOf(x.shape))
    throw new ArgumentError(`[${x.shape}] cannot be seen as [${shape}]`);
  if (String(full) === String(x.shape)) return x;
  const { graph } = x;
  const plain = graph.once(`${x.name} as [${full}]`, () =>
    graph.node("Reshape", [x, graph.integers(full)], { shape: full, dtype: x.dtype }),
  );
  const channelsLast = reshapedLast(x, full);
  return channelsLast ? { ...plain, channelsLast } : plain;
}

/** x with its axes in another order. */
export function transpose(x: Value, order: readonly number[]): Value {
  const known = reordered(x, order);
  if (known) return known;
  return x.graph.node("Transpose", [x], { shape: order.map((axis) => extent(x, axis)), dtype: x.dtype, attributes: { perm: order } });
}

/** Values one after another along `axis`. */
export function concat(values: readonly [Value, ...Value[]], axis: number): Value {
  const [first] = values;
  const total = values.reduce((sum, value) => sum + extent(value, axis), 0);
  if (values.length === 1) return first;
  const misfit = values.find(
    ({ shape }) => shape.length !== first.shape.length || shape.some((size, i) => i !== axis && size !== first.shape[i]),
  );
  if (misfit) throw new ArgumentError(`[${first.shape}] and [${misfit.shape}] do not join along axis ${axis}`);
  if (values.some(isChannelsLast)) {
    const [head, ...tail] = values.map(toChannelsLast) as [Value, ...Value[]];
    return fromChannelsLast(concat([head, ...tail], axisOfLast(axis, first.shape.length)));
  }
  const shape = first.shape.map((size, i) => (i === axis ? total : size));
  return first.graph.node("Concat", alike(values), { shape, attributes: { axis } });
}

/** The part `start` to `end` (excluded) of one axis, or every `step`th place in it. */
export function slice(x: Value, axis: number, start: number, end: number, step = 1): Value {
  const { graph } = x;
  if (!(0 <= start && start < end && end <= extent(x, axis)))
    throw new ArgumentError(`[${x.shape}] has no part ${start} to ${end} on axis ${axis}`);
  if (start === 0 && end === x.shape[axis] && step === 1) return x;
  if (x.channelsLast) return fromChannelsLast(slice(x.channelsLast, axisOfLast(axis, x.shape.length), start, end, step));
  const shape = x.shape.map((size, i) => (i === axis ? Math.ceil((end - start) / step) : size));
  const steps = step === 1 ? undefined : graph.integers([step]);
  return graph.node("Slice", [x, graph.integers([start]), graph.integers([end]), graph.integers([axis]), steps], { shape });
}

/** The rows `start` to `end` (excluded) of a weight: a byte range of its file if the weight is used as stored, else a slice. */
export function rows(weight: Value, start: number, end: number): Value {
  if (start === 0 && end === extent(weight, 0)) return weight;
  return weight.graph.weightRows(weight, start, end) ?? slice(weight, 0, start, end);
}

/** Splits `axis` into `parts` equal values. */
export function split(x: Value, axis: number, parts: number): Value[] {
  const size = extent(x, axis) / parts;
  if (!Number.isInteger(size)) throw new ArgumentError(`axis ${axis} of [${x.shape}] does not split into ${parts} equal parts`);
  return Array.from({ length: parts }, (_, i) => slice(x, axis, i * size, (i + 1) * size));
}

/** x repeated along axes of extent 1 until it has `shape`. */
export function expand(x: Value, shape: Shape): Value {
  return x.graph.node("Expand", [x, x.graph.integers(shape)], { shape: broadcast(x.shape, shape), dtype: x.dtype });
}

/** x [n, ...] repeated as a whole until it has `batch` rows. */
export function repeatBatch(x: Value, batch: number): Value {
  const times = batch / extent(x, 0);
  if (times === 1) return x;
  if (!Number.isInteger(times)) throw new ArgumentError(`[${x.shape}] cannot be repeated to a batch of ${batch}`);
  return concat([x, ...Array.from({ length: times - 1 }, () => x)], 0);
}

/** The rows of `table` [rows, width] at the int64 `indices`: an embedding lookup. */
export function gather(table: Value, indices: Value): Value {
  return table.graph.node("Gather", [table, indices], { shape: [...indices.shape, ...table.shape.slice(1)], attributes: { axis: 0 } });
}

/** The extent of an axis. @throws ArgumentError if x has no such axis. */
export function extent(x: Value, axis: number): number {
  const size = x.shape[axis];
  if (size === undefined) throw new ArgumentError(`[${x.shape}] has no axis ${axis}`);
  return size;
}

/** The shape of an element-wise result, by NumPy broadcasting. @throws ArgumentError if the shapes do not broadcast. */
export function broadcast(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const m = a[a.length - rank + i] ?? 1;
    const n = b[b.length - rank + i] ?? 1;
    if (m !== n && m !== 1 && n !== 1) throw new ArgumentError(`[${a}] and [${b}] do not broadcast`);
    return Math.max(m, n);
  });
}
