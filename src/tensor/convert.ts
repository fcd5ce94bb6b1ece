import { allocate, type DataOf, type DType } from "./dtype.js";
import { fromFloat8E4M3, fromFloat8E5M2, toFloat8E4M3, toFloat8E5M2 } from "./float8.js";
import { fromBfloat, fromHalf, toBfloat, toHalf } from "./half.js";

/** `data` in another dtype, as torch converts on the CPU; see {@link Tensor.to}. */
export function convert<D extends DType, E extends DType>(from: D, data: DataOf<D>, to: E): DataOf<E> {
  const converted = allocate(to, data.length);
  const read =
    data instanceof BigInt64Array && isInteger(to) ? (i: number) => Number(BigInt.asIntN(32, data[i] as bigint)) : reader(from, data);
  const write = writer(to, converted);
  for (let i = 0; i < data.length; i++) write(i, read(i));
  return converted;
}

/** A function that returns the number at an index of `data`. */
export function reader(dtype: DType, data: DataOf<DType>): (i: number) => number {
  const fromBits = FLOATS[dtype];
  return fromBits ? (i) => fromBits(data[i] as number) : (i) => Number(data[i]);
}

function writer(dtype: DType, data: DataOf<DType>): (i: number, value: number) => void {
  if (data instanceof BigInt64Array) {
    return (i, value) => {
      data[i] = Math.abs(value) < 2 ** 63 ? BigInt(Math.trunc(value)) : SMALLEST_INT64;
    };
  }
  const toBits = BITS[dtype];
  return (i, value) => {
    // Typed arrays of integers truncate and then wrap around, as torch does for 8 bits.
    data[i] = toBits ? toBits(value) : value;
  };
}

/** The result of x86, and of torch, for NaN and numbers that do not fit into an integer of 32 or 64 bits. */
const SMALLEST_INT64 = -(2n ** 63n);
const SMALLEST_INT32 = -(2 ** 31);

/** Float dtypes that are stored as raw bits. */
const FLOATS: Partial<Record<DType, (bits: number) => number>> = {
  float16: fromHalf,
  bfloat16: fromBfloat,
  float8_e4m3fn: fromFloat8E4M3,
  float8_e5m2: fromFloat8E5M2,
};

const BITS: Partial<Record<DType, (value: number) => number>> = {
  float16: toHalf,
  bfloat16: toBfloat,
  float8_e4m3fn: toFloat8E4M3,
  float8_e5m2: toFloat8E5M2,
  bool: (value) => Number(value !== 0),
  int32: (value) => (Math.abs(Math.trunc(value)) < 2 ** 31 ? value : SMALLEST_INT32),
};

function isInteger(dtype: DType): boolean {
  return dtype === "int32" || dtype === "uint8" || dtype === "int8";
}
