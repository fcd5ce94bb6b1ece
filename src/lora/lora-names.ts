// Names of tensors in LoRA files of kohya-ss's scripts, LyCORIS, diffusers (before and since PEFT), PEFT itself, OneTrainer, ai-toolkit,
// XLabs and ComfyUI.

/** The networks of a pipeline that a LoRA can change, by their subfolders. */
export type LoraPart = "unet" | "transformer" | "text_encoder" | "text_encoder_2" | "text_encoder_3";

/** The program whose names a LoRA's tensors have. */
export type LoraFormat = "kohya" | "lycoris" | "diffusers" | "peft" | "xlabs";

/** A tensor's role in its layer, in LyCORIS's terms if it has one: `down`, `mid` and `up` of a LoRA, the factors of LoHa and LoKr, ... */
export type LoraRole =
  | "down"
  | "mid"
  | "up"
  | "up_bias"
  | "alpha"
  | "dora_scale"
  | "lora_magnitude_vector"
  | `hada_${"w1_a" | "w1_b" | "w2_a" | "w2_b" | "t1" | "t2"}`
  | `lokr_${"w1" | "w1_a" | "w1_b" | "w2" | "w2_a" | "w2_b" | "t2"}`
  | "a1"
  | "a2"
  | "b1"
  | "b2"
  | "diff"
  | "diff_b"
  | "w_norm"
  | "b_norm"
  | "ia3_l"
  | "gain"
  | "on_input";

/** A parsed tensor name. */
export interface LoraName {
  readonly part: LoraPart;
  /** The layer in the file's naming, with underscores instead of dots: `mid_block_attentions_0_proj_in`. */
  readonly layer: string;
  readonly role: LoraRole;
  /** Undefined if the ending is common to several formats. */
  readonly format: LoraFormat | undefined;
}

/** The parsed name of a tensor that belongs to an embedding inside a LoRA (OneTrainer, AUTOMATIC1111). */
export interface BundledName {
  /** The embedding's token in prompts. */
  readonly word: string;
  /** The text encoder it is for; undefined in files for a single text encoder. */
  readonly encoder: "text_encoder" | "text_encoder_2" | undefined;
}

/** In letters. Real names are far shorter. */
const LONGEST_NAME = 500;

/** The endings of names. PEFT's can contain the adapter's name. */
const ENDINGS: readonly (readonly [RegExp, LoraRole | undefined, LoraFormat | undefined])[] = [
  [/\.lora_down\.weight$/, "down", "kohya"],
  [/\.lora_mid\.weight$/, "mid", "kohya"],
  [/\.lora_up\.weight$/, "up", "kohya"],
  [/\.lora_up\.bias$/, "up_bias", "kohya"],
  [/\.lora_A(\.[^.]+)?\.weight$/, "down", "peft"],
  [/\.lora_B(\.[^.]+)?\.weight$/, "up", "peft"],
  [/\.lora_B(\.[^.]+)?\.bias$/, "up_bias", "peft"],
  [/(?<=_lora[12])\.down\.weight$/, "down", "xlabs"],
  [/(?<=_lora[12])\.up\.weight$/, "up", "xlabs"],
  [/(_lora|\.lora|\.lora_linear_layer)\.down\.weight$/, "down", "diffusers"],
  [/(_lora|\.lora|\.lora_linear_layer)\.up\.weight$/, "up", "diffusers"],
  [/(_lora|\.lora|\.lora_linear_layer)?\.alpha$/, "alpha", undefined],
  [/\.dora_scale$/, "dora_scale", undefined],
  [/\.lora_magnitude_vector(\.[^.]+)?(\.weight)?$/, "lora_magnitude_vector", "peft"],
  // LyCORIS and PEFT use the same endings. The ending is the role.
  [/\.(?<role>hada_(w[12]_[ab]|t[12]))(\.[^.]+)?$/, undefined, "lycoris"],
  [/\.(?<role>lokr_(w[12](_[ab])?|t2))(\.[^.]+)?$/, undefined, "lycoris"],
  [/\.(?<role>[ab][12])\.weight$/, undefined, "lycoris"],
  [/\.(?<role>diff(_b)?|[wb]_norm|on_input)$/, undefined, "lycoris"],
  [/\.ia3_l(\.[^.]+)?$/, "ia3_l", "peft"],
];

const PARTS: readonly (readonly [RegExp, LoraPart])[] = [
  [/^lora_unet[._]/, "unet"],
  [/^lora_te1?[._]/, "text_encoder"],
  [/^lora_te2[._]/, "text_encoder_2"],
  [/^lora_te3[._]/, "text_encoder_3"],
  // OneTrainer.
  [/^lora_transformer[._]/, "transformer"],
  [/^unet\./, "unet"],
  [/^transformer\./, "transformer"],
  [/^text_encoder\./, "text_encoder"],
  [/^text_encoder_2\./, "text_encoder_2"],
  [/^text_encoder_3\./, "text_encoder_3"],
  [/^(model\.)?diffusion_model\./, "unet"],
  // OneTrainer's export and ComfyUI. clip_h is ComfyUI's name for Stable Diffusion 2's text encoder.
  [/^(text_encoders\.)?clip_[lh]\.(transformer\.)?/, "text_encoder"],
  [/^(text_encoders\.)?clip_g\.(transformer\.)?/, "text_encoder_2"],
  [/^(text_encoders\.)?t5(xxl)?\.(transformer\.)?/, "text_encoder_3"],
  // As in whole checkpoints of Stable Diffusion 1 and XL.
  [/^(cond_stage_model|conditioner\.embedders\.0)\.transformer\./, "text_encoder"],
  // LyCORIS uses the same prefix for every network.
  [/^lycoris[._](?=(text_model[._])?encoder[._]layers[._])/, "text_encoder"],
  [/^lycoris[._]/, "unet"],
  // The adapter of one part, saved alone, does not name the part.
  [/^(?=(text_model\.)?encoder\.layers\.)/, "text_encoder"],
];

