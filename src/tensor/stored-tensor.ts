import type { BlockFormat } from "./block-format.js";
import type { DType } from "./dtype.js";
import { type Shape, sizeOf } from "./tensor.js";

/**
 * A file of the platform. Only the platform can open it: on Node it is a path, in a browser it can be a `Blob` or a URL. It can be sent to
 * a worker thread.
 */
export interface FileRef {
  /** Equal for two references to one file, different for two files. It has no other meaning outside the platform. */
  readonly id: string;
}

/** A tensor that stays in its file: a range of bytes that ONNX Runtime can map. */
export interface StoredTensor {
  /** Its name in the file. */
  readonly name: string;
  /** The type of its numbers: float32 if they are packed. */
  readonly dtype: DType;
  /** The extent of each axis. */
  readonly shape: Shape;
  /** The file that holds its bytes. */
  readonly file: FileRef;
  /** Where its bytes begin in the file. */
  readonly offset: number;
  /** How many bytes it has. */
  readonly length: number;
  /** Whether the bytes are those of the transposed matrix. */
  readonly transposed?: boolean;
  /** Whether the second half of its rows comes before the first in the file. */
  readonly swapsHalves?: boolean;
  /** Factor of the numbers: one number, or one for each row. */
  readonly scale?: StoredTensor;
  /** How its bytes stand for its numbers; undefined: each number has bytes of its own, of its dtype. */
  readonly packing?: Packing;
}

/** How a quantised weight is packed. */
export type Packing = BlockPacking | CodePacking | BytePacking;

/** ggml's formats: numbers, row by row, in blocks that hold their scales. */
export interface BlockPacking {
  /** ggml's name of the format. */
  readonly format: BlockFormat;
}

/**
 * bitsandbytes' 4-bit formats (Dettmers et al. 2023): codes of 4 bits, the first in the upper half of a byte, and scales in other tensors.
 */
export interface CodePacking {
  /** Which table the codes are of, by name. */
  readonly format: "NF4" | "FP4";
  /** What the 16 codes stand for, float32. */
  readonly table: StoredTensor;
  /** Numbers of a block, counted over the whole tensor, row by row. */
  readonly block: number;
  /** The scale of each block: float32, or codes in `nested`. */
  readonly scales: StoredTensor;
  /** What the scales' codes, bytes, stand for. */
  readonly nested?: {
    /** float32 [256] */
    readonly table: StoredTensor;
    /** The scale of each block of scales. */
    readonly scales: StoredTensor;
    /** Scales of a block. */
    readonly block: number;
    /** What is added to every scale. */
    readonly offset: number;
  };
  /** The whole tensor's shape. */
  readonly whole: Shape;
  /** The rows of it that are meant. */
  readonly rows: readonly [start: number, end: number];
}

/** bitsandbytes' LLM.int8 (Dettmers et al. 2022): signed bytes, times `scale` of their row, divided by 127. */
export interface BytePacking {
  /** The format's name. */
  readonly format: "LLM.int8";
}

/** The fields of a stored tensor that differ between its rows. */
interface ByteRange {
  readonly shape: Shape;
  readonly offset: number;
  readonly length: number;
  readonly scale?: ByteRange | undefined;
  readonly swapsHalves?: boolean;
  readonly packing?: Packing;
}

/** The rows `start` to `end` (excluded) of a tensor, with their scales. They are a byte range inside the tensor's own. */
export function rowsOf<Stored extends ByteRange>(tensor: Stored, start: number, end: number): Stored {
  const { scale, packing } = tensor;
  const [rows = 1, ...columns] = tensor.shape;
  if (tensor.swapsHalves) {
    if (start === 0 && end === rows) return tensor;
    const half = rows / 2;
    if (start < half && end > half) throw new RangeError(`rows ${start} to ${end} of ${rows} lie in both halves, which are swapped`);
    const moved = start < half ? half : -half;
    return rowsOf({ ...tensor, swapsHalves: false }, start + moved, end + moved);
  }
  if (packing && "rows" in packing) {
    // Blocks go on from one row to the next, so the bytes stay together.
    const first = packing.rows[0];
    return { ...tensor, shape: [end - start, ...columns], packing: { ...packing, rows: [first + start, first + end] } };
  }
  const rowBytes = rows === 0 ? 0 : tensor.length / rows;
  return {
    ...tensor,
    shape: [end - start, ...columns],
    offset: tensor.offset + start * rowBytes,
    length: (end - start) * rowBytes,
    ...(scale && sizeOf(scale.shape) > 1 && { scale: rowsOf(scale, start, end) }),
  };
}
