import { CheckpointError } from "../errors.js";
import type { Folder } from "../platform/folder.js";
import type { StoredTensor } from "../tensor/stored-tensor.js";
import { type Shape, sizeOf } from "../tensor/tensor.js";
import { warn } from "../warnings.js";
import { joinBitsandbytes } from "./bitsandbytes.js";
import { readJson } from "./config.js";
import { describe, isObject, printable } from "./json.js";
import { canonical } from "./names.js";
import { isPickle } from "./pickles.js";
import { type HeaderTensor, toStoredTensor } from "./safetensors.js";
import { isBesideWeight, isScale, joinScales } from "./scales.js";
import { readWeightsHeader } from "./weights-header.js";

/** How {@link openWeights} looks for a part's files. */
export interface OpenWeightsOptions {
  /** `"fp16"` takes `model.fp16.safetensors`. If there is none, the full file is taken, with a warning. */
  readonly variant?: string;
  /** The file names before the variant. The first that exists is taken. */
  readonly baseNames?: readonly string[];
}

/** A tensor and the file that holds it. */
export interface Located {
  /** The file, in its folder. */
  readonly path: string;
  readonly stored: HeaderTensor;
  /** The tensor's name: today's, or that of some years ago. */
  readonly name: string;
}

/** The weights of a part: their file, or the index of their shards. */
export interface WeightFiles {
  readonly path: string;
  readonly isIndex: boolean;
  /** Whether these are of the wanted variant. If not, they are the full ones. */
  readonly isAsked: boolean;
}

// An index has a line for every tensor. For the largest models it has a few hundred kilobytes.
const LARGEST_INDEX = 100_000_000;
const BASE_NAMES = ["diffusion_pytorch_model", "model"];
const FOREIGN = /\.(msgpack|h5)$/i;

/** The tensors of one part of a checkpoint by today's names, in one file or several. The numbers stay in the files. */
export class Weights {
  /** Use {@link openWeights}. */
  constructor(
    /** The file, or the index of the shards, as messages name it. */
    readonly name: string,
    private readonly tensors: ReadonlyMap<string, Located & { readonly folder: Folder }>,
    private readonly nameInFile: (name: string) => string,
  ) {}

  /** These weights and those of another part. Where both have a tensor of one name, it is that of the other part. */
  with(other: Weights): Weights {
    return new Weights(`${this.name} and ${other.name}`, new Map([...this.tensors, ...other.tensors]), this.nameInFile);
  }

  /** Whether there is a weight with this name. */
  has(name: string): boolean {
    return this.tensors.has(name);
  }

  /** @throws CheckpointError if there is no such tensor, or if Darkroom cannot compute with its dtype. */
  get(name: string): StoredTensor {
    const { folder, path, stored } = this.find(name);
    return { ...toStoredTensor(stored, `${folder.name}/${path}`), name };
  }

  /** @throws CheckpointError if there is no such tensor. */
  shapeOf(name: string): Shape {
    return this.find(name).stored.shape;
  }

  /** The name of a tensor in its file, which may be that of some years ago. @throws CheckpointError if there is no such tensor. */
  nameInFileOf(name: string): string {
    return this.find(name).stored.name;
  }

  /** Names of all tensors, in no particular order. */
  names(): string[] {
    return [...this.tensors.keys()];
  }

  /** Bytes of all tensors. */
  get bytes(): number {
    return [...this.tensors.values()].reduce((sum, { stored }) => sum + stored.length, 0);
  }

  /** Numbers in all tensors. */
  get parameters(): number {
    return [...this.tensors.values()].reduce((sum, { stored }) => sum + sizeOf(stored.shape), 0);
  }

  /** How many tensors have each of the format's dtypes: `{ F16: 686 }`. */
  dtypes(): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const { stored } of this.tensors.values()) counts[stored.dtype] = (counts[stored.dtype] ?? 0) + 1;
    return counts;
  }

  private find(name: string): Located & { readonly folder: Folder } {
    const found = this.tensors.get(name);
    if (found) return found;
    const missing = this.nameInFile(name);
    const near = nearest(
      missing,
      [...this.tensors.values()].map(({ stored }) => stored.name),
    );
    throw new CheckpointError(`${this.name}: tensor ${missing} is missing`, {
      hint: near.length > 0 ? `the file has ${near.map(printable).join(", ")}` : "the weights belong to another kind of model",
    });
  }
}

/**
 * The weights of a folder that has them without weight files of its own, such as a part of a single file; undefined for any other folder.
 */
