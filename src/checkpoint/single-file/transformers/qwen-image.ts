import { countOf, rotaryAxes, type TransformerLayout } from "./layout.js";

/** ComfyUI's files of Qwen-Image-Edit-2511 have this tensor without meaning: references are modulated as at time 0. */
const STILL_REFERENCES = "__index_timestep_zero__";
const PARTS = /^(img_in|txt_in|txt_norm|time_text_embed|transformer_blocks|norm_out|proj_out|__index_timestep_zero__)(\.|$)/;

/** Qwen-Image's transformer: its authors published it with diffusers' names. */
export const QWEN_IMAGE: TransformerLayout = {
  className: "QwenImageTransformer2DModel",
  isOriginal: () => false,
  isDiffusers: (file) => file.has("transformer_blocks.0.img_mod.1.weight") && file.has("txt_norm.weight"),
  naming: () => ({ diffusers: (name) => (PARTS.test(name) ? name : undefined), original: (name) => name }),
  pieces: () => (piece) => [piece],
  config: (weights) => {
    const [width = 0, inChannels = 0] = weights.shapeOf("img_in.weight");
    const [headWidth = 1] = weights.shapeOf("transformer_blocks.0.attn.norm_q.weight");
    const [outputs = 0] = weights.shapeOf("proj_out.weight");
    return {
      _class_name: "QwenImageTransformer2DModel",
      patch_size: 2,
      in_channels: inChannels,
      out_channels: outputs / 4,
      num_layers: countOf(weights.names(), "transformer_blocks"),
      attention_head_dim: headWidth,
      num_attention_heads: width / headWidth,
      joint_attention_dim: weights.shapeOf("txt_in.weight")[1] ?? 0,
      axes_dims_rope: rotaryAxes(headWidth, 7 / 16),
      zero_cond_t: weights.has(STILL_REFERENCES),
    };
  },
};
