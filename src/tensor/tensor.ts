import { ArgumentError } from "../errors.js";
import { wrongArgument } from "../given.js";
import { type Axes, type Parts, resolveAxes, resolveAxis, stretchedStrides, stridesOf, walk } from "./axes.js";
import { convert, reader } from "./convert.js";
import { allocate, type DataOf, type DType } from "./dtype.js";
import { expectData, expectDType, expectExtents, expectNumbers, expectNumeric, expectOptions, expectWhole } from "./expect.js";
import { roundTiesToEven } from "./round.js";

/** A tensor's extent along each axis, outermost first; `[]` means a scalar. */
export type Shape = readonly number[];

/** Options of {@link Tensor.sum}, {@link Tensor.mean} and {@link Tensor.std}. */
export interface ReduceOptions {
  /** Whether reduced axes stay with extent 1, so that the result broadcasts to the tensor's shape; false by default. */
  readonly keepdim?: boolean | undefined;
}

/** Options of {@link Tensor.std}. */
export interface StdOptions extends ReduceOptions {
  /** Subtracted from the count in the divisor: 1 (default) is Bessel's correction, 0 is the biased estimate. */
  readonly correction?: number | undefined;
}

/** How many numbers a tensor of `shape` holds. */
export function sizeOf(shape: Shape): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/**
 * Numbers with a shape and a dtype, row-major and contiguous, like a contiguous `torch.Tensor` on the CPU.
 * `Tensor` without a type argument means float32. Pipelines and schedulers compute in float32, and arithmetic is defined for it alone.
 */
export class Tensor<D extends DType = "float32"> {
  /** @throws ArgumentError if `data` is not the typed array for `dtype`, or does not hold exactly as many numbers as `shape` has. */
  constructor(
    /** The type of its numbers. */
    readonly dtype: D,
    /** Extent along each axis, outermost first. */
    readonly shape: Shape,
    /** The numbers, row-major: the last axis changes fastest. */
    readonly data: DataOf<D>,
  ) {
    expectDType(dtype);
    expectExtents(shape);
    expectData(dtype, data);
    if (data.length !== sizeOf(shape)) {
      throw new ArgumentError(`tensor of shape [${shape}] needs ${sizeOf(shape)} numbers; ${data.length} were given`);
    }
  }

  /** A float32 tensor of the given numbers; `shape` defaults to one axis. */
  static from(values: ArrayLike<number>, shape?: Shape): Tensor {
    expectNumbers(values);
    return new Tensor("float32", shape ?? [values.length], values instanceof Float32Array ? values : Float32Array.from(values));
  }

  /** A float32 tensor with `value` everywhere. */
  static full(shape: Shape, value: number): Tensor {
    return new Tensor("float32", shape, allocate("float32", sizeOf(expectExtents(shape))).fill(expectNumeric("value", value)));
  }

  /** A float32 tensor of zeros. */
  static zeros(shape: Shape): Tensor {
    return new Tensor("float32", shape, allocate("float32", sizeOf(expectExtents(shape))));
  }

  /** Number of elements. */
  get size(): number {
    return this.data.length;
  }

  /**
   * The same numbers (shared, not copied) in another shape. One extent may be -1, as in torch: it is computed from the others.
   * @throws ArgumentError for a shape that holds another number of elements.
   */
  reshape(shape: Shape): Tensor<D> {
    expectExtents(shape, -1);
    const open = shape.indexOf(-1);
    if (open < 0) return new Tensor(this.dtype, shape, this.data);
    const rest = this.size / sizeOf(shape.toSpliced(open, 1));
    if (!Number.isInteger(rest) || shape.lastIndexOf(-1) !== open) {
      throw new ArgumentError(`a tensor of shape [${this.shape}] does not fit into [${shape}]`, { argument: "shape" });
    }
    return new Tensor(this.dtype, shape.with(open, rest), this.data);
  }

  /** Number of axes, like `torch.Tensor.dim()`. */
  dim(): number {
    return this.shape.length;
  }

  /**
   * The numbers with the axes in another order, copied, like `torch.permute`: `permute(1, 2, 0)` turns [channels, height, width] into
   * [height, width, channels].
   * @throws ArgumentError unless every axis is named once.
   */
  permute(...order: readonly number[] | readonly [readonly number[]]): Tensor<D> {
    const axes = resolveAxes(Array.isArray(order[0]) ? order[0] : (order as readonly number[]), this.shape);
    if (axes.length !== this.dim()) {
      throw new ArgumentError(`permute was given ${axes.length} axes for a tensor of shape [${this.shape}]; expected ${this.dim()}`, {
        argument: "axis",
      });
    }
    const strides = stridesOf(this.shape);
    const shape = axes.map((axis) => this.shape[axis] as number);
    const data = allocate(this.dtype, this.size);
    let at = 0;
    const copy = (position: number) => {
      data[at++] = this.data[position] as number;
    };
    walk(
      shape,
      axes.map((axis) => strides[axis] as number),
      copy,
    );
    return new Tensor(this.dtype, shape, data);
  }

