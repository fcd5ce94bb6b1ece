/** Reads safetensors files: https://huggingface.co/docs/safetensors. Follows the reference implementation's rules (`Metadata::validate`). */
import { CheckpointError } from "../errors.js";
import { messageOf } from "../message-of.js";
import type { Folder } from "../platform/folder.js";
import { isBlockFormat } from "../tensor/block-format.js";
import { dequantise } from "../tensor/dequantise.js";
import { allocate, type DType } from "../tensor/dtype.js";
import type { StoredTensor } from "../tensor/stored-tensor.js";
import { type Shape, sizeOf, Tensor } from "../tensor/tensor.js";
import type { Wording } from "../wording.js";
import { BEGINNING, recognise } from "./foreign-file.js";
import { describe, isObject, type Json, type JsonObject, parseJson, printable, quote } from "./json.js";
import { joinScales } from "./scales.js";

/**
 * A tensor as the header of a file describes it. `dtype` is the format's word (`"F16"`); it can be one that Darkroom cannot compute with.
 */
export interface HeaderTensor extends Omit<StoredTensor, "dtype" | "scale"> {
  readonly dtype: string;
  readonly scale?: HeaderTensor;
}

/** The header of a safetensors file, checked against the file. */
export interface SafetensorsHeader {
  /** How messages name the file. */
  readonly name: string;
  readonly metadata: ReadonlyMap<string, string>;
  /** By name, in the order of their bytes. Scales of fp8 weights are part of their weights. */
  readonly tensors: ReadonlyMap<string, HeaderTensor>;
}

/** The limit of the reference implementation. Real headers are far shorter; a longer one would fill the memory. */
const LARGEST_HEADER = 100_000_000;
/** The format needs three levels. Unknown fields are allowed. */
const DEEPEST_HEADER = 16;
const CUT_SHORT = "the download broke off; download the file again";
const DAMAGED = "the file is damaged or was cut short; download it again";

/** The format's dtypes: the bits of a number, and our name if we have one. */
const DTYPES: ReadonlyMap<string, { readonly bits: number; readonly dtype?: DType }> = new Map([
  ["BOOL", { bits: 8, dtype: "bool" }],
  ["U8", { bits: 8, dtype: "uint8" }],
  ["I32", { bits: 32, dtype: "int32" }],
  ["I64", { bits: 64, dtype: "int64" }],
  ["F16", { bits: 16, dtype: "float16" }],
  ["BF16", { bits: 16, dtype: "bfloat16" }],
  ["F32", { bits: 32, dtype: "float32" }],
  ["F64", { bits: 64, dtype: "float64" }],
  ["F4", { bits: 4 }],
  ["F6_E2M3", { bits: 6 }],
  ["F6_E3M2", { bits: 6 }],
  ["F8_E4M3", { bits: 8, dtype: "float8_e4m3fn" }],
  ["F8_E5M2", { bits: 8, dtype: "float8_e5m2" }],
  ["F8_E8M0", { bits: 8 }],
  ["F8_E4M3FNUZ", { bits: 8 }],
  ["F8_E5M2FNUZ", { bits: 8 }],
  ["I8", { bits: 8, dtype: "int8" }],
  ["I16", { bits: 16 }],
  ["U16", { bits: 16 }],
  ["U32", { bits: 32 }],
  ["U64", { bits: 64 }],
  ["C64", { bits: 64 }],
]);

/** The format's word for a dtype. */
export function dtypeWord(dtype: DType): string {
  return [...DTYPES].find(([, entry]) => entry.dtype === dtype)?.[0] as string;
}

/**
 * Reads the header of a safetensors file and checks all of it, so that its tensors can be read without further checks. Only the header's
 * bytes are read.
 * @throws CheckpointError that names the file and the tensor: if the header is too long, not JSON or not of the format; if it has an
 * unknown dtype; if tensors overlap, leave gaps or are outside the file; if the file is cut short.
 */