/**
 * How the layers of transformers begin. Most files name a transformer `unet` or not at all. UNets have no such layers outside of their
 * blocks.
 */
const TRANSFORMER =
  /^(((single|double|joint|transformer|single_transformer)_blocks|layers|noise_refiner|context_refiner)_\d|(img|txt|time|vector|guidance)_in(_|$)|final_layer_|(x|t|y|cap|context)_embedder(_|$)|time_(text|guidance)_embed_|(proj_out|norm_out_linear|pos_embed_proj)$|distilled_guidance_layer_|all_(x_embedder|final_layer)_|(single|double)_stream_modulation)/;

/** Adapters that Darkroom does not apply, by the endings of their tensors' names. */
const OTHER_METHODS: readonly (readonly [RegExp, string])[] = [
  [/\.(oft|boft)_\w+(\.[^.]+)*$/, "OFT"],
  [/\.lora_embedding_[AB](\.[^.]+)*$/, "LoRA of embeddings"],
  [/\.bm\.weight$/, "GLoRA in Tucker form"],
  [/\.(vera_lambda_[bd]|fourierft_spectrum|boft_[RS]|hra_u|ln_tuning_layers|set_weight|reshape_weight)(\.[^.]+)*$/, "another method"],
];

const BUNDLED = /^bundle_emb\.(.+?)\.(string_to_param\.\*|emb_params|clip_l|clip_g|text_encoders_0|text_encoders_1)$/;

/** Parses a tensor's name; undefined if it is not one of a LoRA. */
export function parseLoraName(name: string): LoraName | undefined {
  if (name.length > LONGEST_NAME) return undefined;
  for (const [pattern, own, format] of ENDINGS) {
    const match = pattern.exec(name);
    const role = own ?? (match?.groups?.role as LoraRole | undefined);
    if (match && role) return { ...layerOf(name.slice(0, match.index)), role, format };
  }
  return undefined;
}

/** Parses the name of a layer in a LoRA. */
export function layerOf(name: string): Pick<LoraName, "part" | "layer"> {
  const owned = withoutWrapper(name);
  const [start, part = "unet"] = PARTS.find(([pattern]) => pattern.test(owned)) ?? [];
  const layer = withoutWrapper(start ? owned.replace(start, "") : owned).replaceAll(".", "_");
  if (part !== "unet" && part !== "transformer") return { part, layer: textLayer(layer) };
  const own = denoiserLayer(layer);
  if (part === "transformer" || TRANSFORMER.test(own)) return { part: "transformer", layer: own };
  // Attention processors of diffusers before 0.21 call the last projection to_out.
  return { part, layer: own.replace(/_to_out$/, "_to_out_0") };
}

/** The method of a tensor with this name, if Darkroom does not apply that method; else undefined. */
export function otherMethod(name: string): string | undefined {
  return name.length > LONGEST_NAME ? undefined : OTHER_METHODS.find(([pattern]) => pattern.test(name))?.[1];
}

/** Parses the name of a tensor that belongs to an embedding inside a LoRA; undefined if it does not. */
export function parseBundledName(name: string): BundledName | undefined {
  const [, word, tensor = ""] = name.length > LONGEST_NAME ? [] : (BUNDLED.exec(name) ?? []);
  if (word === undefined) return undefined;
  const isNamed = /^(clip|text_encoders)_/.test(tensor);
  return { word, encoder: isNamed ? (/[l0]$/.test(tensor) ? "text_encoder" : "text_encoder_2") : undefined };
}

/** Removes PEFT's prefix of the network that it wraps. */
function withoutWrapper(name: string): string {
  return name.replace(/^base_model\.model\./, "");
}

/**
 * The name without that of an attention processor. Those of XLabs number the streams of a block: 1 is the picture's, 2 the text's. Some
 * trainers of FLUX.2 cut the first letters of transformer_blocks.
 */
function denoiserLayer(layer: string): string {
  return layer
    .replace(/_processor_(qkv|proj)_lora([12])$/, (_, name, stream) => `_${stream === "1" ? "img" : "txt"}_attn_${name}`)
    .replace("_processor_", "_")
    .replace(/^sformer_blocks_/, "transformer_blocks_");
}

/** Attention processors of diffusers before 0.21 give a text encoder's projections the UNet's names. */
function textLayer(layer: string): string {
  return layer.replace(/^text_model_/, "").replace(/_to_(q|k|v|out)$/, "_$1_proj");
}
