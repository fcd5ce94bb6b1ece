/**
 * Reads GGUF files (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), versions 2 and 3, by llama.cpp's rules (`gguf_init_from_file`),
 * and ComfyUI-GGUF's conventions for shapes.
 */
import { CheckpointError } from "../errors.js";
import type { Folder } from "../platform/folder.js";
import { type BlockFormat, type BlockSize, blockSize } from "../tensor/block-format.js";
import { type Shape, sizeOf } from "../tensor/tensor.js";
import type { Wording } from "../wording.js";
import { printable, quote } from "./json.js";
import type { HeaderTensor, SafetensorsHeader } from "./safetensors.js";

/** A value of a GGUF file's metadata. Integers above 2^53 are bigints. */
export type GgufValue = string | number | bigint | boolean | readonly GgufValue[];

/** The header of a GGUF file, checked against the file. */
export interface GgufHeader extends SafetensorsHeader {
  /** All metadata by key. `metadata` has those that are texts. */
  readonly values: ReadonlyMap<string, GgufValue>;
}

/** Longer headers are refused. Those with a tokenizer of 250,000 words have some 10 MB. */
const LARGEST_HEADER = 100_000_000;
/** All values of all arrays together; the largest tokenizers have less than a million. */
const MOST_VALUES = 10_000_000;
const DEEPEST_ARRAY = 4;
/** ggml's GGML_MAX_DIMS. */
const MOST_AXES = 4;
/** Bytes that are read first. Each further attempt reads four times as many. */
const FIRST_READ = 65_536;
/** A byte range starts at a multiple of this, if the file does not say otherwise. */
const ALIGNMENT = 32;
/** city96's key of the shape that a tensor had before it was packed. */
const ORIGINAL_SHAPE = "comfy.gguf.orig_shape.";
const DAMAGED = "the file is damaged or was cut short; download it again";
const CUT_SHORT = "the download broke off; download the file again";

/** ggml's numbers of the plain types (`enum ggml_type`), with the words that headers of safetensors have for them, and their bytes. */
const PLAIN_TYPES: readonly (readonly [id: number, dtype: string, bytes: number])[] = [
  [0, "F32", 4],
  [1, "F16", 2],
  [24, "I8", 1],
  [25, "I16", 2],
  [26, "I32", 4],
  [27, "I64", 8],
  [28, "F64", 8],
  [30, "BF16", 2],
];

/** ggml's numbers of the types in blocks. */
const BLOCK_TYPES: readonly (readonly [id: number, format: BlockFormat])[] = [
  [2, "Q4_0"],
  [3, "Q4_1"],
  [6, "Q5_0"],
  [7, "Q5_1"],
  [8, "Q8_0"],
  [10, "Q2_K"],
  [11, "Q3_K"],
  [12, "Q4_K"],
  [13, "Q5_K"],
  [14, "Q6_K"],
  [20, "IQ4_NL"],
  [23, "IQ4_XS"],
];

/** The types that Darkroom reads. */
const TYPES = new Map<number, { readonly dtype: string; readonly size: BlockSize }>([
  ...PLAIN_TYPES.map(([id, dtype, bytes]) => [id, { dtype, size: { numbers: 1, bytes } }] as const),
  ...BLOCK_TYPES.map(([id, dtype]) => [id, { dtype, size: blockSize(dtype) }] as const),
]);

/** Types that Darkroom does not read. */
const OTHER_TYPES: ReadonlyMap<number, string> = new Map([
  [9, "Q8_1"],
  [15, "Q8_K"],
  [16, "IQ2_XXS"],
  [17, "IQ2_XS"],
  [18, "IQ3_XXS"],
  [19, "IQ1_S"],
  [21, "IQ3_S"],
  [22, "IQ2_S"],
  [29, "IQ1_M"],
  [34, "TQ1_0"],
  [35, "TQ2_0"],
  [39, "MXFP4"],
]);

type Fail = (what: string, hint?: Wording) => never;

/** Whether a file begins like a GGUF file. */
export function isGguf(start: Uint8Array): boolean {
  return start.length >= 4 && String.fromCharCode(...start.subarray(0, 4)) === "GGUF";
}

/**
 * Reads the header of a GGUF file and checks all of it, so that its tensors can be read without further checks. Only the header's bytes are
 * read.
 * @throws CheckpointError that names the file and the tensor: for another version or byte order, a header that is too long, a type that
 * Darkroom does not read, tensors that overlap, or a file that is cut short.
 */
export async function readGgufHeader(folder: Folder, path: string): Promise<GgufHeader> {
  const name = `${folder.name}/${path}`;
  const fileSize = await folder.size(path);
  const fail: Fail = (what, hint = DAMAGED) => {
    throw new CheckpointError(`${name}: ${what}`, { hint });
  };
  for (let length = Math.min(fileSize, FIRST_READ); ; length = Math.min(fileSize, length * 4)) {
    const header = parse(new Cursor(await folder.read(path, 0, length), fail), fail);
    if (header) return checked(header, { name, fileSize, file: await folder.file(path) }, fail);
    if (length === fileSize) fail("it is cut short: its header goes on after the end of the file", CUT_SHORT);
    if (length > LARGEST_HEADER) fail(`its header has more than ${LARGEST_HEADER} bytes`);
  }
}

