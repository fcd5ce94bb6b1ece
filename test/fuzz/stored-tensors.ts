import fc from "fast-check";
import { sizeOf } from "../../src/tensor/tensor.js";
import type { Tensors } from "../helpers/checkpoints.js";
import { type Shapes, SMALL } from "../helpers/full-size-files.js";
import { hostileText } from "./hostile.js";

// Safetensors files that are what they should be, but for the names and shapes of what they hold.

/** A tensor as a header describes it. */
export interface Stored {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
}

const BYTES: Readonly<Record<string, number>> = { F32: 4, F16: 2, BF16: 2, F64: 8, I64: 8, BOOL: 1, F8_E4M3: 1, F8_E5M2: 1 };
/** Above this a file is no longer written: it would only cost time. */
const LONGEST_FILE = 2 ** 26;

/** A file of such tensors, all of them zeros. Of two with one name the last is there. */
export function fileOf(tensors: readonly Stored[], metadata?: Readonly<Record<string, string>>): Uint8Array {
  let end = 0;
  const header: [string, unknown][] = metadata ? [["__metadata__", metadata]] : [];
  for (const { name, dtype, shape } of new Map(tensors.map((each) => [each.name, each])).values()) {
    const length = sizeOf(shape) * (BYTES[dtype] ?? 4);
    if (end + length > LONGEST_FILE) continue;
    header.push([name, { dtype, shape, data_offsets: [end, end + length] }]);
    end += length;
  }
  const json = Buffer.from(JSON.stringify(Object.fromEntries(header)));
  // Pages that nobody writes take no memory.
  const bytes = new Uint8Array(8 + json.length + end);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
}

/** What `tensors` would be in a file. */
export function stored(tensors: Shapes | Tensors): Stored[] {
  const shapeOf = (each: Shapes[string] | Tensors[string]) => ("shape" in each ? each.shape : each);
  return Object.entries<Shapes[string] | Tensors[string]>(tensors).map(([name, each]) => ({ name, dtype: "F32", shape: shapeOf(each) }));
}

/** Files that need no configs, with a vocabulary of few words: it is most of what is in them. */
export const SMALLEST: Readonly<Record<keyof typeof SMALL, Stored[]>> = mapped(SMALL, (shapes) =>
  stored(shapes()).map((each) => (each.shape[0] === 49_408 ? { ...each, shape: [2000, ...each.shape.slice(1)] } : each)),
);

function mapped<Key extends string, From, To>(values: Readonly<Record<Key, From>>, change: (value: From) => To): Record<Key, To> {
  return Object.fromEntries(Object.entries<From>(values).map(([key, value]) => [key, change(value)])) as Record<Key, To>;
}

/** Numbers where those of layers are expected. */
const layerNumber = fc.constantFrom("0", "1", "2", "3", "9", "31", "99", "100", "00", "999999", "99999999", "4294967295", "9".repeat(20));
const extent = fc.constantFrom(0, 1, 2, 3, 4, 5, 8, 9, 16, 31, 32, 33, 64, 65, 77, 96, 320, 1024);
const shape = fc.oneof(
  fc.constantFrom<readonly number[]>([], [0], [1], [32], [64, 64], [64, 64, 1, 1], [32, 4, 3, 3], [1, 1, 1, 1, 1, 1]),
  fc.array(extent, { maxLength: 5 }),
);

const edit = fc.record({
  kind: fc.constantFrom(
    "drop",
    "drop-layer",
    "keep-layer",
    "renumber",
    "renumber-layer",
    "beside",
    "scale",
    "shape",
    "extent",
    "dtype",
    "rename",
    "end",
  ),
  at: fc.nat(),
  depth: fc.integer({ min: 1, max: 8 }),
  number: layerNumber,
  extent,
  shape,
  dtype: fc.constantFrom(...Object.keys(BYTES)),
  scaleName: fc.constantFrom("scale_weight", "weight_scale", "scale_input", "scaled_fp8", "comfy_quant"),
  text: hostileText,
});
type Edit = typeof edit extends fc.Arbitrary<infer Value> ? Value : never;

/** Tensors of which some are gone, changed, renamed or doubled. */
export function editedTensors(tensors: readonly Stored[]): fc.Arbitrary<Stored[]> {
  return fc.array(edit, { minLength: 1, maxLength: 4 }).map((edits) => edits.reduce(edited, [...tensors]));
}

function edited(tensors: Stored[], { kind, at, depth, number, extent, shape, dtype, scaleName, text }: Edit): Stored[] {
  const one = tensors[at % Math.max(tensors.length, 1)];
  if (!one) return tensors;
  const layer = one.name.split(".").slice(0, depth).join(".");
  const isIn = ({ name }: Stored) => name === layer || name.startsWith(`${layer}.`);
  const with_ = (changes: Partial<Stored>) => tensors.map((each) => (each === one ? { ...each, ...changes } : each));
  const renumbered = (name: string) => {
    const numbers = [...name.matchAll(/\d+/g)];
    const { 0: own = "", index = name.length } = numbers[at % Math.max(numbers.length, 1)] ?? {};
    return name.slice(0, index) + number + name.slice(index + own.length);
  };
  switch (kind) {
    case "drop":
      return tensors.filter((each) => each !== one);
    case "drop-layer":
      return tensors.filter((each) => !isIn(each));
    case "keep-layer":
      return tensors.filter(isIn);
    case "renumber":
      return with_({ name: renumbered(one.name) });
    case "renumber-layer":
      return tensors.map((each) => (isIn(each) ? { ...each, name: renumbered(layer) + each.name.slice(layer.length) } : each));
    case "beside":
      return [...tensors, { ...one, name: renumbered(one.name) }];
    case "scale":
      return [...tensors, { name: `${layer}.${scaleName}`, dtype, shape }];
    case "shape":
      return with_({ shape });
    case "extent":
      return with_({ shape: one.shape.map((own, i) => (i === at % one.shape.length ? extent : own)) });
    case "dtype":
      return with_({ dtype });
    case "rename":
      return with_({ name: text });
    case "end":
      return with_({ name: `${one.name}.${text}` });
  }
}
