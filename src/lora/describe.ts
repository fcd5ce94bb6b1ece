import { isObject } from "../checkpoint/json.js";
import { displayText, metadataObject, metadataText } from "../checkpoint/metadata.js";
import type { SafetensorsHeader } from "../checkpoint/safetensors.js";
import { baseFamily, contextWidth } from "./base-family.js";
import { type LoraContents, loraContents } from "./lora-file.js";
import { missingRoles, rankOf } from "./lora-methods.js";
import type { LoraFormat, LoraPart } from "./lora-names.js";

/** A LoRA, as its header describes it. Texts are the author's, cut and without control characters. */
export interface LoraDescription {
  /** The program whose names the tensors have. */
  readonly format: LoraFormat | undefined;
  /**
   * The adapter methods in the file: "LoRA" ("LoCon" if it changes convolutions larger than 1x1), "DoRA", "LoHa", "LoKr", "IA3", ...
   * Includes methods that Darkroom does not apply, such as "OFT".
   */
  readonly methods: readonly string[];
  /** How many layers it changes in each network. */
  readonly layers: Readonly<Partial<Record<LoraPart, number>>>;
  /** The ranks of its matrices, smallest first. */
  readonly ranks: readonly number[];
  /** The alpha of its training. Single layers can have others. Undefined if the metadata do not state it. */
  readonly alpha: number | undefined;
  /** The family of checkpoints it was probably made for, by names and shapes. */
  readonly family: string | undefined;
  /** The width of the text features in its cross-attention: 768 for Stable Diffusion 1. */
  readonly contextWidth: number | undefined;
  /** The author's title; undefined if there is none. */
  readonly title: string | undefined;
  /** The checkpoint or family of its training, by its metadata. */
  readonly trainedOn: string | undefined;
  /** The author's words for prompts, else the most frequent tags of its training. */
  readonly triggerWords: readonly string[];
  /** The tokens of the embeddings inside the file. */
  readonly embeddings: readonly string[];
}

const MOST_WORDS = 10;

/**
 * The adapter methods in a file, as in {@link LoraDescription.methods}. Undefined if the file is not a LoRA: most of its tensors belong to
 * no adapter.
 */
export function loraMethods(header: SafetensorsHeader): readonly string[] | undefined {
  const { layers, embeddings, otherMethods, unknown } = loraContents(header);
  const whole = layers.filter(({ method, tensors }) => missingRoles(method, tensors).length === 0);
  const methods = new Set([...whole.map(nameOf), ...otherMethods.keys(), ...(embeddings.size > 0 ? ["bundled embeddings"] : [])]);
  // A LoCon file also has plain LoRA layers.
  if (methods.has("LoCon")) methods.delete("LoRA");
  return methods.size > 0 && unknown.length <= header.tensors.size / 2 ? [...methods] : undefined;
}

/** Describes a LoRA by its header. `methods` are those that {@link loraMethods} found. */
export function describeLora(header: SafetensorsHeader, methods: readonly string[]): LoraDescription {
  const { format, layers, embeddings } = loraContents(header);
  const counts: Partial<Record<LoraPart, number>> = {};
  const ranks = new Set<number>();
  for (const { part, method, tensors } of layers) {
    if (missingRoles(method, tensors).length > 0) continue;
    counts[part] = (counts[part] ?? 0) + 1;
    const rank = rankOf(method, tensors);
    if (rank !== undefined) ranks.add(rank);
  }
  return {
    format,
    methods,
    layers: counts,
    ranks: [...ranks].sort((a, b) => a - b),
    alpha: trainedAlpha(header),
    family: baseFamily(header),
    contextWidth: contextWidth(header),
    title: metadataText(header, ["modelspec.title", "ss_output_name"]),
    trainedOn: metadataText(header, ["ss_base_model_version", "modelspec.architecture", "ss_sd_model_name"]),
    triggerWords: triggerWords(header),
    embeddings: [...embeddings.keys()].map(displayText),
  };
}

function nameOf({ method, tensors }: LoraContents["layers"][number]): string {
  if (tensors.dora_scale || tensors.lora_magnitude_vector) return method === "LoRA" ? "DoRA" : `${method} with DoRA`;
  const isSpatial = (tensors.down?.shape[2] ?? 1) > 1 || tensors.mid !== undefined;
  return method === "LoRA" && isSpatial ? "LoCon" : method;
}

function trainedAlpha(header: SafetensorsHeader): number | undefined {
  const config = metadataObject(header, "lora_adapter_metadata") ?? {};
  const [, peft] = Object.entries(config).find(([key]) => key.endsWith("lora_alpha")) ?? [];
  const alpha = peft ?? Number.parseFloat(header.metadata.get("ss_network_alpha") ?? "");
  return typeof alpha === "number" && Number.isFinite(alpha) ? alpha : undefined;
}

/** The author's trigger phrase, else the tags that most pictures of the training had. */
function triggerWords(header: SafetensorsHeader): string[] {
  const phrase = metadataText(header, ["modelspec.trigger_phrase"]);
  if (phrase) return [phrase];
  const counts = new Map<string, number>();
  for (const tags of Object.values(metadataObject(header, "ss_tag_frequency") ?? {})) {
    for (const [tag, count] of Object.entries(isObject(tags) ? tags : {})) {
      const word = displayText(tag);
      if (word !== "" && typeof count === "number" && count > 0) counts.set(word, (counts.get(word) ?? 0) + count);
    }
  }
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .slice(0, MOST_WORDS)
    .map(([word]) => word);
}
