import { LANGUAGE_MODEL_CLASSES, languageModelIn } from "./language-models.js";
import type { Naming } from "./layer-names.js";
import { textEncoderConfig } from "./network-configs.js";
import type { NetworkLayout } from "./parts.js";
import { CLIP_NAMES } from "./text-encoder-names.js";
import type { FileNames } from "./transformers/layout.js";

// Text encoders of families with a transformer: in files of their own, or in "all in one" files below `text_encoders.NAME.`.

/** A text encoder in a file: its kind, and how the names of its tensors begin. */
export interface FoundEncoder {
  readonly layout: NetworkLayout;
  readonly prefix: string;
  readonly naming: Naming;
}

const CLIP_MARK = "encoder.layers.0.self_attn.q_proj.weight";
const PROJECTION = "text_projection.weight";
/** LAION's CLIPs are wider than OpenAI's. */
const OPENAI_WIDTH = 768;

/** CLIP's text encoder with transformers' names, and the projection of the pooled features, if the file has one. */
const CLIP_WITH_PROJECTION: Naming = {
  diffusers: (name) => (name === PROJECTION ? name : CLIP_NAMES.diffusers(name)),
  original: (name) => (name === PROJECTION ? name : CLIP_NAMES.original(name)),
};

function clipIn(file: FileNames): Omit<FoundEncoder, "prefix"> | undefined {
  if (![`text_model.${CLIP_MARK}`, CLIP_MARK].some((mark) => file.has(mark))) return undefined;
  const className = file.has(PROJECTION) ? "CLIPTextModelWithProjection" : "CLIPTextModel";
  const layout: NetworkLayout = {
    className,
    config: (weights) =>
      textEncoderConfig(weights, (weights.shapeOf("embeddings.token_embedding.weight")[1] ?? 0) > OPENAI_WIDTH, className),
  };
  return { layout, naming: CLIP_WITH_PROJECTION };
}

/** Where text encoders are in "all in one" files of ComfyUI, and in Stability's of Stable Diffusion 3. */
const PREFIX = /^text_encoders\.[\w-]{1,40}\.(?:transformer\.)?/;

/** The text encoders of a file. `under` gives the tensors below a prefix. */
export function findEncoders(names: Iterable<string>, under: (prefix: string) => FileNames): readonly FoundEncoder[] {
  const prefixes = new Set([""]);
  for (const name of names) {
    const [prefix] = PREFIX.exec(name) ?? [];
    if (prefix !== undefined) prefixes.add(prefix);
  }
  return [...prefixes].flatMap((prefix) => {
    const file = under(prefix);
    const found = languageModelIn(file) ?? clipIn(file);
    return found ? [{ ...found, prefix }] : [];
  });
}

/** The classes of such text encoders. */
export const ENCODER_CLASSES: readonly string[] = [...LANGUAGE_MODEL_CLASSES, "CLIPTextModel", "CLIPTextModelWithProjection"];

/** Whether a text encoder of one class can take the place of one of another. */
export function isAlike(own: string, wanted: string): boolean {
  const kind = (className: string) => className.replace(/WithProjection$/, "").replace("Qwen3ForCausalLM", "Qwen3Model");
  return kind(own) === kind(wanted);
}
