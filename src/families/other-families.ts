import { UNET_CONTEXT } from "./stable-diffusion.js";

/** A family that Darkroom recognises and does not run. */
export interface OtherFamily {
  /** The name in messages. */
  readonly name: string;
  /** Names of tensors that only its files have. diffusers and ComfyUI look for the same ones. */
  readonly tensors?: RegExp;
  /** Names of tensors that only its LoRAs have. */
  readonly loraTensors?: RegExp;
  /** What it is, and what to use in its place. */
  readonly instead?: string;
}

/** What to use in place of an upscaler of another architecture. */
const OTHER_UPSCALER = "it is an upscaler; those of the architectures ESRGAN (Real-ESRGAN, too) and RealESRGAN Compact run";

/** Upscalers by the tensors that spandrel knows them by, the more particular ones first. */
const UPSCALERS = (
  [
    ["HAT", /^layers\.0\.residual_group\.overlap_attn\.relative_position_bias_table$/],
    ["ATD", /^layers\.0\.residual_group\.layers\.0\.sigma$/],
    ["RGT", /^layers\.0\.blocks\.0\.attn\.attns\.0\.rpe_biases$/],
    ["DAT", /^layers\.0\.blocks\.0\.ffn\.sg\.conv\.weight$/],
    ["DRCT", /^layers\.0\.swin1\.norm1\.weight$/],
    ["GRL", /^(model\.)?layers\.0\.blocks\.0\.attn\.window_attn\.attn_transform\.logit_scale$/],
    ["CRAFT", /^layers\.0\.residual_group\.hf_blocks\.0\.attn\.temperature$/],
    // Both have SwinIR's blocks.
    ["Swin2SR", /^layers\.0\.residual_group\.blocks\.0\.attn\.logit_scale$/],
    ["SwinIR", /^layers\.0\.residual_group\.blocks\.0\.attn\.relative_position_(index|bias_table)$/],
    ["SPAN", /^block_1\.c1_r\.(sk|eval_conv)\.weight$/],
    ["OmniSR", /^residual_layer\.0\.residual_layer\.0\.layer\.0\.fn\.0\.weight$/],
    ["PLKSR", /^feats\.1\.lk\.(conv|convs\.0|mn_conv)\.weight$/],
    ["SCUNet", /^m_head\.0\.weight$/],
    ["RealCUGAN", /^unet1\.conv1\.conv\.0\.weight$/],
    ["MoSR", /^gblocks\.1\.fc1\.weight$/],
    ["SwiftSRGAN", /^initial\.cnn\.depthwise\.weight$/],
    ["DITN", /^UFONE\.0\.ITLs\.0\.attn\.temperature$/],
  ] satisfies readonly (readonly [string, RegExp])[]
).map(([name, tensors]): OtherFamily => ({ name, tensors, instead: OTHER_UPSCALER }));

/** The first family that fits counts. */
export const OTHER_FAMILIES: readonly OtherFamily[] = [
  { name: "Stable Video Diffusion", tensors: /\.(time_stack|time_mixer)\./ },
  { name: "AnimateDiff", tensors: /(^|\.)motion_modules\.\d+\.temporal_transformer\./ },
  {
    name: "latent diffusion before Stable Diffusion",
    tensors: /^(cond_stage_model\.(transformer\.attn_layers|embedding)|first_stage_model\.quantize)\./,
  },
  { name: "Stable Diffusion 2 unCLIP", tensors: /^(noise_augmentor|embedder\.model)\./ },
  { name: "the Stable Diffusion x4 upscaler", tensors: /(^|\.)diffusion_model\.label_emb\.weight$/ },
  {
    name: "Control-LoRA",
    tensors: /^lora_controlnet$/,
    instead: "it is a ControlNet as a difference from its UNet, without the network's own weights; use a whole ControlNet of the same type",
  },
  {
    name: "ControlNet-LLLite",
    tensors: /^lllite_/,
    instead: "it changes the UNet's attention, unlike a ControlNet; use a ControlNet or a T2I-Adapter of the same type",
  },
  { name: "IP-Adapter", tensors: /^(ip_adapter|image_proj)\./ },
  { name: "Stable Cascade", tensors: /(^|\.)clip_txt_mapper\.|(^|\.)down_blocks\.\d+\.\d+\.channelwise\./ },
  { name: "HunyuanVideo", tensors: /(^|\.)txt_in\.individual_token_refiner\./ },
  { name: "Chroma", tensors: /(^|\.)distilled_guidance_layer\./ },
  { name: "Flux 2 or 3", tensors: /(^|\.)(single_stream_modulation|early_stream_modulations)\./ },
  {
    name: "Flux",
    tensors: /(^|\.)(double_blocks|single_transformer_blocks)\.\d+\./,
    loraTensors: /[._](double_blocks|single_blocks|single_transformer_blocks)[._]/,
  },
  {
    name: "Stable Diffusion 3",
    tensors: /(^|\.)joint_blocks\.\d+\./,
    loraTensors: /[._](joint_blocks[._]|transformer_blocks[._]\d+[._]attn[._]add_q_proj)/,
  },
  { name: "HiDream", tensors: /(^|\.)double_stream_blocks\.\d+\./ },
  { name: "AuraFlow", tensors: /(^|\.)double_layers\.\d+\.attn\.w1q\./ },
  { name: "LTX-Video", tensors: /(^|\.)patchify_proj\./ },
  { name: "HunyuanDiT", tensors: /(^|\.)mlp_t5\.\d+\./ },
  { name: "Mochi", tensors: /(^|\.)blocks\.\d+\.attn\.qkv_x\./ },
  { name: "Z-Image or Lumina", tensors: /(^|\.)layers\.\d+\.adaLN_modulation\./ },
  { name: "Lumina", tensors: /(^|\.)cap_embedder\.\d+\./ },
  { name: "PixArt or Sana", tensors: /(^|\.)blocks\.\d+\.cross_attn\.(q_linear|kv_linear)\./ },
  { name: "PixArt", tensors: /(^|\.)adaln_single\./ },
  {
    name: "Wan",
    tensors: /(^|\.)blocks\.\d+\.cross_attn\.[qkvo]\./,
    loraTensors: /(^|[._])blocks[._]\d+[._](self_attn|cross_attn)[._]/,
  },
  { name: "Cosmos", tensors: /^net\.x_embedder\./ },
  {
    name: "a diffusion transformer",
    tensors: /(^|\.)transformer_blocks\.\d+\.(img_mod|attn\.add_q_proj)\./,
    loraTensors: /^(base_model\.model\.)?(transformer\.|lora_transformer_)/,
  },
  { name: "a VQ autoencoder", tensors: /^quantize\.embedding\./ },
  ...UPSCALERS,
];

/** How a UNet in the original layout is recognised whose blocks read no text, and the name of such models. */
export const TEXTLESS_UNET = {
  prefix: "model.diffusion_model.input_blocks.",
  textTensor: UNET_CONTEXT.tensor,
  name: "latent diffusion without text",
};

/** Models derived from Stable Diffusion, by the channels that their UNets take. */
export const OTHER_CHANNELS: Readonly<Record<number, string>> = {
  7: "an upscaler",
};
