import { printable } from "../checkpoint/json.js";
import { type HeaderTensor, readSafetensorsHeader, readTensor, type SafetensorsHeader, toStoredTensor } from "../checkpoint/safetensors.js";
import { bundledEmbedding, type NamedTensor, type TextualInversion } from "../checkpoint/textual-inversion.js";
import { CheckpointError, type DarkroomError } from "../errors.js";
import type { Folder } from "../platform/folder.js";
import type { StoredTensor } from "../tensor/stored-tensor.js";
import { type AdapterConfig, readAdapterConfigs, scaleIn } from "./adapter-config.js";
import { type ByRole, type LoraMethod, methodOf, missingRoles, rankOf } from "./lora-methods.js";
import { type LoraFormat, type LoraPart, type LoraRole, layerOf, otherMethod, parseBundledName, parseLoraName } from "./lora-names.js";

/** The tensors of one layer, as a header lists them. */
export interface LoraTensors {
  readonly part: LoraPart;
  /** As {@link parseLoraName} gives it. */
  readonly layer: string;
  readonly tensors: ByRole<HeaderTensor>;
}

/** The contents of a LoRA by its safetensors header. */
export interface LoraContents {
  /** The program whose names the tensors have. */
  readonly format: LoraFormat | undefined;
  /** Layers with tensors of a known method. */
  readonly layers: readonly (LoraTensors & { readonly method: LoraMethod })[];
  /** The tensors of embeddings inside the file, by token. */
  readonly embeddings: ReadonlyMap<string, readonly NamedTensor[]>;
  /** Names of tensors of methods that Darkroom does not apply, by method. */
  readonly otherMethods: ReadonlyMap<string, readonly string[]>;
  /** Names of tensors that belong to no adapter. */
  readonly unknown: readonly string[];
  /** Names of tensors that repeat the role of another tensor in the same layer. */
  readonly repeated: readonly string[];
}

/** The part of a LoRA for one layer. */
export interface LoraLayer {
  readonly part: LoraPart;
  readonly layer: string;
  readonly method: LoraMethod;
  readonly tensors: ByRole<StoredTensor>;
  /**
   * alpha / rank, or alpha / √rank if the file's config wants that. Without an alpha it is 1, as in diffusers and kohya-ss. Each layer has
   * its own alpha, as in kohya-ss; resized LoRAs need this. diffusers 0.42 mismatches names and gives all attention layers the most
   * frequent alpha.
   */
  readonly scale: number;
  /** Whether an IA3's gain multiplies the layer's inputs; undefined if the file does not state it. */
  readonly isOnInput?: boolean;
}

/** Tensors of a file that are not applied. */
export interface LeftOut {
  readonly tensors: readonly string[];
  /** The rest of "tensors that ...": "fit no layer of this pipeline". */
  readonly reason: string;
  /** The error of the first of them. */
  readonly error?: DarkroomError;
}

/** Reasons to leave tensors out. */
export const NO_LAYER = "fit no layer of this pipeline";
export const REPEATED = "have the same role as others";
const UNREADABLE = "cannot be used";

/** A LoRA whose file was read. Its matrices stay in the file. */
export interface LoraFile {
  /** The file's name in messages. */
  readonly name: string;
  readonly header: SafetensorsHeader;
  readonly layers: readonly LoraLayer[];
  readonly embeddings: readonly TextualInversion[];
  readonly leftOut: readonly LeftOut[];
}

/** Sorts a header's tensors by the layers they change. */
export function loraContents({ tensors }: SafetensorsHeader): LoraContents {
  const layers = new Map<string, { part: LoraPart; layer: string; tensors: Partial<Record<LoraRole, HeaderTensor>> }>();
  const formats = new Set<LoraFormat>();
  const embeddings = new Map<string, NamedTensor[]>();
  const otherMethods = new Map<string, string[]>();
  const unknown: string[] = [];
  const repeated: string[] = [];
  for (const tensor of tensors.values()) {
    const { name } = tensor;
    const parsed = parseLoraName(name) ?? gainName(name, tensors);
    const bundled = parseBundledName(name);
    const method = otherMethod(name);
    if (parsed) {
      const { part, layer, role, format } = parsed;
      const entry = layers.get(`${part} ${layer}`) ?? { part, layer, tensors: {} };
      if (entry.tensors[role]) repeated.push(name);
      else entry.tensors[role] = tensor;
      layers.set(`${part} ${layer}`, entry);
      if (format) formats.add(format);
    } else if (bundled) embeddings.set(bundled.word, [...(embeddings.get(bundled.word) ?? []), { encoder: bundled.encoder, tensor }]);
    else if (method) otherMethods.set(method, [...(otherMethods.get(method) ?? []), name]);
    else unknown.push(name);
  }
  const known: (LoraTensors & { method: LoraMethod })[] = [];
  for (const entry of layers.values()) {
    const method = methodOf(entry.tensors);
    if (method) known.push({ ...entry, method });
    else unknown.push(...Object.values(entry.tensors).map(({ name }) => name));
  }
  return { format: [...formats][0], layers: known, embeddings, otherMethods, unknown, repeated };
}

/** LyCORIS names an IA3's gain `weight`, like any layer's weight. The tensor `on_input` beside it shows that it is a gain. */
function gainName(name: string, tensors: SafetensorsHeader["tensors"]) {
  const base = /^(.+)\.weight$/.exec(name)?.[1];
  return base !== undefined && tensors.has(`${base}.on_input`)
    ? ({ ...layerOf(base), role: "gain", format: "lycoris" } as const)
    : undefined;
}

/**
 * Reads a LoRA's header and alphas, and finds the tensors that cannot be applied to any network.
 * @throws CheckpointError if the file is not a LoRA, or nothing in it can be applied.
 */