export async function readSafetensorsHeader(folder: Folder, path: string): Promise<SafetensorsHeader> {
  const name = `${folder.name}/${path}`;
  const fileSize = await folder.size(path);
  const prefix = await folder.read(path, 0, Math.min(fileSize, 256));
  const fail = (what: string, hint: Wording = DAMAGED): never => {
    throw new CheckpointError(`${name}: ${what}`, { hint });
  };

  const headerSize = prefix.length < 8 ? 0n : new DataView(prefix.buffer).getBigUint64(0, true);
  const isTooLong = headerSize > BigInt(Math.min(fileSize - 8, LARGEST_HEADER));
  if (prefix.length < 8 || isTooLong || headerSize === 0n) {
    const other = recognise(await folder.read(path, 0, Math.min(fileSize, BEGINNING)));
    if (other) fail(`not a safetensors file: ${other.what}`, other.hint);
    if (prefix.length < 8) fail(`a safetensors file begins with 8 bytes of header length; this one has ${fileSize} bytes`);
    if (isTooLong && headerSize > LARGEST_HEADER) fail(`its header claims ${headerSize} bytes; the format allows ${LARGEST_HEADER}`);
    const isHeader = prefix.length === 8 || prefix[8] === "{".charCodeAt(0);
    if (isTooLong && isHeader) fail(`it is cut short: its header has ${headerSize} bytes; the file has ${fileSize - 8} of them`, CUT_SHORT);
    if (isTooLong) fail(`its header claims ${headerSize} bytes; only ${fileSize - 8} follow in the file`);
  }
  const dataStart = 8 + Number(headerSize);
  const header = parseHeader(await folder.read(path, 8, Number(headerSize)), fail);
  const file = await folder.file(path);
  const stored: HeaderTensor[] = [];
  for (const [tensor, entry] of Object.entries(header)) {
    if (tensor === "__metadata__") continue;
    const { dtype, shape, start, end } = parseEntry(entry, (what) => fail(`tensor ${printable(tensor)} ${what}`));
    stored.push({ name: tensor, dtype, shape, file, offset: dataStart + start, length: end - start });
  }
  checkLayout(stored, dataStart, fileSize, fail);
  return {
    name,
    metadata: parseMetadata(header.__metadata__, fail),
    tensors: joinScales(new Map(stored.map((tensor) => [tensor.name, tensor]))),
  };
}

/** The format's dtypes of weights. */
export const FLOAT_DTYPES: readonly string[] = ["F8_E4M3", "F8_E5M2", "F16", "BF16", "F32", "F64"];

/**
 * The tensor with its dtype in our words. `file` is the file's name in messages.
 * @throws CheckpointError for dtypes that Darkroom cannot compute with (4-bit floats, 16-bit integers, ...), and for a scale that does not
 * fit.
 */
export function toStoredTensor({ scale, ...tensor }: HeaderTensor, file: string): StoredTensor {
  if (isBlockFormat(tensor.dtype)) return { ...tensor, dtype: "float32", packing: { format: tensor.dtype } };
  if (tensor.packing) {
    return { ...tensor, dtype: "float32", ...(scale && { scale: toStoredTensor(scale, file) }) };
  }
  const dtype = DTYPES.get(tensor.dtype)?.dtype;
  if (dtype && !scale) return { ...tensor, dtype };
  if (dtype && scale) return { ...tensor, dtype, scale: scaleOf(tensor, scale, file) };
  const known = [...DTYPES].flatMap(([name, entry]) => (entry.dtype ? [name] : []));
  throw new CheckpointError(`${file}: tensor ${printable(tensor.name)} is ${tensor.dtype}; Darkroom reads ${known.join(", ")}`, {
    hint: "take the checkpoint's fp8, float16, bfloat16 or float32 files",
  });
}

function scaleOf(weight: Omit<HeaderTensor, "scale">, scale: HeaderTensor, file: string): StoredTensor {
  const fail = (what: string): never => {
    throw new CheckpointError(`${file}: ${what}`, {
      hint: "Darkroom reads fp8 weights; if the weights are quantized in another way, take the float16, bfloat16 or float32 file",
    });
  };
  const [name, scaled] = [printable(scale.name), printable(weight.name)];
  for (const { dtype, name: own } of [weight, scale]) {
    if (!FLOAT_DTYPES.includes(dtype)) fail(`tensor ${printable(own)} is ${dtype}; a scaled weight and its scale must be floats`);
  }
  const [rows = 1] = weight.shape;
  const isPerRow = scale.shape[0] === rows && sizeOf(scale.shape) === rows;
  if (sizeOf(scale.shape) !== 1 && !isPerRow) {
    fail(`tensor ${name} is [${scale.shape.join(", ")}]; expected one number, or ${rows}, one for each row of ${scaled}`);
  }
  return toStoredTensor({ ...scale, scale: undefined } as HeaderTensor, file);
}

/**
 * Reads a tensor's numbers.
 * @param path the file inside `folder` whose header described `tensor`.
 * @throws CheckpointError if the file has become shorter since.
 */