interface ParsedTensor {
  readonly name: string;
  readonly shape: Shape;
  readonly type: number;
  readonly offset: number;
}

interface Parsed {
  readonly values: ReadonlyMap<string, GgufValue>;
  readonly tensors: readonly ParsedTensor[];
  /** Where the header ends. */
  readonly end: number;
}

/** The header in these bytes; undefined if it goes on after them. */
function parse(cursor: Cursor, fail: Fail): Parsed | undefined {
  try {
    if (!isGguf(cursor.bytes(4))) fail("not a GGUF file");
    const version = cursor.number("uint32");
    if (version !== 2 && version !== 3) {
      const isSwapped = version === 2 << 24 || version === 3 << 24;
      fail(
        isSwapped ? "its numbers are big-endian" : `it is GGUF version ${version}; Darkroom reads 2 and 3`,
        "get a newer file, for x86 and ARM",
      );
    }
    const [tensorCount, valueCount] = [cursor.count(), cursor.count()];
    const values = new Map<string, GgufValue>();
    for (let i = 0; i < valueCount; i++) {
      const key = cursor.text();
      if (values.has(key)) fail(`its metadata has ${printable(key)} twice`);
      values.set(key, cursor.value(cursor.number("uint32")));
    }
    const tensors: ParsedTensor[] = [];
    for (let i = 0; i < tensorCount; i++) {
      const name = cursor.text();
      const axes = cursor.number("uint32");
      if (axes > MOST_AXES) fail(`tensor ${printable(name)} has ${axes} axes; the format allows ${MOST_AXES}`);
      // ggml's first axis is the innermost.
      const shape = Array.from({ length: axes }, () => cursor.count()).reverse();
      tensors.push({ name, shape, type: cursor.number("uint32"), offset: cursor.count() });
    }
    return { values, tensors, end: cursor.at };
  } catch (error) {
    if (error instanceof EndOfBytes) return undefined;
    throw error;
  }
}

interface Place extends Pick<HeaderTensor, "file"> {
  readonly name: string;
  readonly fileSize: number;
}

/** The header with its tensors' places in the file. */
function checked({ values, tensors, end }: Parsed, { name, fileSize, file }: Place, fail: Fail): GgufHeader {
  const alignment = values.get("general.alignment") ?? ALIGNMENT;
  if (typeof alignment !== "number" || !Number.isInteger(Math.log2(alignment)) || alignment < 8 || alignment > 2 ** 20) {
    return fail(`its general.alignment is ${shown(alignment)}; a power of two was expected`);
  }
  const start = Math.ceil(end / alignment) * alignment;
  const found = new Map<string, HeaderTensor>();
  for (const { name, shape, type, offset } of tensors) {
    const failed = (what: string, hint?: Wording) => fail(`tensor ${printable(name)} ${what}`, hint);
    if (found.has(name)) failed("comes twice");
    const known = TYPES.get(type);
    if (!known) {
      return failed(
        `is ${OTHER_TYPES.get(type) ?? `of type ${type}`}; Darkroom reads ${[...TYPES.values()].map(({ dtype }) => dtype).join(", ")}`,
        "take the Q8_0, Q4_K_M or Q4_0 file of the same model",
      );
    }
    const { numbers, bytes } = known.size;
    const count = shape.reduce((product, extent) => (Number.isSafeInteger(product * extent) ? product * extent : Number.NaN), 1);
    const length = (count / numbers) * bytes;
    if (!Number.isSafeInteger(count) || length > Number.MAX_SAFE_INTEGER)
      failed(`has shape [${shape}], which is more than a file can hold`);
    if ((shape.at(-1) ?? 1) % numbers !== 0) failed(`is ${known.dtype} of shape [${shape}]; its rows must be multiples of ${numbers}`);
    if (offset % alignment !== 0) failed(`begins at byte ${offset}, which is not a multiple of ${alignment}`);
    if (start + offset + length > fileSize) {
      fail(`it is cut short: tensor ${printable(name)} ends at byte ${start + offset + length}; the file has ${fileSize}`, CUT_SHORT);
    }
    found.set(name, { name, dtype: known.dtype, shape: originalShape(values, name, shape, failed), file, offset: start + offset, length });
  }
  expectApart([...found.values()], fail);
  const texts = [...values].flatMap(([key, value]) => (typeof value === "string" ? [[key, value] as const] : []));
  return { name, metadata: new Map(texts), values, tensors: found };
}

