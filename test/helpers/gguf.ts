/** A value of a GGUF file's metadata, with the format's id of its type. An array's id is that of its elements. */
export type GgufEntry = readonly [type: number, value: string | number | bigint | boolean | readonly (string | number)[]];

/** A tensor of a GGUF file. `shape` is in our order: the innermost axis last. */
export interface GgufTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** ggml's number of the type. */
  readonly type: number;
  /** Its place, if it is not the next one. */
  readonly offset?: number | bigint;
  readonly data: Uint8Array;
}

/** What a GGUF file is made of. */
export interface GgufContents {
  readonly magic?: string;
  readonly version?: number;
  readonly values?: Readonly<Record<string, GgufEntry>>;
  readonly tensors?: readonly GgufTensor[];
  /** Replaces the true number of tensors. */
  readonly tensorCount?: bigint;
  /** Replaces the true number of metadata. */
  readonly valueCount?: bigint;
  readonly alignment?: number;
}

const integer = (bytes: number, value: number | bigint): Uint8Array =>
  Uint8Array.from({ length: bytes }, (_, i) => Number((BigInt.asUintN(64, BigInt(value)) >> BigInt(8 * i)) & 0xffn));
const text = (value: string): Uint8Array => {
  const bytes = new TextEncoder().encode(value);
  return Buffer.concat([integer(8, bytes.length), bytes]);
};

const SIZES: Readonly<Record<number, number>> = { 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 7: 1, 10: 8, 11: 8 };

function entry([type, value]: GgufEntry): Uint8Array {
  if (Array.isArray(value)) {
    const items = value.map((item: string | number) => scalar(type, item));
    return Buffer.concat([integer(4, 9), integer(4, type), integer(8, value.length), ...items]);
  }
  return Buffer.concat([integer(4, type), scalar(type, value as string | number)]);
}

function scalar(type: number, value: string | number | bigint | boolean): Uint8Array {
  if (type === 8) return text(String(value));
  if (type === 6) return new Uint8Array(Float32Array.of(Number(value)).buffer);
  if (type === 12) return new Uint8Array(Float64Array.of(Number(value)).buffer);
  return integer(SIZES[type] ?? 4, typeof value === "bigint" ? value : Number(value));
}

/** The bytes of a GGUF file. */
export function ggufBytes({ magic = "GGUF", version = 3, values = {}, tensors = [], alignment = 32, ...counts }: GgufContents): Uint8Array {
  const { tensorCount = BigInt(tensors.length), valueCount = BigInt(Object.keys(values).length) } = counts;
  const parts: Uint8Array[] = [new TextEncoder().encode(magic), integer(4, version), integer(8, tensorCount), integer(8, valueCount)];
  for (const [key, value] of Object.entries(values)) parts.push(text(key), entry(value));
  let next = 0;
  const data: Uint8Array[] = [];
  const padded = (bytes: Uint8Array) => Buffer.concat([bytes, new Uint8Array((alignment - (bytes.length % alignment)) % alignment)]);
  for (const { name, shape, type, offset = next, data: bytes } of tensors) {
    parts.push(text(name), integer(4, shape.length), ...shape.toReversed().map((extent) => integer(8, extent)), integer(4, type));
    parts.push(integer(8, offset));
    data.push(padded(bytes));
    next += data.at(-1)?.length ?? 0;
  }
  return Buffer.concat([padded(Buffer.concat(parts)), ...data]);
}