  /**
   * The same numbers (shared) without axes of extent 1: all of them, or only those among `axis`. Like `torch.squeeze`.
   * @throws ArgumentError for an axis that does not exist.
   */
  squeeze(axis?: Axes): Tensor<D> {
    const axes = axis === undefined ? undefined : resolveAxes(axis, this.shape);
    return this.reshape(this.shape.filter((extent, i) => extent !== 1 || (axes && !axes.includes(i))));
  }

  /**
   * The same numbers (shared) with a new axis of extent 1 before `axis`; -1 puts it last. Like `torch.unsqueeze`.
   * @throws ArgumentError for an axis outside the result.
   */
  unsqueeze(axis: number): Tensor<D> {
    return this.reshape(this.shape.toSpliced(resolveAxis(axis, this.shape, this.dim() + 1), 0, 1));
  }

  /**
   * The part from `start` to `end` (excluded) along `axis`, like Python's `x[start:end]`. Negative positions count from the end; `end` is
   * the end by default. A slice of the first axis shares the numbers, others are copies.
   * @throws ArgumentError for an axis or positions outside the tensor.
   */
  slice(start: number, end?: number, axis = 0): Tensor<D> {
    const along = resolveAxis(axis, this.shape);
    const extent = this.shape[along] ?? 0;
    expectNumeric("start", start);
    if (end !== undefined) expectNumeric("end", end);
    const place = (index: number) => (index < 0 ? index + extent : index);
    const [from, to] = [place(start), place(end ?? extent)];
    if (!(Number.isInteger(from) && Number.isInteger(to) && 0 <= from && from <= to && to <= extent)) {
      const what = along === 0 ? "rows" : `places of axis ${axis}`;
      throw new ArgumentError(`${what} ${start} to ${end ?? extent} are outside a tensor of shape [${this.shape}]`, {
        argument: 0 <= from && from <= extent ? "end" : "start",
      });
    }
    const inner = sizeOf(this.shape.slice(along + 1));
    const shape = this.shape.with(along, to - from);
    if (along === 0) return new Tensor(this.dtype, shape, this.data.subarray(from * inner, to * inner) as DataOf<D>);
    const data = allocate(this.dtype, sizeOf(shape));
    const run = (to - from) * inner;
    for (let at = 0, source = from * inner; at < data.length; at += run, source += extent * inner) {
      (data as Float32Array).set(this.data.subarray(source, source + run) as Float32Array, at);
    }
    return new Tensor(this.dtype, shape, data);
  }

  /**
   * Splits `axis` into `count` parts, like `torch.chunk`: of equal extent, or the last one smaller. They are views or copies, as `slice`
   * gives.
   * @throws ArgumentError for an axis that does not exist, or that cannot be split into `count` parts (torch returns fewer).
   */
  chunk<N extends number>(count: N, axis = 0): Parts<Tensor<D>, N> {
    const extent = this.shape[resolveAxis(axis, this.shape)] ?? 0;
    expectWhole("count", count, 1);
    const length = Math.ceil(extent / count);
    if (this.dim() === 0 || (extent > 0 && Math.ceil(extent / length) !== count)) {
      throw new ArgumentError(`axis ${axis} of a tensor of shape [${this.shape}] does not split into ${count} parts`, {
        argument: "count",
      });
    }
    const parts = Array.from({ length: count }, (_, i) => this.slice(i * length, Math.min((i + 1) * length, extent), axis));
    return parts as Parts<Tensor<D>, N>;
  }

  /** Every row of the first axis `times` times in a row, like `torch.repeat_interleave(times, dim=0)`. */
  repeatInterleave(times: number): Tensor<D> {
    expectWhole("times", times, 0);
    const rows = this.shape[0] ?? 0;
    return concat(Array.from({ length: rows * times }, (_, i) => this.slice(Math.floor(i / times), Math.floor(i / times) + 1)));
  }

