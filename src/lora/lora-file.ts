import type { Folder } from "../checkpoint/folder.js";
import { printable } from "../checkpoint/json.js";
import {
  readSafetensorsHeader,
  readTensor,
  type SafetensorsHeader,
  type StoredTensor,
  type TensorRef,
  toTensorRef,
} from "../checkpoint/safetensors.js";
import { CheckpointError } from "../errors.js";
import { type AdapterConfig, readAdapterConfigs, scaleIn } from "./adapter-config.js";
import { type LoraFormat, type LoraPart, type LoraRole, otherMethod, parseLoraName } from "./lora-names.js";

/** The tensors of one layer, as a header lists them. */
export interface LoraTensors extends Readonly<Partial<Record<LoraRole, StoredTensor>>> {
  readonly part: LoraPart;
  /** As {@link parseLoraName} gives it. */
  readonly layer: string;
}

/** What a safetensors header holds of a LoRA. */
export interface LoraContents {
  /** Who wrote the names. */
  readonly format: LoraFormat | undefined;
  /** Layers with any tensor of a low-rank product. */
  readonly layers: readonly LoraTensors[];
  /** Names of tensors that belong to adapters of other methods, by method. */
  readonly otherMethods: ReadonlyMap<string, string>;
  /** Names of tensors that are no adapter's. */
  readonly strangers: readonly string[];
  /** Names of tensors whose place another one has: the file holds two adapters. */
  readonly repeated: readonly string[];
}

/** What a LoRA adds to a layer's weight: up · mid · down, scaled. */
export interface LoraLayer {
  readonly part: LoraPart;
  readonly layer: string;
  readonly down: TensorRef;
  readonly mid?: TensorRef;
  readonly up: TensorRef;
  /**
   * alpha / rank, or alpha / √rank where the file asks for it; 1 where it says nothing, as for diffusers and kohya-ss. Alphas count layer by layer, as
   * kohya-ss means them (resized LoRAs have one for each); diffusers 0.42 mistakes names, so that attention layers all get the most frequent one.
   */
  readonly scale: number;
}

/** A LoRA whose file was read; its matrices stay in the file. */
export interface LoraFile {
  /** How messages name it. */
  readonly name: string;
  readonly header: SafetensorsHeader;
  readonly layers: readonly LoraLayer[];
  readonly strangers: readonly string[];
}

/** Sorts a header's tensors by the layers they change. */
export function loraContents({ tensors }: SafetensorsHeader): LoraContents {
  const layers = new Map<string, { part: LoraPart; layer: string } & Partial<Record<LoraRole, StoredTensor>>>();
  const formats = new Set<LoraFormat>();
  const otherMethods = new Map<string, string>();
  const strangers: string[] = [];
  const repeated: string[] = [];
  for (const tensor of tensors.values()) {
    const parsed = parseLoraName(tensor.name);
    if (!parsed) {
      const method = otherMethod(tensor.name);
      if (method) otherMethods.set(method, otherMethods.get(method) ?? tensor.name);
      else strangers.push(tensor.name);
      continue;
    }
    const { part, layer, role, format } = parsed;
    const key = `${part} ${layer}`;
    const entry = layers.get(key) ?? { part, layer };
    if (entry[role]) repeated.push(tensor.name);
    layers.set(key, Object.assign(entry, { [role]: tensor }));
    if (format) formats.add(format);
  }
  const entries = [...layers.values()];
  const products = entries.filter(hasMatrix);
  const alphas = entries.flatMap((entry) => (entry.alpha && !hasMatrix(entry) ? [entry.alpha.name] : []));
  return { format: [...formats][0], layers: products, otherMethods, strangers: [...strangers, ...alphas], repeated };
}

function hasMatrix({ down, mid, up }: LoraTensors): boolean {
  return Boolean(down ?? mid ?? up);
}

/**
 * Reads a LoRA: its header and its alphas.
 * @throws CheckpointError for a file that is no LoRA, lacks a matrix or holds an adapter of another method (DoRA, LoHa, LoKr, ...).
 */
export async function readLora(folder: Folder, path: string): Promise<LoraFile> {
  const header = await readSafetensorsHeader(folder, path);
  const { name } = header;
  const { layers, otherMethods, strangers, repeated } = loraContents(header);
  for (const [method, tensor] of otherMethods) {
    throw new CheckpointError(
      `${name}: tensor ${printable(tensor)} belongs to an adapter of another kind, ${method}; Darkroom applies LoRA and LoCon`,
      {
        hint: "merge it into the checkpoint with the program it was made for, or take a LoRA of the same subject",
      },
    );
  }
  for (const tensor of repeated) {
    throw new CheckpointError(`${name}: tensor ${printable(tensor)} has the place of another one; the file holds more than one LoRA`, {
      hint: "take them apart into files of their own",
    });
  }
  if (layers.length === 0) {
    throw new CheckpointError(
      `${name}: no LoRA; none of its ${header.tensors.size} tensors is called ...lora_down.weight, ...lora_A.weight or alike`,
      {
        hint: (name) =>
          `whole checkpoints are opened with ${name("fromPretrained")}, textual inversions with ${name("loadTextualInversion")}`,
      },
    );
  }
  const configs = await readAdapterConfigs(folder, header);
  return { name, header, strangers, layers: await Promise.all(layers.map((layer) => readLayer(folder, path, name, layer, configs))) };
}

async function readLayer(
  folder: Folder,
  path: string,
  name: string,
  { part, layer, alpha, ...matrices }: LoraTensors,
  configs: ReadonlyMap<LoraPart, AdapterConfig>,
): Promise<LoraLayer> {
  const ref = (role: "down" | "up") => {
    const tensor = matrices[role];
    if (tensor) return toTensorRef(tensor, name);
    const present = matrices.down ?? matrices.up ?? matrices.mid ?? alpha;
    throw new CheckpointError(`${name}: ${printable(present?.name ?? layer)} has no ${role} matrix beside it`, {
      hint: "the file is damaged or was written by a program that Darkroom does not know",
    });
  };
  const [down, up] = [ref("down"), ref("up")];
  const rank = down.shape[0] ?? 0;
  const own = alpha && (await readAlpha(folder, path, toTensorRef(alpha, name), name));
  const scale = own === undefined ? scaleIn(configs.get(part), layer, rank) : own / rank;
  return { part, layer, down, up, ...(matrices.mid && { mid: toTensorRef(matrices.mid, name) }), scale };
}

async function readAlpha(folder: Folder, path: string, tensor: TensorRef, name: string): Promise<number> {
  const [alpha, ...more] = tensor.length <= 8 ? (await readTensor(folder, path, tensor)).toArray() : [];
  if (alpha !== undefined && more.length === 0 && Number.isFinite(Number(alpha))) return Number(alpha);
  throw new CheckpointError(
    `${name}: ${printable(tensor.name)} is ${tensor.dtype} [${tensor.shape.join(", ")}] of ${alpha}; an alpha is one number`,
  );
}