/** The shape that ComfyUI-GGUF's converter notes for a tensor of other axes than the packed one, or `shape`. */
function originalShape(values: ReadonlyMap<string, GgufValue>, name: string, shape: Shape, failed: Fail): Shape {
  const given = values.get(`${ORIGINAL_SHAPE}${name}`);
  if (given === undefined) return shape;
  const isShape = Array.isArray(given) && given.length <= 8 && given.every((extent) => Number.isSafeInteger(extent) && Number(extent) >= 0);
  if (!isShape || sizeOf(given as Shape) !== sizeOf(shape)) {
    return failed(`is [${shape}]; the file's metadata says that it was ${shown(given)}`);
  }
  return given as Shape;
}

function expectApart(tensors: HeaderTensor[], fail: Fail): void {
  tensors.sort((a, b) => a.offset - b.offset || a.length - b.length);
  tensors.reduce<HeaderTensor | undefined>((previous, tensor) => {
    if (previous && tensor.offset < previous.offset + previous.length) {
      fail(`tensors ${printable(previous.name)} and ${printable(tensor.name)} overlap`);
    }
    return tensor;
  }, undefined);
}

function shown(value: GgufValue): string {
  return typeof value === "bigint" ? String(value) : Array.isArray(value) ? `an array of ${value.length} values` : quote(value as string);
}

/** Thrown where a header goes on after the bytes that were read. */
class EndOfBytes extends Error {}

/** The format's types of numbers, in the order of their ids. */
const NUMBERS = {
  uint8: { id: 0, bytes: 1 },
  int8: { id: 1, bytes: 1 },
  uint16: { id: 2, bytes: 2 },
  int16: { id: 3, bytes: 2 },
  uint32: { id: 4, bytes: 4 },
  int32: { id: 5, bytes: 4 },
  float32: { id: 6, bytes: 4 },
  uint64: { id: 10, bytes: 8 },
  int64: { id: 11, bytes: 8 },
  float64: { id: 12, bytes: 8 },
} as const;
type NumberType = keyof typeof NUMBERS;
const NUMBER_TYPES: ReadonlyMap<number, NumberType> = new Map(
  Object.entries(NUMBERS).map(([name, { id }]) => [id as number, name as NumberType]),
);
const [BOOL, TEXT, ARRAY] = [7, 8, 9];

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Reads the format's values one after another. @throws EndOfBytes where the bytes end. */
class Cursor {
  at = 0;
  private readonly view: DataView;
  private arrayValues = 0;

  constructor(
    private readonly data: Uint8Array<ArrayBuffer>,
    private readonly fail: Fail,
  ) {
    this.view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  }

  bytes(length: number): Uint8Array {
    const start = this.advance(length);
    return this.data.subarray(start, start + length);
  }

  number(type: Exclude<NumberType, "uint64" | "int64">): number {
    const at = this.advance(NUMBERS[type].bytes);
    switch (type) {
      case "uint8":
        return this.view.getUint8(at);
      case "int8":
        return this.view.getInt8(at);
      case "uint16":
        return this.view.getUint16(at, true);
      case "int16":
        return this.view.getInt16(at, true);
      case "uint32":
        return this.view.getUint32(at, true);
      case "int32":
        return this.view.getInt32(at, true);
      case "float32":
        return this.view.getFloat32(at, true);
      case "float64":
        return this.view.getFloat64(at, true);
    }
  }

  /** A length, an extent or a place. */
  count(): number {
    const value = this.integer("uint64");
    if (typeof value === "number") return value;
    return this.fail(`its header has a length of ${value}`);
  }

  text(): string {
    const bytes = this.bytes(this.count());
    try {
      return utf8.decode(bytes);
    } catch {
      return this.fail("its header has a text that is not UTF-8");
    }
  }

  value(type: number, depth = 0): GgufValue {
    if (type === TEXT) return this.text();
    if (type === BOOL) return this.number("uint8") !== 0;
    if (type === ARRAY) return this.array(depth);
    const number = NUMBER_TYPES.get(type);
    if (number === undefined) return this.fail(`its metadata has a value of type ${type}, which the format does not have`);
    return number === "uint64" || number === "int64" ? this.integer(number) : this.number(number);
  }

  private array(depth: number): readonly GgufValue[] {
    if (depth >= DEEPEST_ARRAY) this.fail(`its metadata has arrays that are nested more than ${DEEPEST_ARRAY} levels deep`);
    const type = this.number("uint32");
    const length = this.count();
    this.arrayValues += length;
    if (this.arrayValues > MOST_VALUES) this.fail(`its metadata has arrays of more than ${MOST_VALUES} values`);
    const values: GgufValue[] = [];
    for (let i = 0; i < length; i++) values.push(this.value(type, depth + 1));
    return values;
  }

  private integer(type: "uint64" | "int64"): number | bigint {
    const at = this.advance(8);
    const value = type === "uint64" ? this.view.getBigUint64(at, true) : this.view.getBigInt64(at, true);
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }

  private advance(length: number): number {
    const start = this.at;
    if (length > this.data.length - start) throw new EndOfBytes();
    this.at += length;
    return start;
  }
}
