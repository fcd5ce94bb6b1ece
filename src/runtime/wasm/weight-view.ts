import { convert } from "../../tensor/convert.js";
import { allocate, byteSize, type DataOf, type DType } from "../../tensor/dtype.js";
import type { OpenFile, WeightMount } from "./weight-mount.js";

/**
 * A weight that ONNX Runtime takes for an array of bytes. Of what it mounts, it reads only `byteLength` and calls `subarray`; nothing is
 * read from the file before, and nothing is kept afterwards. If the file cannot be read, `onError` is given the reason: WebAssembly
 * swallows what is thrown.
 */
export class WeightView extends Uint8Array {
  constructor(
    private readonly mount: WeightMount,
    private readonly file: OpenFile,
    private readonly onError: (error: unknown) => void,
  ) {
    super(0);
  }

  /** Bytes of the numbers, converted. */
  override get byteLength(): number {
    const { length, from, to } = this.mount;
    return (length / byteSize(from)) * byteSize(to);
  }

  override get length(): number {
    return this.byteLength;
  }

  /** Reads the bytes from `begin` to `end` (excluded) of the converted numbers. */
  override subarray(begin = 0, end = this.byteLength): Uint8Array<ArrayBuffer> {
    const { offset, from, to } = this.mount;
    try {
      const first = Math.floor(begin / byteSize(to));
      const count = Math.ceil(end / byteSize(to)) - first;
      const stored = allocate(from, count);
      this.file.read(offset + first * byteSize(from), bytesOf(stored));
      const skipped = begin - first * byteSize(to);
      return bytesOf(from === to ? stored : converted(from, stored, to)).subarray(skipped, skipped + end - begin);
    } catch (error) {
      this.onError(error);
      throw error;
    }
  }
}

function bytesOf(data: DataOf<DType>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
}

/** Every number of 8 or 16 bits in another type, by its bits. */
const tables = new Map<string, DataOf<DType>>();

/** As {@link convert}; ten times as fast for types of at most 16 bits. */
function converted(from: DType, data: DataOf<DType>, to: DType): DataOf<DType> {
  const width = byteSize(from);
  if (width > 2) return convert(from, data, to);
  const key = `${from} ${to}`;
  const table = tables.get(key) ?? convert(from, everyNumber(from), to);
  tables.set(key, table);
  const result = allocate(to, data.length);
  for (let i = 0; i < data.length; i++) result[i] = table[data[i] as number] as number;
  return result;
}

function everyNumber(dtype: DType): DataOf<DType> {
  const all = allocate(dtype, 2 ** (8 * byteSize(dtype)));
  for (let i = 0; i < all.length; i++) all[i] = i;
  return all;
}
