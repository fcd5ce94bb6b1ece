/** Tensor names that show other families; the first match counts. diffusers and ComfyUI use the same ones. */
const FOREIGN_KINDS: readonly (readonly [pattern: RegExp, kind: string])[] = [
  [/\.(time_stack|time_mixer)\./, "Stable Video Diffusion"],
  [/(^|\.)motion_modules\.\d+\.temporal_transformer\./, "AnimateDiff"],
  [/^(cond_stage_model\.(transformer\.attn_layers|embedding)|first_stage_model\.quantize)\./, "latent diffusion before Stable Diffusion"],
  [/^depth_model\./, "Stable Diffusion 2 depth"],
  [/^(noise_augmentor|embedder\.model)\./, "Stable Diffusion 2 unCLIP"],
  [/(^|\.)diffusion_model\.label_emb\.weight$/, "the Stable Diffusion x4 upscaler"],
  [/^lora_controlnet$/, "Control-LoRA"],
  [/^(task_embedding|control_add_embedding\.|transformer_layes\.)/, "ControlNet Union"],
  [/^(ip_adapter|image_proj)\./, "IP-Adapter"],
  [/^(adapter\.)?body\.\d+\.(in_conv|block1)\.|^adapter\.body\./, "T2I-Adapter"],
  [/(^|\.)clip_txt_mapper\.|(^|\.)down_blocks\.\d+\.\d+\.channelwise\./, "Stable Cascade"],
  [/(^|\.)joint_blocks\.\d+\./, "Stable Diffusion 3"],
  [/(^|\.)txt_in\.individual_token_refiner\./, "HunyuanVideo"],
  [/(^|\.)distilled_guidance_layer\./, "Chroma"],
  [/(^|\.)(single_stream_modulation|early_stream_modulations)\./, "Flux 2 or 3"],
  [/(^|\.)(double_blocks|single_transformer_blocks)\.\d+\./, "Flux"],
  [/(^|\.)double_stream_blocks\.\d+\./, "HiDream"],
  [/(^|\.)double_layers\.\d+\.attn\.w1q\./, "AuraFlow"],
  [/(^|\.)patchify_proj\./, "LTX-Video"],
  [/(^|\.)mlp_t5\.\d+\./, "HunyuanDiT"],
  [/(^|\.)blocks\.\d+\.attn\.qkv_x\./, "Mochi"],
  [/(^|\.)layers\.\d+\.adaLN_modulation\./, "Z-Image or Lumina"],
  [/(^|\.)cap_embedder\.\d+\./, "Lumina"],
  [/(^|\.)blocks\.\d+\.cross_attn\.(q_linear|kv_linear)\./, "PixArt or Sana"],
  [/(^|\.)adaln_single\./, "PixArt"],
  [/(^|\.)blocks\.\d+\.cross_attn\.[qkvo]\./, "Wan"],
  [/^net\.x_embedder\./, "Cosmos"],
  [/(^|\.)transformer_blocks\.\d+\.(img_mod|attn\.add_q_proj)\./, "a diffusion transformer"],
  [/^quantize\.embedding\./, "a VQ autoencoder"],
];

/** The family that a file's names of tensors show, where it is one that Darkroom does not run. */
export function foreignKind(names: Iterable<string>): string | undefined {
  let best = FOREIGN_KINDS.length;
  let [hasUNet, takesText] = [false, false];
  for (const name of names) {
    const found = FOREIGN_KINDS.slice(0, best).findIndex(([pattern]) => pattern.test(name));
    if (found !== -1) best = found;
    hasUNet ||= name.startsWith("model.diffusion_model.input_blocks.");
    takesText ||= name.endsWith(".attn2.to_k.weight");
  }
  return FOREIGN_KINDS[best]?.[1] ?? (hasUNet && !takesText ? "latent diffusion without text" : undefined);
}