export async function readLora(folder: Folder, path: string): Promise<LoraFile> {
  const header = await readSafetensorsHeader(folder, path);
  const { name } = header;
  const { layers, embeddings, otherMethods, unknown, repeated } = loraContents(header);
  if (layers.length === 0 && embeddings.size === 0) throw notALora(header, otherMethods);
  const configs = await readAdapterConfigs(folder, header);
  const leftOut: LeftOut[] = [
    ...[...otherMethods].map(([method, tensors]) => ({ tensors, reason: `belong to ${method}, which Darkroom does not apply,` })),
    { tensors: unknown, reason: NO_LAYER },
    { tensors: repeated, reason: REPEATED },
  ];
  const read: LoraLayer[] = [];
  for (const layer of layers) {
    try {
      read.push(await readLayer(folder, path, name, layer, configs));
    } catch (error) {
      leftOut.push({ tensors: namesOf(layer.tensors), reason: UNREADABLE, error: asCheckpointError(error) });
    }
  }
  const words: TextualInversion[] = [];
  for (const [word, tensors] of embeddings) {
    try {
      words.push(bundledEmbedding(name, word, tensors));
    } catch (error) {
      leftOut.push({ tensors: tensors.map(({ tensor }) => tensor.name), reason: UNREADABLE, error: asCheckpointError(error) });
    }
  }
  if (read.length === 0 && words.length === 0) throw leftOut.find(({ error }) => error)?.error ?? notALora(header, otherMethods);
  return { name, header, layers: read, embeddings: words, leftOut };
}

/** Returns the error if it is a CheckpointError, and throws any other. */
export function asCheckpointError(error: unknown): CheckpointError {
  if (error instanceof CheckpointError) return error;
  throw error;
}

/** Merges the entries of each reason into one. */
export function merged(leftOut: readonly LeftOut[]): readonly LeftOut[] {
  const byReason = new Map<string, { tensors: string[]; error: DarkroomError | undefined }>();
  for (const { tensors, reason, error } of leftOut) {
    const entry = byReason.get(reason) ?? { tensors: [], error };
    for (const tensor of tensors) entry.tensors.push(tensor);
    byReason.set(reason, entry);
  }
  return [...byReason].flatMap(([reason, { tensors, error }]) =>
    tensors.length > 0 ? [{ tensors, reason, ...(error && { error }) }] : [],
  );
}

/** The names of a layer's tensors, without those of single numbers. */
export function namesOf(tensors: ByRole<{ readonly name: string }>): readonly string[] {
  return Object.entries(tensors).flatMap(([role, { name }]) => (role === "alpha" || role === "on_input" ? [] : [name]));
}

async function readLayer(
  folder: Folder,
  path: string,
  name: string,
  { part, layer, method, tensors: stored }: LoraTensors & { readonly method: LoraMethod },
  configs: ReadonlyMap<LoraPart, AdapterConfig>,
): Promise<LoraLayer> {
  const [missing] = missingRoles(method, stored);
  if (missing !== undefined) {
    const what = missing === "down" || missing === "up" ? `${missing} matrix` : missing;
    throw new CheckpointError(`${name}: ${printable(namesOf(stored)[0] ?? layer)} has no ${what} beside it`, {
      hint: "the file is damaged, or comes from a program that Darkroom does not know",
    });
  }
  const tensors: ByRole<StoredTensor> = Object.fromEntries(
    Object.entries(stored).map(([role, tensor]) => [role, toStoredTensor(tensor, name)]),
  );
  const { alpha, on_input: onInput } = tensors;
  const config = configs.get(part);
  const rank = rankOf(method, tensors);
  const own = alpha && (await readNumber(folder, path, alpha, name, "an alpha"));
  // LyCORIS writes an alpha beside a LoKr of two whole matrices, but does not use it.
  const scale = own === undefined ? scaleIn(config, layer, rank) : rank === undefined ? 1 : own / rank;
  const flag = method === "IA3" && onInput ? await readNumber(folder, path, onInput, name, "on_input") : undefined;
  const isOnInput = flag === undefined ? config?.feedsForward(layer) : flag !== 0;
  return { part, layer, method, tensors, scale, ...(isOnInput !== undefined && { isOnInput }) };
}

async function readNumber(folder: Folder, path: string, tensor: StoredTensor, name: string, what: string): Promise<number> {
  const [number, ...more] = tensor.length <= 8 ? (await readTensor(folder, path, tensor)).toArray() : [];
  if (number !== undefined && more.length === 0 && Number.isFinite(Number(number))) return Number(number);
  throw new CheckpointError(
    `${name}: ${printable(tensor.name)} is ${tensor.dtype} [${tensor.shape.join(", ")}] of ${number}; ${what} is one number`,
  );
}

function notALora({ name, tensors }: SafetensorsHeader, otherMethods: LoraContents["otherMethods"]): CheckpointError {
  const [[method, [tensor = ""]] = ["", []] as const] = [...otherMethods];
  if (method !== "") {
    return new CheckpointError(
      `${name}: tensor ${printable(tensor)} belongs to ${method}, which Darkroom does not apply; the file holds nothing else`,
      { hint: "merge it into the checkpoint with the program it was made for, or take a LoRA of the same subject" },
    );
  }
  return new CheckpointError(
    `${name} is not a LoRA: none of its ${tensors.size} tensors has a name like ...lora_down.weight or ...lora_A.weight`,
    {
      hint: (name) =>
        `whole checkpoints are opened with ${name("fromPretrained")}, textual inversions with ${name("loadTextualInversion")}`,
    },
  );
}