  /**
   * The numbers in another dtype, as torch converts them on the CPU; the same tensor if it already has this dtype. To floats: rounded to
   * the nearest, ties to even. To integers: the fraction is dropped, and `uint8` and `int8` wrap around (256.7 becomes 0, -1 becomes 255),
   * so `clamp` and `round` first.
   */
  to<E extends DType>(dtype: E): Tensor<E> {
    expectDType(dtype);
    if (dtype === (this.dtype as DType)) return this as unknown as Tensor<E>;
    return new Tensor(dtype, this.shape, convert(this.dtype, this.data, dtype));
  }

  /** The number in a tensor of one number. @throws ArgumentError if it does not hold exactly one. */
  item(): number {
    if (this.size !== 1) throw new ArgumentError(`item needs a tensor of one number; shape [${this.shape}] has ${this.size}`);
    return reader(this.dtype, this.data)(0);
  }

  /** The numbers as a plain array of numbers (an int64 beyond 2^53 is rounded). */
  toArray(): number[] {
    const read = reader(this.dtype, this.data);
    return Array.from({ length: this.size }, (_, i) => read(i));
  }

  /** `fn` of every number. */
  map(this: Tensor, fn: (value: number) => number): Tensor {
    expectFloat32(this);
    if (typeof fn !== "function") throw wrongArgument("fn", fn, "a function");
    const { data } = this;
    const results = allocate("float32", data.length);
    // A tenth of the time that the array's own `map` takes.
    for (let i = 0; i < data.length; i++) results[i] = fn(data[i] as number);
    return new Tensor("float32", this.shape, results);
  }

  /** Element-wise sum with a number, or with a tensor that broadcasts to this tensor's shape. */
  add(this: Tensor, other: Tensor | number): Tensor {
    return combine(this, other, (a, b) => a + b);
  }

  /** Element-wise difference; see {@link Tensor.add}. */
  sub(this: Tensor, other: Tensor | number): Tensor {
    return combine(this, other, (a, b) => a - b);
  }

  /** Element-wise product; see {@link Tensor.add}. */
  mul(this: Tensor, other: Tensor | number): Tensor {
    return combine(this, other, (a, b) => a * b);
  }

  /** Element-wise quotient; see {@link Tensor.add}. */
  div(this: Tensor, other: Tensor | number): Tensor {
    return combine(this, other, (a, b) => a / b);
  }

  /** Every number limited to `low..high`; NaN stays. */
  clamp(this: Tensor, low = Number.NEGATIVE_INFINITY, high = Number.POSITIVE_INFINITY): Tensor {
    expectNumeric("low", low);
    expectNumeric("high", high);
    return this.map((value) => Math.min(Math.max(value, low), high));
  }

  /** Every number rounded to the nearest whole number, ties to even, like `torch.round`. */
  round(this: Tensor): Tensor {
    return this.map(roundTiesToEven);
  }

  /** The sum along the given axes, or of all numbers as a scalar if no axes are given. Computed in double precision. */
  sum(this: Tensor, axis: Axes = [], options: ReduceOptions = {}): Tensor {
    return reduce(this, axis, options, sumOf);
  }

  /** The mean along the given axes, or of all numbers as a scalar if no axes are given. NaN for no numbers. */
  mean(this: Tensor, axis: Axes = [], options: ReduceOptions = {}): Tensor {
    return reduce(this, axis, options, meanOf);
  }

  /**
   * The standard deviation along the given axes, or of all numbers as a scalar if no axes are given. Unbiased by default, so NaN for a
   * single number.
   */
  std(this: Tensor, axis: Axes = [], options: StdOptions = {}): Tensor {
    expectOptions(options, { keepdim: "boolean", correction: "number" });
    const { correction = 1, ...others } = options;
    return reduce(this, axis, others, (values) => {
      const mean = meanOf(values);
      return Math.sqrt(sumOf(values.map((value) => (value - mean) ** 2)) / Math.max(values.length - correction, 0));
    });
  }
}

/** Tensors one after another along `axis` (default: the first; -1 is the last), like `torch.cat`. */
export function concat<D extends DType>(tensors: readonly Tensor<D>[], axis = 0): Tensor<D> {
  expectTensors(tensors);
  expectNumeric("axis", axis);
  const [first] = tensors;
  if (!first) throw new ArgumentError("no tensors to join");
  const rank = first.shape.length;
  const along = axis < 0 ? axis + rank : axis;
  for (const { shape, dtype } of tensors) {
    const alike = dtype === first.dtype && shape.length === rank && shape.every((extent, i) => i === along || extent === first.shape[i]);
    if (!alike || !(0 <= along && along < rank)) {
      throw new ArgumentError(`${first.dtype} [${first.shape}] and ${dtype} [${shape}] do not join along axis ${axis}`);
    }
  }
  const outer = sizeOf(first.shape.slice(0, along));
  const inner = sizeOf(first.shape.slice(along + 1));
  const joined = tensors.reduce((sum, { shape }) => sum + (shape[along] as number), 0);
  const data = allocate(first.dtype, outer * joined * inner);
  let at = 0;
  for (let row = 0; row < outer; row++) {
    for (const tensor of tensors) {
      const run = (tensor.shape[along] as number) * inner;
      (data as Float32Array).set(tensor.data.subarray(row * run, (row + 1) * run) as Float32Array, at);
      at += run;
    }
  }
  return new Tensor(first.dtype, [...first.shape.slice(0, along), joined, ...first.shape.slice(along + 1)], data);
}

