import { ArgumentError } from "../errors.js";

/**
 * The type of a tensor's numbers, with torch's names. float16 and bfloat16 are stored as their raw 16 bits, the float8 types as their raw 8
 * bits.
 */
export type DType =
  | "float32"
  | "float64"
  | "float16"
  | "bfloat16"
  | "float8_e4m3fn"
  | "float8_e5m2"
  | "int64"
  | "int32"
  | "uint8"
  | "int8"
  | "bool";

interface Arrays {
  float32: Float32Array;
  float64: Float64Array;
  float16: Uint16Array;
  bfloat16: Uint16Array;
  float8_e4m3fn: Uint8Array;
  float8_e5m2: Uint8Array;
  int64: BigInt64Array;
  int32: Int32Array;
  uint8: Uint8Array;
  int8: Int8Array;
  bool: Uint8Array;
}

/** The typed array that holds a dtype's numbers. */
export type DataOf<D extends DType> = Arrays[D];

const constructors: {
  readonly [D in DType]: { new (length: number): Arrays[D]; readonly name: string; readonly BYTES_PER_ELEMENT: number };
} = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  float8_e4m3fn: Uint8Array,
  float8_e5m2: Uint8Array,
  int64: BigInt64Array,
  int32: Int32Array,
  uint8: Uint8Array,
  int8: Int8Array,
  bool: Uint8Array,
};

/** Whether this is the name of a dtype. */
export function isDType(value: unknown): value is DType {
  return typeof value === "string" && Object.hasOwn(constructors, value);
}

/** The name of the typed array that holds `dtype`; it is the same in every realm. */
export function arrayName(dtype: DType): string {
  return constructors[dtype].name;
}

/** Bytes one number of `dtype` takes. */
export function byteSize(dtype: DType): number {
  return constructors[dtype].BYTES_PER_ELEMENT;
}

/** A zeroed array for `length` numbers of `dtype`. @throws ArgumentError if that is more than memory holds. */
export function allocate<D extends DType>(dtype: D, length: number): DataOf<D> {
  try {
    return new constructors[dtype](length);
  } catch (cause) {
    throw new ArgumentError(`a tensor of ${length} numbers (${dtype}) is more than memory holds`, {
      hint: "make a smaller picture, or fewer pictures",
      cause,
    });
  }
}
