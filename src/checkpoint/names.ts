/** Tensors old files carry that no network reads: buffers, not weights. */
const IGNORED = /(^|\.)embeddings\.position_ids$/;

/** Old names and today's, as regular expressions over the whole name. */
const RENAMES: readonly (readonly [RegExp, string])[] = [
  // Text encoders: transformers 5 writes CLIPTextModel without the prefix that older files (and CLIPTextModelWithProjection) carry.
  [/^text_model\./, ""],
  // Image encoders likewise; the safety checker holds a whole CLIPVisionModel, so its files carry the prefix twice.
  [/^(vision_model\.)+/, ""],
  // diffusers' AttentionBlock, before 0.17; see ModelMixin._fix_state_dict_keys_on_load.
  [/^(.*\battentions\.\d+)\.query\.(weight|bias)$/, "$1.to_q.$2"],
  [/^(.*\battentions\.\d+)\.key\.(weight|bias)$/, "$1.to_k.$2"],
  [/^(.*\battentions\.\d+)\.value\.(weight|bias)$/, "$1.to_v.$2"],
  [/^(.*\battentions\.\d+)\.proj_attn\.(weight|bias)$/, "$1.to_out.0.$2"],
];

/**
 * Today's name of a tensor that a checkpoint file calls `name`; undefined for one that no network reads.
 * Text and image encoders are known by the names CLIPTextModel and CLIPVisionModel have in transformers 5: without `text_model.` and `vision_model.`.
 */
export function canonical(name: string): string | undefined {
  return IGNORED.test(name) ? undefined : RENAMES.reduce((current, [old, today]) => current.replace(old, today), name);
}
