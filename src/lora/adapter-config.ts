// Reads the fields of PEFT's configs (LoraConfig, LoHaConfig, LoKrConfig, IA3Config) that affect how an adapter is applied. Files of
// diffusers have the config in their metadata, files of PEFT have it in adapter_config.json beside them.
import { readJson } from "../checkpoint/config.js";
import { isObject, type Json, type JsonObject, parseJson } from "../checkpoint/json.js";
import type { SafetensorsHeader } from "../checkpoint/safetensors.js";
import { CheckpointError } from "../errors.js";
import { messageOf } from "../message-of.js";
import type { Folder } from "../platform/folder.js";
import type { LoraPart } from "./lora-names.js";

/** PEFT's config for the layers of one network. */
export interface AdapterConfig {
  readonly alpha: Setting;
  readonly rank: Setting;
  /** Divides by the rank's square root (Kalajdzievski 2023). */
  readonly usesRootOfRank: boolean;
  /** Whether an IA3 changes the inputs of this layer, not its outputs; undefined if the config does not state it for any layer. */
  feedsForward(layer: string): boolean | undefined;
}

/** A number for all layers, with exceptions for single ones. */
interface Setting {
  readonly all: number | undefined;
  /** By the last parts of layers' names, dots as underscores. If several match a layer, the lowest `order` counts. */
  readonly single: ReadonlyMap<string, { readonly order: number; readonly value: number }>;
}

const PARTS: readonly LoraPart[] = ["unet", "transformer", "text_encoder", "text_encoder_2", "text_encoder_3"];
const METADATA_KEY = "lora_adapter_metadata";
/** A config lists every layer at most. For the largest models it has some hundred kilobytes. */
const LONGEST_CONFIG = 10_000_000;
const DEEPEST_CONFIG = 8;

/** The configs that come with a LoRA, by network. @throws CheckpointError if one is damaged. */
export async function readAdapterConfigs(folder: Folder, header: SafetensorsHeader): Promise<ReadonlyMap<LoraPart, AdapterConfig>> {
  const json = metadataOf(header);
  if (json) return new Map(PARTS.flatMap((part) => parsed(header.name, within(json, `${part}.`), part)));
  if (!header.name.endsWith("/adapter_model.safetensors") || !(await folder.has("adapter_config.json"))) return new Map();
  const own = await readJson(folder, "adapter_config.json", { limit: LONGEST_CONFIG });
  // The file does not state its network, but the tensors' names do.
  return new Map(PARTS.flatMap((part) => parsed(`${folder.name}/adapter_config.json`, own, part)));
}

/** The scale of a layer's change: alpha / rank, or 1 without an alpha. `rank` is that of the layer's matrices, if they have one. */
export function scaleIn(config: AdapterConfig | undefined, layer: string, rank: number | undefined): number {
  if (!config) return 1;
  const [alpha, divisor] = [settingOf(layer, config.alpha), rank ?? settingOf(layer, config.rank)];
  if (alpha === undefined || divisor === undefined || divisor <= 0) return 1;
  return alpha / (config.usesRootOfRank ? Math.sqrt(divisor) : divisor);
}

/** Looks up the few endings of the name. Trying all patterns would be slow: a file can have any number of them. */
function settingOf(layer: string, { all, single }: Setting): number | undefined {
  const fitting = endsOf(layer).flatMap((end) => single.get(end) ?? []);
  return fitting.length > 0 ? fitting.reduce((first, other) => (other.order < first.order ? other : first)).value : all;
}

function endsOf(layer: string): string[] {
  const ends = layer.split("_").map((_, i, parts) => parts.slice(i).join("_"));
  // single_transformer_blocks is one word.
  return layer.startsWith("single_transformer_blocks_") ? ends.filter((end) => !end.startsWith("transformer_blocks_")) : ends;
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
    return fail(`is not JSON: ${messageOf(error)}`);
  }
  return isObject(json) ? json : fail("is not a JSON object");
}

/** The fields whose names begin with `prefix`, without it. */
function within(json: JsonObject, prefix: string): JsonObject {
  return Object.fromEntries(
    Object.entries(json).flatMap(([key, value]) => (key.startsWith(prefix) ? [[key.slice(prefix.length), value]] : [])),
  );
}

function parsed(name: string, json: JsonObject, part: LoraPart): [LoraPart, AdapterConfig][] {
  // LoHa and LoKr have `alpha` instead of `lora_alpha`.
  const { lora_alpha, alpha = lora_alpha, alpha_pattern, r, rank_pattern, use_rslora: usesRootOfRank, feedforward_modules: fed } = json;
  const hasAlpha = alpha !== undefined && alpha !== null;
  if (!hasAlpha && !Array.isArray(fed)) return [];
  const number = (key: string, value: Json): number => {
    if (typeof value === "number" && Number.isFinite(value)) return value;
    throw new CheckpointError(`${name}: ${key} of ${part} is ${JSON.stringify(value)}; expected a number`);
  };
  const setting = (key: string, value: Json | undefined, pattern: Json | undefined, word: string): Setting => {
    const single = Object.entries(isObject(pattern) ? pattern : {}).map(
      ([layer, value], order) => [nameOf(layer), { order, value: number(`${word} of ${layer}`, value) }] as const,
    );
    return { all: value === undefined || value === null ? undefined : number(key, value), single: new Map(single.toReversed()) };
  };
  const feeding = Array.isArray(fed) ? new Set(fed.flatMap((layer) => (typeof layer === "string" ? [nameOf(layer)] : []))) : undefined;
  const config: AdapterConfig = {
    alpha: setting(lora_alpha === undefined ? "alpha" : "lora_alpha", alpha, alpha_pattern, "alpha_pattern"),
    rank: setting("r", r, rank_pattern, "rank_pattern"),
    usesRootOfRank: usesRootOfRank === true,
    feedsForward: (layer) => feeding && endsOf(layer).some((end) => feeding.has(end)),
  };
  return [[part, config]];
}

/** In PEFT keys are regular expressions. In files they are layers' names, some with ^ before them. */
function nameOf(key: string): string {
  return key.replace(/^\^?(text_model\.)?/, "").replaceAll(".", "_");
}