export function weightsIn(folder: Folder): Weights | undefined {
  return "weights" in folder && folder.weights instanceof Weights ? folder.weights : undefined;
}

/**
 * Finds the weights of one part of a checkpoint by the file names of diffusers and transformers: single or sharded, full or a variant.
 * @throws CheckpointError if there are none, if there are only pickles, or if a file is damaged.
 */
export async function openWeights(folder: Folder, options: OpenWeightsOptions = {}): Promise<Weights> {
  const given = weightsIn(folder);
  if (given) return given;
  await folder.check();
  const files = await folder.list();
  const chosen = findWeights(files, options);
  if (!chosen) throw noWeights(folder.name, files, options);
  if (!chosen.isAsked) warn(`${folder.name} has no ${options.variant} variant; ${chosen.path} is used instead`);
  return openFiles(folder, chosen, files);
}

/** The weights among a part's `files`: those of the variant, else the full ones. Undefined if there are none. */
export function findWeights(
  files: readonly string[],
  { variant, baseNames = BASE_NAMES }: OpenWeightsOptions = {},
): WeightFiles | undefined {
  const find = (wanted?: string) => baseNames.flatMap((base) => spellings(base, wanted)).find(({ path }) => files.includes(path));
  const asked = find(variant);
  if (asked) return { ...asked, isAsked: true };
  const full = find();
  return full && { ...full, isAsked: false };
}

/** The shards that an index lists, with the names of their tensors. @throws CheckpointError if it is not an index. */
export async function readShards(folder: Folder, path: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const name = `${folder.name}/${path}`;
  const { weight_map: map } = await readJson(folder, path, { limit: LARGEST_INDEX });
  if (!isObject(map)) throw new CheckpointError(`${name} has ${describe(map)} as weight_map; an object of file names was expected`);
  const shards = new Map<string, string[]>();
  for (const [tensor, shard] of Object.entries(map)) {
    if (typeof shard !== "string" || !/^[^/\\\0]+\.safetensors$/.test(shard)) {
      throw new CheckpointError(
        `${name}: tensor ${printable(tensor)} is said to be in ${describe(shard)}; expected a .safetensors file beside the index`,
      );
    }
    const tensors = shards.get(shard);
    if (tensors) tensors.push(tensor);
    else shards.set(shard, [tensor]);
  }
  return shards;
}

/** All names that a part's weights can have, best first. */
function spellings(base: string, variant: string | undefined): Omit<WeightFiles, "isAsked">[] {
  const single = { path: `${base}${variant === undefined ? "" : `.${variant}`}.safetensors`, isIndex: false };
  const indices =
    variant === undefined
      ? [`${base}.safetensors.index.json`]
      : // Today's, that of diffusers before 0.31, and one seen on the hub.
        [
          `${base}.safetensors.index.${variant}.json`,
          `${base}.safetensors.${variant}.index.json`,
          `${base}.${variant}.safetensors.index.json`,
        ];
  const sharded = indices.map((path) => ({ path, isIndex: true }));
  // If both exist, diffusers takes the shards and transformers takes the single file.
  return base === "model" ? [single, ...sharded] : [...sharded, single];
}

async function openFiles(folder: Folder, { path, isIndex }: WeightFiles, files: readonly string[]): Promise<Weights> {
  const located = isIndex ? await openShards(folder, path, files) : await openFile(folder, path);
  return collectWeights(`${folder.name}/${path}`, folder, await joinBitsandbytes(folder, located));
}

/**
 * The weights of one part with the tensors `located`. `nameInFile` converts today's name of a tensor to the name in such files.
 * @throws CheckpointError if two tensors have the same name today.
 */
export function collectWeights(
  name: string,
  folder: Folder,
  located: Iterable<Located>,
  nameInFile: (name: string) => string = (today) => today,
): Weights {
  const tensors = new Map<string, Located & { readonly folder: Folder }>();
  for (const tensor of located) {
    const today = canonical(tensor.name);
    if (today === undefined) continue;
    if (isScale(tensor.stored.name)) {
      throw new CheckpointError(`${name}: tensor ${printable(tensor.stored.name)} is a scale without its weight`, {
        hint: "Darkroom reads fp8 weights with their scales in the same part; take the float16, bfloat16 or float32 file",
      });
    }
    const other = tensors.get(today);
    if (other)
      throw new CheckpointError(
        `${name}: tensors ${printable(other.stored.name)} and ${printable(tensor.stored.name)} are both ${printable(today)}`,
      );
    tensors.set(today, { ...tensor, folder });
  }
  return new Weights(name, tensors, nameInFile);
}

