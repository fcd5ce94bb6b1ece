import { ArgumentError } from "../errors.js";
import { shown } from "../given.js";
import type { Shape } from "./tensor.js";

/** One axis or several, counted from 0; negative ones count back from the last, -1. */
export type Axes = number | readonly number[];

/** `N` times `T`: a tuple where `N` is a literal, else an array. */
export type Parts<T, N extends number> = number extends N
  ? T[]
  : `${N}` extends `-${string}` | `${string}.${string}`
    ? never
    : TupleOf<T, N>;

type TupleOf<T, N extends number, Found extends T[] = []> = Found["length"] extends N ? Found : TupleOf<T, N, [...Found, T]>;

/**
 * `axis` counted from 0. `rank` is the number of axes, by default that of `shape`; a scalar counts as having one, as in torch.
 * @throws ArgumentError if there is no such axis.
 */
export function resolveAxis(axis: number, shape: Shape, rank = Math.max(shape.length, 1)): number {
  if (!(Number.isInteger(axis) && -rank <= axis && axis < rank)) {
    throw new ArgumentError(`axis ${shown(axis)} is outside a tensor of shape [${shape}]; expected ${-rank} to ${rank - 1}`, {
      argument: "axis",
    });
  }
  return axis < 0 ? axis + rank : axis;
}

/** Several axes counted from 0. @throws ArgumentError if one does not exist or is named twice. */
export function resolveAxes(axes: Axes, shape: Shape): number[] {
  const resolved = (Array.isArray(axes) ? axes : [axes]).map((axis: number) => resolveAxis(axis, shape));
  const twice = resolved.find((axis, i) => resolved.indexOf(axis) !== i);
  if (twice !== undefined) {
    throw new ArgumentError(`axis ${twice} of a tensor of shape [${shape}] is named twice in [${axes}]`, { argument: "axis" });
  }
  return resolved;
}

/** The distance between neighbours along each axis. */
export function stridesOf(shape: Shape): number[] {
  const strides: number[] = [];
  let stride = 1;
  for (const extent of shape.toReversed()) {
    strides.unshift(stride);
    stride *= extent;
  }
  return strides;
}

/**
 * The strides that broadcast a tensor of shape `from` to shape `to`, as torch does: axes are aligned at the last one, and missing axes and
 * axes of extent 1 are repeated. Undefined if the shapes do not match.
 */
export function stretchedStrides(from: Shape, to: Shape): number[] | undefined {
  const missing = to.length - from.length;
  if (missing < 0 || from.some((extent, i) => extent !== 1 && extent !== to[i + missing])) return undefined;
  const strides = stridesOf(from);
  return to.map((_, i) => (i < missing || from[i - missing] === 1 ? 0 : (strides[i - missing] as number)));
}

/** Calls `visit` with the position of each number of a tensor with this shape and these strides, in row-major order. */
export function walk(shape: Shape, strides: readonly number[], visit: (position: number) => void, axis = 0, from = 0): void {
  const [extent, stride] = [shape[axis], strides[axis] as number];
  if (extent === undefined) visit(from);
  else if (axis === shape.length - 1) for (let i = 0; i < extent; i++) visit(from + i * stride);
  else for (let i = 0; i < extent; i++) walk(shape, strides, visit, axis + 1, from + i * stride);
}
