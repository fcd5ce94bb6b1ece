/** What the tensors of LoRA files are called: by kohya-ss's scripts, by diffusers before and since PEFT, and by PEFT itself. */

/** The networks of a pipeline that a LoRA may change, by their subfolders. */
export type LoraPart = "unet" | "text_encoder" | "text_encoder_2";

/** Who wrote a LoRA's names. */
export type LoraFormat = "kohya" | "diffusers" | "peft";

/** What a tensor is to its layer: a matrix of the product up · mid · down, or what the product is scaled by. */
export type LoraRole = "down" | "mid" | "up" | "alpha";

/** A tensor's name, taken apart. */
export interface LoraName {
  readonly part: LoraPart;
  /** The layer, in whatever naming, with underscores for dots: `mid_block_attentions_0_proj_in`. */
  readonly layer: string;
  readonly role: LoraRole;
  /** Undefined where the ending is everybody's. */
  readonly format: LoraFormat | undefined;
}

/** Letters that no layer's name comes near. */
const LONGEST_NAME = 500;

/** The ends of names. An adapter's own name may stand in PEFT's. */
const ENDINGS: readonly (readonly [RegExp, LoraRole, LoraFormat | undefined])[] = [
  [/\.lora_down\.weight$/, "down", "kohya"],
  [/\.lora_mid\.weight$/, "mid", "kohya"],
  [/\.lora_up\.weight$/, "up", "kohya"],
  [/\.lora_A(\.[^.]+)?\.weight$/, "down", "peft"],
  [/\.lora_B(\.[^.]+)?\.weight$/, "up", "peft"],
  [/(_lora|\.lora|\.lora_linear_layer)\.down\.weight$/, "down", "diffusers"],
  [/(_lora|\.lora|\.lora_linear_layer)\.up\.weight$/, "up", "diffusers"],
  [/(_lora|\.lora|\.lora_linear_layer)?\.alpha$/, "alpha", undefined],
];

const PARTS: readonly (readonly [RegExp, LoraPart])[] = [
  [/^lora_unet_/, "unet"],
  [/^lora_te1?_/, "text_encoder"],
  [/^lora_te2_/, "text_encoder_2"],
  [/^unet\./, "unet"],
  [/^text_encoder\./, "text_encoder"],
  [/^text_encoder_2\./, "text_encoder_2"],
  [/^(model\.)?diffusion_model\./, "unet"],
  // A part's adapter saved on its own names no part.
  [/^(?=(text_model\.)?encoder\.layers\.)/, "text_encoder"],
];

/** Adapters that are no plain product of matrices, by the ends of their names. */
const OTHER_METHODS: readonly (readonly [RegExp, string])[] = [
  [/\.(dora_scale|lora_magnitude_vector(\.[^.]+)*)$/, "DoRA"],
  [/\.hada_(w[12]_[ab]|t[12])$/, "LoHa"],
  [/\.lokr_(w[12](_[ab])?|t[12])(\.[^.]+)*$/, "LoKr"],
  [/\.(on_input|ia3_l(\.[^.]+)*)$/, "IA3"],
  [/\.[ab][12]\.weight$/, "GLoRA"],
  [/\.(oft|boft)_\w+(\.[^.]+)*$/, "OFT"],
  [/\.diff(_b)?$/, "whole weights (LyCORIS full)"],
  [/\.[wb]_norm$/, "trained norms (LyCORIS norm)"],
  [/\.lora_embedding_[AB](\.[^.]+)*$/, "LoRA of embeddings"],
  [/\.lora_(B|up)(\.[^.]+)?\.bias$/, "LoRA with biases"],
];

/** Takes a tensor's name apart; undefined if it is no LoRA's. */
export function parseLoraName(name: string): LoraName | undefined {
  if (name.length > LONGEST_NAME) return undefined;
  const [ending, role, format] = ENDINGS.find(([pattern]) => pattern.test(name)) ?? [];
  if (!ending || !role) return undefined;
  const owned = withoutWrapper(name.replace(ending, ""));
  const [start, part = "unet"] = PARTS.find(([pattern]) => pattern.test(owned)) ?? [];
  const layer = withoutWrapper(start ? owned.replace(start, "") : owned).replaceAll(".", "_");
  return { part, layer: part === "unet" ? unetLayer(layer) : textLayer(layer), role, format };
}

/** The method of the adapter that a tensor of this name belongs to, where it is one that Darkroom does not apply. */
export function otherMethod(name: string): string | undefined {
  return name.length > LONGEST_NAME ? undefined : OTHER_METHODS.find(([pattern]) => pattern.test(name))?.[1];
}

/** What PEFT puts before the names of the network it wraps. */
function withoutWrapper(name: string): string {
  return name.replace(/^base_model\.model\./, "");
}

/** diffusers' attention processors, before 0.21, called the last projection to_out. */
function unetLayer(layer: string): string {
  return layer.replace("_processor_", "_").replace(/_to_out$/, "_to_out_0");
}

/** Processors of diffusers before 0.21 gave a text encoder's projections the UNet's names. */
function textLayer(layer: string): string {
  return layer.replace(/^text_model_/, "").replace(/_to_(q|k|v|out)$/, "_$1_proj");
}
