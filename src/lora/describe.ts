import { isObject, type Json, parseJson } from "../checkpoint/json.js";
import type { SafetensorsHeader } from "../checkpoint/safetensors.js";
import { baseFamily, contextWidth } from "./base-family.js";
import { loraContents } from "./lora-file.js";
import type { LoraFormat, LoraPart } from "./lora-names.js";

/** What a LoRA's header tells of it. Texts come from whoever wrote the file: without control characters, and cut. */
export interface LoraDescription {
  /** Who wrote its names. */
  readonly format: LoraFormat | undefined;
  /** The methods of adapters in the file: "LoRA", "LoCon" where it changes convolutions larger than 1x1, or those Darkroom does not apply ("DoRA", "LoHa", ...). */
  readonly methods: readonly string[];
  /** How many layers it changes in each network. */
  readonly layers: Readonly<Partial<Record<LoraPart, number>>>;
  /** The ranks of its matrices, smallest first. */
  readonly ranks: readonly number[];
  /** The alpha its training was set to; single layers may have others. */
  readonly alpha: number | undefined;
  /** The family of checkpoints it looks like one for, by names and shapes. */
  readonly family: string | undefined;
  /** Width of the text features its UNet looks at: 768 for Stable Diffusion 1. */
  readonly contextWidth: number | undefined;
  readonly title: string | undefined;
  /** The checkpoint or family its metadata says it was trained on. */
  readonly trainedOn: string | undefined;
  /** The words its author names, or else the tags most frequent in its training. */
  readonly triggerWords: readonly string[];
}

const LONGEST_TEXT = 200;
const MOST_WORDS = 10;
/** Tags of tens of thousands of pictures; longer ones are not looked at. */
const LONGEST_TAGS = 20_000_000;

/** Whether a file is an adapter (of any method) and nothing else: most of its tensors belong to one. */
export function isLora(header: SafetensorsHeader): boolean {
  const { layers, strangers, otherMethods } = loraContents(header);
  const isAdapter = otherMethods.size > 0 || layers.some(({ down, up }) => down && up);
  return isAdapter && strangers.length <= header.tensors.size / 2;
}

/** Describes a LoRA from its header alone. */
export function describeLora(header: SafetensorsHeader): LoraDescription {
  const { format, layers, otherMethods } = loraContents(header);
  const counts: Partial<Record<LoraPart, number>> = {};
  const ranks = new Set<number>();
  let hasConvolutions = false;
  for (const { part, down, mid } of layers) {
    if (!down) continue;
    counts[part] = (counts[part] ?? 0) + 1;
    ranks.add(down.shape[0] ?? 0);
    hasConvolutions ||= mid !== undefined || (down.shape[2] ?? 1) > 1;
  }
  const own = ranks.size === 0 ? [] : [hasConvolutions ? "LoCon" : "LoRA"];
  return {
    format,
    methods: otherMethods.size > 0 ? [...otherMethods.keys()] : own,
    layers: counts,
    ranks: [...ranks].sort((a, b) => a - b),
    alpha: trainedAlpha(header),
    family: baseFamily(header),
    contextWidth: contextWidth(header),
    title: firstText(header, ["modelspec.title", "ss_output_name"]),
    trainedOn: firstText(header, ["ss_base_model_version", "modelspec.architecture", "ss_sd_model_name"]),
    triggerWords: triggerWords(header),
  };
}

function firstText({ metadata }: SafetensorsHeader, keys: readonly string[]): string | undefined {
  for (const key of keys) {
    const text = cleaned(metadata.get(key) ?? "");
    // kohya-ss writes Python's None for what it was not told.
    if (text !== "" && text !== "None") return text;
  }
  return undefined;
}

function cleaned(text: string): string {
  const printable = text
    .slice(0, 2 * LONGEST_TEXT)
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ")
    .trim();
  return printable.length > LONGEST_TEXT ? `${printable.slice(0, LONGEST_TEXT)}...` : printable;
}

function trainedAlpha(header: SafetensorsHeader): number | undefined {
  const config = metadataObject(header, "lora_adapter_metadata") ?? {};
  const [, peft] = Object.entries(config).find(([key]) => key.endsWith("lora_alpha")) ?? [];
  const alpha = peft ?? Number.parseFloat(header.metadata.get("ss_network_alpha") ?? "");
  return typeof alpha === "number" && Number.isFinite(alpha) ? alpha : undefined;
}

/** What the author says to write in the prompt; else the tags that most pictures of the training had. */
function triggerWords(header: SafetensorsHeader): string[] {
  const phrase = firstText(header, ["modelspec.trigger_phrase"]);
  if (phrase) return [phrase];
  const counts = new Map<string, number>();
  for (const tags of Object.values(metadataObject(header, "ss_tag_frequency") ?? {})) {
    for (const [tag, count] of Object.entries(isObject(tags) ? tags : {})) {
      const word = cleaned(tag);
      if (word !== "" && typeof count === "number" && count > 0) counts.set(word, (counts.get(word) ?? 0) + count);
    }
  }
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .slice(0, MOST_WORDS)
    .map(([word]) => word);
}

/** A metadata text that is a JSON object; undefined where it is missing, or is none. */
function metadataObject({ metadata }: SafetensorsHeader, key: string): Readonly<Record<string, Json>> | undefined {
  const text = metadata.get(key);
  if (!text || text.length > LONGEST_TAGS) return undefined;
  try {
    const json = parseJson(text, { depth: 8, pythonLiterals: true });
    return isObject(json) ? json : undefined;
  } catch {
    return undefined;
  }
}