export async function readTensor(folder: Folder, path: string, tensor: StoredTensor): Promise<Tensor<DType>> {
  const bytes = await folder.read(path, tensor.offset, tensor.length);
  if (tensor.packing) {
    const { format } = tensor.packing;
    if (isBlockFormat(format)) return new Tensor("float32", tensor.shape, dequantise(format, bytes));
    throw new CheckpointError(`${folder.name}/${path}: tensor ${printable(tensor.name)} is ${format}, which only networks compute with`, {
      hint: "take the float16, bfloat16 or float32 file",
    });
  }
  const data = allocate(tensor.dtype, sizeOf(tensor.shape));
  new Uint8Array(data.buffer).set(bytes);
  return new Tensor(tensor.dtype, tensor.shape, data);
}

type Fail = (what: string, hint?: Wording) => never;

function parseHeader(bytes: Uint8Array, fail: Fail): JsonObject {
  let json: Json;
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    json = parseJson(text, { depth: DEEPEST_HEADER, uniqueKeys: true });
  } catch (error) {
    return fail(`its header is not JSON of the format: ${messageOf(error)}`);
  }
  if (!isObject(json)) return fail(`its header holds ${describe(json)}; an object { ... } was expected`);
  return json;
}

function parseMetadata(json: Json | undefined, fail: Fail): ReadonlyMap<string, string> {
  if (json === undefined || json === null) return new Map();
  if (!isObject(json)) return fail(`__metadata__ holds ${describe(json)}; an object of strings was expected`);
  return new Map(
    Object.entries(json).map(([key, value]) =>
      typeof value === "string"
        ? [key, value]
        : fail(`__metadata__ has ${describe(value)} as ${JSON.stringify(key)}; a string was expected`),
    ),
  );
}

function parseEntry(entry: Json, fail: Fail): { dtype: string; shape: Shape; start: number; end: number } {
  if (!isObject(entry)) return fail(`is ${describe(entry)}; an object { dtype, shape, data_offsets } was expected`);
  const { dtype, shape, data_offsets: offsets } = entry;
  const format = typeof dtype === "string" ? DTYPES.get(dtype) : undefined;
  if (typeof dtype !== "string" || !format) return fail(`has dtype ${describe(dtype)}; known are ${[...DTYPES.keys()].join(", ")}`);
  if (!isCounts(shape)) return fail(`has shape ${quote(shape)}; whole numbers from 0 up were expected`);
  if (!isCounts(offsets) || offsets.length !== 2) {
    return fail(`has data_offsets ${quote(offsets)}; [begin, end] was expected`);
  }
  const [start = 0, end = 0] = offsets;
  if (start > end) fail(`has data_offsets [${start}, ${end}], which end before they begin`);
  // Each product is checked: a later zero must not hide an overflow, and above 2^53 a product would be rounded, perhaps to one that fits.
  const bits = shape.reduce((product, extent) => (Number.isSafeInteger(product * extent) ? product * extent : Number.NaN), format.bits);
  if (Number.isNaN(bits)) fail(`has shape ${quote(shape)}, which is more than a file can hold`);
  if (bits !== (end - start) * 8)
    fail(`is ${dtype} of shape ${quote(shape)}, ${bits / 8} bytes; its data_offsets [${start}, ${end}] hold ${end - start}`);
  return { dtype, shape, start, end };
}

function isCounts(json: Json | undefined): json is readonly number[] {
  return Array.isArray(json) && json.every((value) => Number.isSafeInteger(value) && value >= 0);
}

/** Sorts the tensors by their places, and checks that each byte after the header belongs to exactly one tensor. */
function checkLayout(tensors: HeaderTensor[], dataStart: number, fileSize: number, fail: Fail): void {
  tensors.sort((a, b) => a.offset - b.offset || a.length - b.length);
  let end = dataStart;
  let previous = "the header";
  for (const { name, offset, length } of tensors) {
    if (offset + length > fileSize) {
      fail(`it is cut short: tensor ${printable(name)} ends at byte ${offset + length}; the file has ${fileSize}`, CUT_SHORT);
    }
    if (offset < end) fail(`${previous} and tensor ${printable(name)} overlap`);
    if (offset > end) fail(`${offset - end} bytes between ${previous} and tensor ${printable(name)} belong to no tensor`);
    end = offset + length;
    previous = `tensor ${printable(name)}`;
  }
  if (end < fileSize) fail(`${fileSize - end} bytes after its last tensor belong to none`);
}
