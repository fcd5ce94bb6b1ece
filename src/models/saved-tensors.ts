import { readRange } from "#platform";
import { dtypeWord } from "../checkpoint/safetensors.js";
import type { SavedDType } from "../checkpoint/saving.js";
import type { OutputTensor } from "../checkpoint/write-safetensors.js";
import { allocate, byteSize, type DType } from "../tensor/dtype.js";
import { rowsOf, type StoredTensor } from "../tensor/stored-tensor.js";
import { type Shape, sizeOf, Tensor } from "../tensor/tensor.js";
import { warn } from "../warnings.js";

/** Numbers that are converted at once. */
const BLOCK = 2 ** 20;

/** How a tensor is saved. */
export interface SavedTensorOptions {
  /** Its name in the new file. */
  readonly name: string;
  /** Its shape in the new file, with as many numbers. */
  readonly shape: Shape;
  /** The type of floats; by default that of the checkpoint. */
  readonly dtype?: SavedDType | undefined;
  /** Computes the numbers if they are not those of the checkpoint. */
  readonly compute?: (() => Promise<Tensor>) | undefined;
}

/** A tensor of a checkpoint for a new file. Its bytes are copied in parts unless its type changes or adapters change its numbers. */
export function savedTensor(tensor: StoredTensor, { name, shape, dtype: wanted, compute }: SavedTensorOptions): OutputTensor {
  const dtype = savedDType(tensor, wanted);
  const read = (): AsyncIterable<Uint8Array> => {
    if (compute) return computed(compute, name, dtype);
    if (tensor.swapsHalves) return inHalves(tensor, { name, dtype: wanted });
    if (tensor.transposed || tensor.scale || dtype !== tensor.dtype) return converted(tensor, name, dtype);
    return readRange(tensor.file, tensor.offset, tensor.length);
  };
  return { name, dtype: dtypeWord(dtype), shape, length: sizeOf(shape) * byteSize(dtype), read };
}

/** Bytes of a saved tensor. */
export function savedBytes(tensor: StoredTensor, wanted: SavedDType | undefined): number {
  return sizeOf(tensor.shape) * byteSize(savedDType(tensor, wanted));
}

/** Scaled fp8 weights are saved as the product, because diffusers does not read the scales. */
function savedDType({ dtype, scale }: StoredTensor, wanted: SavedDType | undefined): DType {
  if (!isFloat(dtype)) return dtype;
  return wanted ?? (scale ? "float32" : dtype);
}

function isFloat(dtype: DType): boolean {
  return dtype.startsWith("float") || dtype === "bfloat16";
}

/** The halves of a tensor's rows in their order, which the file swaps. */
async function* inHalves(tensor: StoredTensor, options: Pick<SavedTensorOptions, "name" | "dtype">): AsyncGenerator<Uint8Array> {
  const [rows = 0] = tensor.shape;
  for (const start of [0, rows / 2]) {
    const half = rowsOf(tensor, start, start + rows / 2);
    yield* savedTensor(half, { ...options, shape: half.shape }).read();
  }
}

async function* computed(compute: () => Promise<Tensor>, name: string, dtype: DType): AsyncGenerator<Uint8Array> {
  yield bytesOf(await compute(), name, dtype);
}

async function* converted(tensor: StoredTensor, name: string, dtype: DType): AsyncGenerator<Uint8Array> {
  if (tensor.transposed) {
    const stored = await numbers({ ...tensor, shape: tensor.shape.toReversed() }, 0, sizeOf(tensor.shape));
    yield bytesOf(new Tensor(stored.dtype, tensor.shape.toReversed(), stored.data).permute(1, 0), name, dtype);
    return;
  }
  const size = sizeOf(tensor.shape);
  const scale = tensor.scale && (await numbers(tensor.scale, 0, sizeOf(tensor.scale.shape))).to("float32").data;
  const perFactor = scale ? size / scale.length : size;
  for (let start = 0; start < size; start += BLOCK) {
    const block = await numbers(tensor, start, Math.min(BLOCK, size - start));
    if (!scale) yield bytesOf(block, name, dtype);
    else {
      const factors = scale;
      const product = block.to("float32").data.map((value, i) => value * (factors[Math.floor((start + i) / perFactor)] as number));
      yield bytesOf(Tensor.from(product), name, dtype);
    }
  }
}

/** `count` of a stored tensor's numbers, from number `start` on. */
async function numbers({ dtype, file, offset }: StoredTensor, start: number, count: number): Promise<Tensor<DType>> {
  const data = allocate(dtype, count);
  const bytes = new Uint8Array(data.buffer);
  let done = 0;
  for await (const part of readRange(file, offset + start * byteSize(dtype), bytes.length)) {
    bytes.set(part, done);
    done += part.length;
  }
  return new Tensor(dtype, [count], data);
}

/** The bytes of a tensor in another dtype. */
function bytesOf(tensor: Tensor<DType>, name: string, dtype: DType): Uint8Array {
  const { data } = tensor.to(dtype);
  const isInfinite = (bits: number) => (bits & 0x7fff) === 0x7c00;
  if (dtype === "float16" && tensor.dtype !== "float16" && (data as Uint16Array).some(isInfinite)) {
    warn(`${name} has numbers beyond half precision's largest, 65504; they are saved as infinity. Save it as bfloat16 or float32`);
  }
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
