import { byteSize, type DType } from "../tensor/dtype.js";

/** The file and byte range of a weight. */
export interface WeightBytes {
  readonly name: string;
  readonly dtype: DType;
  /** Absolute path, symbolic links resolved. */
  readonly file: string;
  /** Bytes from the start of the file. */
  readonly offset: number;
  readonly length: number;
  /** Whether the bytes are those of the transposed matrix. */
  readonly transposed?: boolean;
  /** Factor of the weight: one number, or one for each row. */
  readonly scale?: WeightBytes;
}

/** The rows `start` to `end` (excluded) of a weight with `rows` rows, with their scales. */
export function rowRange<Bytes extends WeightBytes>(bytes: Bytes, rows: number, start: number, end: number): Bytes {
  const { scale } = bytes;
  const rowBytes = bytes.length / rows;
  return {
    ...bytes,
    offset: bytes.offset + start * rowBytes,
    length: (end - start) * rowBytes,
    ...(scale && numbersIn(scale) > 1 && { scale: rowRange(scale, rows, start, end) }),
  };
}

/** How many numbers the bytes hold. */
export function numbersIn({ length, dtype }: WeightBytes): number {
  return length / byteSize(dtype);
}