async function openFile(folder: Folder, path: string): Promise<Located[]> {
  const { tensors } = await readWeightsHeader(folder, path);
  return [...tensors.values()].map((stored) => ({ path, stored, name: stored.name }));
}

async function openShards(folder: Folder, path: string, files: readonly string[]): Promise<Located[]> {
  const name = `${folder.name}/${path}`;
  const shards = await readShards(folder, path);
  const absent: string[] = [];
  // A web server lists no files: it is asked for each one.
  for (const shard of shards.keys()) if (!files.includes(shard) && !(await folder.has(shard))) absent.push(shard);
  if (absent.length > 0) {
    const list = absent.length > 3 ? `${absent.slice(0, 3).join(", ")}, ...` : absent.join(", ");
    throw new CheckpointError(`${name}: ${absent.length} of its ${shards.size} files are missing: ${list}`, {
      hint: "the download is incomplete; download the checkpoint again",
    });
  }
  const located: Located[] = [];
  for (const [shard, names] of shards) {
    const { tensors } = await readWeightsHeader(folder, shard);
    for (const tensor of names) {
      const stored = tensors.get(tensor);
      if (!stored && isBesideWeight(tensor)) continue;
      if (!stored)
        throw new CheckpointError(`${name}: tensor ${printable(tensor)} is not in ${shard}`, { hint: "download the checkpoint again" });
      located.push({ path: shard, stored, name: tensor });
    }
  }
  // A weight and its scale may be in two shards.
  const joined = joinScales(new Map(located.map(({ stored }) => [stored.name, stored])));
  return located.flatMap((each) => {
    const stored = joined.get(each.name);
    return stored ? [{ ...each, stored }] : [];
  });
}

/** The error for a part without weights among its `files`. */
export function noWeights(
  name: string,
  files: readonly string[],
  { variant, baseNames = BASE_NAMES }: OpenWeightsOptions = {},
): CheckpointError {
  const expected = baseNames.flatMap((base) => [
    `${base}.safetensors`,
    ...(variant === undefined ? [] : [`${base}.${variant}.safetensors`]),
  ]);
  const variants = variantsOf(files, baseNames);
  if (variants.length > 0) {
    return new CheckpointError(`${name} has no ${variant ?? "full"} weights, only the variant ${variants.join(", ")}`, {
      hint: (name) => `ask for it: ${name("variant", { value: variants[0] })}`,
    });
  }
  const other = files.find(isPickle) ?? files.find((file) => FOREIGN.test(file));
  if (other !== undefined) {
    const what = FOREIGN.test(other) ? "of another framework;" : "a pickle; a pickle can run any code when it is loaded, so";
    return new CheckpointError(`${name} has weights only as ${other}, ${what} Darkroom reads only safetensors`, {
      hint: "download the checkpoint's .safetensors files if it has them, or convert it if you trust it: in Python, from_pretrained(folder).save_pretrained(folder, safe_serialization=True)",
    });
  }
  const others = files.filter((file) => file.endsWith(".safetensors"));
  return new CheckpointError(`${name} has no weights: ${expected.join(" or ")} was expected`, {
    hint:
      others.length > 0
        ? `it has ${others.slice(0, 3).join(", ")}, which is not a name of a part's weights; rename it`
        : "the download is incomplete",
  });
}

/** The variants that have safetensors files. */
export function variantsOf(files: readonly string[], baseNames: readonly string[] = BASE_NAMES): string[] {
  const variants = new Set<string>();
  for (const file of files) {
    const base = baseNames.find((name) => file.startsWith(`${name}.`));
    const variant = base && /^\.([^.]+?)(-\d{5}-of-\d{5})?\.safetensors$/.exec(file.slice(base.length))?.[1];
    if (variant) variants.add(variant);
  }
  return [...variants].sort();
}

/** Up to three names whose beginning and end are most like those of `name`. */
function nearest(name: string, names: readonly string[]): string[] {
  const likeness = (other: string) => {
    const shorter = Math.min(name.length, other.length);
    let head = 0;
    while (head < shorter && name[head] === other[head]) head++;
    let tail = 0;
    while (tail < shorter - head && name.at(-1 - tail) === other.at(-1 - tail)) tail++;
    return (head + tail) / Math.max(name.length, other.length);
  };
  const ranked = names.map((other) => ({ other, score: likeness(other) })).sort((a, b) => b.score - a.score);
  return ranked.flatMap(({ other, score }) => (score > 0.5 ? [other] : [])).slice(0, 3);
}
