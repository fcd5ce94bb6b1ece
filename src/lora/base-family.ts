import type { SafetensorsHeader } from "../checkpoint/safetensors.js";
import { FAMILY_BY_CONTEXT, FAMILY_NAMES } from "../checkpoint/single-file/family.js";
import { loraContents } from "./lora-file.js";
import { inputWidth } from "./lora-methods.js";

/** Names that only the networks of other families have. */
const OTHER_FAMILIES: readonly (readonly [RegExp, string])[] = [
  [/[._](double_blocks|single_blocks|single_transformer_blocks)[._]/, "Flux"],
  [/[._](joint_blocks[._]|transformer_blocks[._]\d+[._]attn[._]add_q_proj)/, "Stable Diffusion 3"],
  [/(^|[._])blocks[._]\d+[._](self_attn|cross_attn)[._]/, "Wan"],
  [/^(base_model\.model\.)?(transformer\.|lora_transformer_)/, "a diffusion transformer"],
];

/** The width of the text features that a LoRA's UNet looks at; undefined where the file changes no cross-attention. */
export function contextWidth(header: SafetensorsHeader): number | undefined {
  for (const { layer, tensors } of loraContents(header).layers) {
    const width = /_attn2_to_[kv]$/.test(layer) ? inputWidth(tensors) : undefined;
    if (width !== undefined) return width;
  }
  return undefined;
}

/** The family of checkpoints that a LoRA was probably made for, by its names and shapes; undefined if they do not show it. */
export function baseFamily(header: SafetensorsHeader): string | undefined {
  for (const name of header.tensors.keys()) {
    const [, family] = OTHER_FAMILIES.find(([pattern]) => pattern.test(name)) ?? [];
    if (family) return family;
  }
  const width = contextWidth(header);
  if (width !== undefined) {
    const family = FAMILY_BY_CONTEXT.get(width);
    return family && FAMILY_NAMES[family];
  }
  return [...header.tensors.keys()].some((name) => /^(lora_te2[._]|text_encoder_2\.|(text_encoders\.)?clip_g\.)/.test(name))
    ? FAMILY_NAMES.xl
    : undefined;
}
