/** Buffers in old files. No network reads them. */
const IGNORED = /(^|\.)embeddings\.position_ids$/;

/** Old names as regular expressions over the whole name, and today's names. */
const RENAMES: readonly (readonly [RegExp, string])[] = [
  // Text encoders: transformers 5 writes CLIPTextModel without this prefix. Older files and CLIPTextModelWithProjection have it.
  [/^text_model\./, ""],
  // Image encoders are alike. The safety checker contains a whole CLIPVisionModel, so its files have the prefix twice.
  [/^(vision_model\.)+/, ""],
  // diffusers' AttentionBlock, before 0.17; see ModelMixin._fix_state_dict_keys_on_load.
  [/^(.*\battentions\.\d+)\.query\.(weight|bias)$/, "$1.to_q.$2"],
  [/^(.*\battentions\.\d+)\.key\.(weight|bias)$/, "$1.to_k.$2"],
  [/^(.*\battentions\.\d+)\.value\.(weight|bias)$/, "$1.to_v.$2"],
  [/^(.*\battentions\.\d+)\.proj_attn\.(weight|bias)$/, "$1.to_out.0.$2"],
];

/**
 * Today's name of the tensor with this name in a checkpoint file; undefined if no network reads it. Text and image encoders have the names
 * of CLIPTextModel and CLIPVisionModel in transformers 5: without `text_model.` and `vision_model.`.
 */
export function canonical(name: string): string | undefined {
  return IGNORED.test(name) ? undefined : RENAMES.reduce((current, [old, today]) => current.replace(old, today), name);
}