/** `w0 * t0 + w1 * t1 + ...`, summed in double precision and rounded to float32 once. Most updates of schedulers have this form. */
export function weightedSum(...terms: readonly (readonly [weight: number, tensor: Tensor])[]): Tensor {
  const [first] = terms;
  if (!first) throw new ArgumentError("no tensors to add");
  for (const term of terms) {
    if (!(Array.isArray(term) && typeof term[0] === "number")) throw wrongArgument("terms", term, "pairs of a weight and a tensor");
    expectFloat32(term[1]);
  }
  const sum = new Float64Array(first[1].size);
  for (const [weight, tensor] of terms) {
    sameShape(first[1], tensor);
    const { data } = tensor;
    for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + weight * (data[i] as number);
  }
  return new Tensor("float32", first[1].shape, Float32Array.from(sum));
}

function combine(a: Tensor, b: Tensor | number, fn: (a: number, b: number) => number): Tensor {
  if (typeof b === "number") return a.map((value) => fn(value, b));
  expectFloat32(a);
  expectFloat32(b);
  const data = allocate("float32", a.size);
  const strides = stretchedStrides(b.shape, a.shape);
  if (!strides) throw new ArgumentError(`tensors of shapes [${a.shape}] and [${b.shape}] do not match`, { argument: "other" });
  if (a.size === b.size) {
    for (let i = 0; i < data.length; i++) data[i] = fn(a.data[i] as number, b.data[i] as number);
    return new Tensor("float32", a.shape, data);
  }
  let at = 0;
  walk(a.shape, strides, (position) => {
    data[at] = fn(a.data[at] as number, b.data[position] as number);
    at++;
  });
  return new Tensor("float32", a.shape, data);
}

/** @throws ArgumentError unless `tensor` has the dtype float32: arithmetic is defined for it alone. */
function expectFloat32(tensor: Tensor<DType>): void {
  if (!(tensor instanceof Tensor)) throw wrongArgument("other", tensor, "a Tensor or a number");
  if (tensor.dtype === "float32") return;
  throw new ArgumentError(`arithmetic is defined for float32; this tensor is ${tensor.dtype}`, {
    hint: 'convert it with to("float32") first',
  });
}

/** Applies `fn` to the numbers along the given axes, or to all numbers. */
function reduce(tensor: Tensor, axis: Axes, options: ReduceOptions, fn: (values: Float64Array) => number): Tensor {
  expectFloat32(tensor);
  expectOptions(options, { keepdim: "boolean" });
  const { keepdim = false } = options;
  const { shape } = tensor;
  const named = resolveAxes(axis, shape);
  const all = shape.map((_, i) => i);
  const reduced = named.length === 0 ? all : all.filter((i) => named.includes(i));
  const kept = all.filter((i) => !reduced.includes(i));
  // The reduced axes are moved to the end, so that the numbers of each result are neighbours.
  const { data } = tensor.permute(...kept, ...reduced);
  const length = sizeOf(reduced.map((i) => shape[i] as number));
  const rest = kept.map((i) => shape[i] as number);
  const results = Array.from({ length: sizeOf(rest) }, (_, i) => fn(Float64Array.from(data.subarray(i * length, (i + 1) * length))));
  return Tensor.from(results, keepdim ? shape.map((extent, i) => (reduced.includes(i) ? 1 : extent)) : rest);
}

function sumOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0);
}

function meanOf(values: Float64Array): number {
  return sumOf(values) / values.length;
}

function expectTensors(tensors: readonly Tensor<DType>[]): void {
  if (Array.isArray(tensors) && tensors.every((each) => each instanceof Tensor)) return;
  throw wrongArgument("tensors", tensors, "a list of Tensors");
}

function sameShape(a: Tensor, b: Tensor): void {
  if (a.shape.length !== b.shape.length || a.shape.some((extent, i) => extent !== b.shape[i])) {
    throw new ArgumentError(`tensors of shapes [${a.shape}] and [${b.shape}] do not match`);
  }
}
