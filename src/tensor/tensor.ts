import { ArgumentError } from "../errors.js";
import { allocate, type DataOf, type DType } from "./dtype.js";
import { fromBfloat, fromHalf, toBfloat, toHalf } from "./half.js";

/** A tensor's extent along each axis, outermost first; `[]` is a scalar. */
export type Shape = readonly number[];

/** How many numbers a tensor of `shape` holds. */
export function sizeOf(shape: Shape): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/**
 * Numbers with a shape and a dtype, row-major and contiguous, like a contiguous `torch.Tensor` on the CPU.
 * `Tensor` alone means float32, the dtype of everything pipelines and schedulers compute; arithmetic is defined for that one.
 */
export class Tensor<D extends DType = "float32"> {
  /** @throws ArgumentError if `data` does not hold exactly the numbers that `shape` asks for. */
  constructor(
    readonly dtype: D,
    readonly shape: Shape,
    readonly data: DataOf<D>,
  ) {
    if (data.length !== sizeOf(shape)) {
      throw new ArgumentError(`tensor of shape [${shape}] needs ${sizeOf(shape)} numbers; ${data.length} were given`);
    }
  }

  /** A float32 tensor of the given numbers; `shape` defaults to one axis. */
  static from(values: ArrayLike<number>, shape: Shape = [values.length]): Tensor {
    return new Tensor("float32", shape, values instanceof Float32Array ? values : Float32Array.from(values));
  }

  /** A float32 tensor with `value` everywhere. */
  static full(shape: Shape, value: number): Tensor {
    return new Tensor("float32", shape, allocate("float32", sizeOf(shape)).fill(value));
  }

  /** A float32 tensor of zeros. */
  static zeros(shape: Shape): Tensor {
    return new Tensor("float32", shape, allocate("float32", sizeOf(shape)));
  }

  /** Number of elements. */
  get size(): number {
    return this.data.length;
  }

  /** The same numbers (shared, not copied) seen in another shape. */
  reshape(shape: Shape): Tensor<D> {
    return new Tensor(this.dtype, shape, this.data);
  }

  /** Rows `start` to `end` (excluded) of the first axis, as a view on the same numbers. */
  slice(start: number, end: number): Tensor<D> {
    const [rows = 0, ...rest] = this.shape;
    if (!(0 <= start && start <= end && end <= rows)) {
      throw new ArgumentError(`rows ${start} to ${end} are outside a tensor of shape [${this.shape}]`);
    }
    const stride = sizeOf(rest);
    return new Tensor(this.dtype, [end - start, ...rest], this.data.subarray(start * stride, end * stride) as DataOf<D>);
  }

  /** Splits the first axis into `count` equal parts (views), like `torch.chunk`. */
  chunk(count: number): Tensor<D>[] {
    const rows = (this.shape[0] ?? 0) / count;
    if (!Number.isInteger(rows)) throw new ArgumentError(`a tensor of shape [${this.shape}] does not split into ${count} equal parts`);
    return Array.from({ length: count }, (_, i) => this.slice(i * rows, (i + 1) * rows));
  }

  /** Every row of the first axis `times` times in a row, like `torch.repeat_interleave(times, dim=0)`. */
  repeatInterleave(times: number): Tensor<D> {
    const rows = this.shape[0] ?? 0;
    return concat(Array.from({ length: rows * times }, (_, i) => this.slice(Math.floor(i / times), Math.floor(i / times) + 1)));
  }

  /** The numbers rounded to another dtype (float64 in between; ties to even); this very tensor if it has that dtype already. */
  to<E extends DType>(dtype: E): Tensor<E> {
    if (dtype === (this.dtype as DType)) return this as unknown as Tensor<E>;
    const data = allocate(dtype, this.size);
    const read = reader(this.dtype, this.data);
    const write = writer(dtype, data);
    for (let i = 0; i < this.size; i++) write(i, read(i));
    return new Tensor(dtype, this.shape, data);
  }

  /** The numbers as a plain array of numbers (an int64 beyond 2^53 is rounded). */
  toArray(): number[] {
    const read = reader(this.dtype, this.data);
    return Array.from({ length: this.size }, (_, i) => read(i));
  }

  /** `fn` of every number. */
  map(this: Tensor, fn: (value: number) => number): Tensor {
    return new Tensor("float32", this.shape, this.data.map(fn));
  }

  /** Element-wise sum with a tensor of the same shape or a number. */
  add(this: Tensor, other: Tensor | number): Tensor {
    return combine(this, other, (a, b) => a + b);
  }

  /** Element-wise difference. */
  sub(this: Tensor, other: Tensor | number): Tensor {
    return combine(this, other, (a, b) => a - b);
  }

  /** Element-wise product. */
  mul(this: Tensor, other: Tensor | number): Tensor {
    return combine(this, other, (a, b) => a * b);
  }

  /** Element-wise quotient. */
  div(this: Tensor, other: Tensor | number): Tensor {
    return combine(this, other, (a, b) => a / b);
  }

  /** Every number moved into `low..high`. */
  clamp(this: Tensor, low: number, high: number): Tensor {
    return this.map((value) => Math.min(Math.max(value, low), high));
  }
}

/** Tensors one after another along `axis` (default: the first; -1 is the last), like `torch.cat`. */
export function concat<D extends DType>(tensors: readonly Tensor<D>[], axis = 0): Tensor<D> {
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

/** `w0 * t0 + w1 * t1 + ...`, summed in double precision and rounded to float32 once: the shape of most scheduler updates. */
export function weightedSum(...terms: readonly (readonly [weight: number, tensor: Tensor])[]): Tensor {
  const [first] = terms;
  if (!first) throw new ArgumentError("no tensors to add");
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
  sameShape(a, b);
  return new Tensor(
    "float32",
    a.shape,
    a.data.map((value, i) => fn(value, b.data[i] as number)),
  );
}

function sameShape(a: Tensor, b: Tensor): void {
  if (a.shape.length !== b.shape.length || a.shape.some((extent, i) => extent !== b.shape[i])) {
    throw new ArgumentError(`tensors of shapes [${a.shape}] and [${b.shape}] do not match`);
  }
}

function reader(dtype: DType, data: DataOf<DType>): (i: number) => number {
  if (dtype === "float16") return (i) => fromHalf(data[i] as number);
  if (dtype === "bfloat16") return (i) => fromBfloat(data[i] as number);
  return (i) => Number(data[i]);
}

function writer(dtype: DType, data: DataOf<DType>): (i: number, value: number) => void {
  if (data instanceof BigInt64Array) {
    return (i, value) => {
      data[i] = BigInt(Math.trunc(value));
    };
  }
  const convert =
    dtype === "float16" ? toHalf : dtype === "bfloat16" ? toBfloat : dtype === "bool" ? (v: number) => Number(v !== 0) : undefined;
  return (i, value) => {
    data[i] = convert ? convert(value) : value;
  };
}
