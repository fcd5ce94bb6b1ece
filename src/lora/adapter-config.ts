/** PEFT's LoraConfig, as far as it says by what a LoRA is scaled: in diffusers' metadata, or in the adapter_config.json beside a file of PEFT's. */
import { readJson } from "../checkpoint/config.js";
import type { Folder } from "../checkpoint/folder.js";
import { isObject, type Json, type JsonObject, parseJson } from "../checkpoint/json.js";
import type { SafetensorsHeader } from "../checkpoint/safetensors.js";
import { CheckpointError } from "../errors.js";
import type { LoraPart } from "./lora-names.js";

/** By what the layers of one network are scaled. */
export interface AdapterConfig {
  readonly alpha: number | undefined;
  /** Alphas of single layers, by (the last parts of) their names with underscores for dots; of several that fit, the first in `order` counts. */
  readonly alphas: ReadonlyMap<string, { readonly order: number; readonly alpha: number }>;
  /** Divides by the rank's square root (Kalajdzievski 2023). */
  readonly usesRootOfRank: boolean;
}

const PARTS: readonly LoraPart[] = ["unet", "text_encoder", "text_encoder_2"];
const METADATA_KEY = "lora_adapter_metadata";
/** A config lists every layer at most; those of the largest models have some hundred kilobytes. */
const LONGEST_CONFIG = 10_000_000;
const DEEPEST_CONFIG = 8;

/** The configs that come with a LoRA, by the network they are for. @throws CheckpointError if one is not what it should be. */
export async function readAdapterConfigs(folder: Folder, header: SafetensorsHeader): Promise<ReadonlyMap<LoraPart, AdapterConfig>> {
  const json = metadataOf(header);
  if (json) return new Map(PARTS.flatMap((part) => parsed(header.name, within(json, `${part}.`), part)));
  if (!header.name.endsWith("/adapter_model.safetensors") || !(await folder.has("adapter_config.json"))) return new Map();
  const own = await readJson(folder, "adapter_config.json", { limit: LONGEST_CONFIG });
  // It does not say for which network it is; its file's names tell.
  return new Map(PARTS.flatMap((part) => parsed(`${folder.name}/adapter_config.json`, own, part)));
}

/** What the product of a layer's matrices is scaled by: alpha / rank, and 1 where no alpha is known. */
export function scaleIn(config: AdapterConfig | undefined, layer: string, rank: number): number {
  if (!config) return 1;
  const alpha = alphaOf(layer, config);
  return alpha === undefined ? 1 : alpha / (config.usesRootOfRank ? Math.sqrt(rank) : rank);
}

/** Looks for the ends of the name, which are few, not through the patterns, of which a file may have any number. */
function alphaOf(layer: string, { alpha, alphas }: AdapterConfig): number | undefined {
  const ends = layer.split("_").map((_, i, parts) => parts.slice(i).join("_"));
  const fitting = ends.flatMap((end) => alphas.get(end) ?? []);
  return fitting.length > 0 ? fitting.reduce((first, other) => (other.order < first.order ? other : first)).alpha : alpha;
}

function metadataOf({ name, metadata }: SafetensorsHeader): JsonObject | undefined {
  const text = metadata.get(METADATA_KEY);
  if (!text) return undefined;
  const fail = (what: string): never => {
    throw new CheckpointError(`${name}: its metadata ${METADATA_KEY} ${what}`, { hint: "the file is damaged; download it again" });
  };
  if (text.length > LONGEST_CONFIG) return fail(`has ${text.length} characters; at most ${LONGEST_CONFIG} are read`);
  let json: Json;
  try {
    json = parseJson(text, { depth: DEEPEST_CONFIG, pythonLiterals: true });
  } catch (error) {
    return fail(`is no JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  return isObject(json) ? json : fail("is no object");
}

/** The fields whose names begin with `prefix`, without it. */
function within(json: JsonObject, prefix: string): JsonObject {
  return Object.fromEntries(
    Object.entries(json).flatMap(([key, value]) => (key.startsWith(prefix) ? [[key.slice(prefix.length), value]] : [])),
  );
}

function parsed(name: string, json: JsonObject, part: LoraPart): [LoraPart, AdapterConfig][] {
  const { lora_alpha: alpha, alpha_pattern: pattern, use_rslora: usesRootOfRank } = json;
  if (alpha === undefined || alpha === null) return [];
  const number = (key: string, value: Json): number => {
    if (typeof value === "number" && Number.isFinite(value)) return value;
    throw new CheckpointError(`${name}: ${key} of ${part} is ${JSON.stringify(value)}; a number was expected`);
  };
  // PEFT takes the keys for regular expressions; what is written are layers' names, perhaps with ^ before them.
  const nameOf = (key: string) => key.replace(/^\^?(text_model\.)?/, "").replaceAll(".", "_");
  const alphas = Object.entries(isObject(pattern) ? pattern : {}).map(
    ([key, value], order) => [nameOf(key), { order, alpha: number(`alpha_pattern of ${key}`, value) }] as const,
  );
  return [[part, { alpha: number("lora_alpha", alpha), alphas: new Map(alphas.toReversed()), usesRootOfRank: usesRootOfRank === true }]];
}
