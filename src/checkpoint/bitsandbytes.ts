import { CheckpointError } from "../errors.js";
import type { Folder } from "../platform/folder.js";
import type { StoredTensor } from "../tensor/stored-tensor.js";
import { sizeOf } from "../tensor/tensor.js";
import { isObject, type JsonObject, parseObject, printable } from "./json.js";
import { type HeaderTensor, toStoredTensor } from "./safetensors.js";

/*
 * Weights that bitsandbytes quantised, as diffusers and transformers save them: the bytes of `layer.weight`, and beside them `layer.SCB`
 * for 8 bits, or tensors whose names begin with `layer.weight.` for 4 bits.
 */

/** A tensor's description of how it is quantised: JSON in bytes. */
const STATE = /^(.*)\.quant_state\.bitsandbytes__(nf4|fp4)$/;
const ROW_SCALES = /^(.*)\.SCB$/;
const FORMAT_NOTE = /\.weight_format$/;
/** The descriptions have some 200 bytes. */
const LARGEST_STATE = 10_000;

/** A tensor in one of the files of a part. */
interface Located {
  readonly path: string;
  readonly stored: HeaderTensor;
  readonly name: string;
}

/**
 * The tensors of a part with those of bitsandbytes joined to one for each weight. Others are unchanged.
 * @throws CheckpointError if what belongs to a weight is missing or does not fit it.
 */
export async function joinBitsandbytes<Tensor extends Located>(folder: Folder, located: readonly Tensor[]): Promise<readonly Tensor[]> {
  if (!located.some(({ name }) => STATE.test(name) || ROW_SCALES.test(name))) return located;
  const tensors = new Map(located.map((each) => [each.name, each]));
  const joined = new Map(tensors);
  for (const { name, stored, path } of located) {
    const fail = (what: string): never => {
      throw new CheckpointError(`${folder.name}/${path}: ${what}`, { hint: "the file is damaged, or of another version of bitsandbytes" });
    };
    const companion = (of: string): StoredTensor => {
      const found = tensors.get(of);
      if (!found) return fail(`tensor ${printable(of)} is missing beside ${printable(name)}`);
      joined.delete(of);
      return toStoredTensor(found.stored, `${folder.name}/${found.path}`);
    };
    const [, weightName = "", kind] = STATE.exec(name) ?? [];
    const [, layer] = ROW_SCALES.exec(name) ?? [];
    if (FORMAT_NOTE.test(name)) joined.delete(name);
    if (layer !== undefined) {
      const weight = tensors.get(`${layer}.weight`);
      if (weight?.stored.dtype !== "I8") continue;
      joined.delete(name);
      const [rows = 0] = weight.stored.shape;
      if (sizeOf(stored.shape) !== rows) fail(`tensor ${printable(name)} is [${stored.shape}]; expected [${rows}]`);
      joined.set(weight.name, { ...weight, stored: { ...weight.stored, scale: stored, packing: { format: "LLM.int8" } } });
    }
    if (kind === undefined) continue;
    joined.delete(name);
    const weight = tensors.get(weightName);
    if (!weight) return fail(`tensor ${printable(name)} describes a weight that is missing`);
    if (stored.length > LARGEST_STATE) fail(`tensor ${printable(name)} has ${stored.length} bytes; a short description was expected`);
    const text = new TextDecoder().decode(await folder.read(path, stored.offset, stored.length));
    const { shape, block, nested } = parseState(parseObject(text, { depth: 4 })) ?? fail(`tensor ${printable(name)} is no description`);
    const numbers = sizeOf(shape);
    const blocks = Math.ceil(numbers / block);
    const scales = companion(`${weightName}.absmax`);
    if (weight.stored.length !== Math.ceil(numbers / 2) || sizeOf(scales.shape) !== blocks) {
      fail(
        `tensor ${printable(weightName)} has ${weight.stored.length} bytes and ${sizeOf(scales.shape)} scales, which do not fit [${shape}]`,
      );
    }
    const table = companion(`${weightName}.quant_map`);
    if (sizeOf(table.shape) !== 16 || table.dtype !== "float32") fail(`tensor ${printable(table.name)} is not 16 float32 numbers`);
    const inner = nested && {
      ...nested,
      table: companion(`${weightName}.nested_quant_map`),
      scales: companion(`${weightName}.nested_absmax`),
    };
    const isRight = inner
      ? scales.dtype === "uint8" && sizeOf(inner.table.shape) === 256 && sizeOf(inner.scales.shape) === Math.ceil(blocks / inner.block)
      : scales.dtype === "float32";
    if (!isRight) fail(`the scales of tensor ${printable(weightName)} do not fit each other`);
    joined.set(weight.name, {
      ...weight,
      stored: {
        ...weight.stored,
        dtype: kind === "nf4" ? "NF4" : "FP4",
        shape,
        packing: {
          format: kind === "nf4" ? "NF4" : "FP4",
          table,
          block,
          scales,
          ...(inner && { nested: inner }),
          whole: shape,
          rows: [0, shape[0] ?? 1],
        },
      },
    });
  }
  return [...joined.values()];
}

interface State {
  readonly shape: readonly number[];
  readonly block: number;
  readonly nested?: { readonly block: number; readonly offset: number };
}

function parseState(json: JsonObject | undefined): State | undefined {
  if (!isObject(json)) return undefined;
  const { shape, blocksize, nested_blocksize: nestedBlock, nested_offset: offset } = json;
  const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) > 0;
  if (!Array.isArray(shape) || !shape.every(isCount) || !isCount(blocksize) || !Number.isSafeInteger(sizeOf(shape))) return undefined;
  if (nestedBlock === undefined) return { shape, block: blocksize };
  if (!isCount(nestedBlock) || typeof offset !== "number") return undefined;
  return { shape, block: blocksize, nested: { block: nestedBlock, offset } };
}
