import { CheckpointError } from "../../../errors.js";
import { inside, type NamePair } from "../layer-names.js";
import { countOf, namesOf, swapped, type TransformerLayout, thirds } from "./layout.js";

/** Width of a head in the published networks, for those without norms, whose tensors do not show it. */
const HEAD_WIDTH = 64;

const OUTSIDE: readonly NamePair[] = [
  ["x_embedder.proj", "pos_embed.proj"],
  ["pos_embed", "pos_embed.pos_embed"],
  ["context_embedder", "context_embedder"],
  ["t_embedder.mlp.0", "time_text_embed.timestep_embedder.linear_1"],
  ["t_embedder.mlp.2", "time_text_embed.timestep_embedder.linear_2"],
  ["y_embedder.mlp.0", "time_text_embed.text_embedder.linear_1"],
  ["y_embedder.mlp.2", "time_text_embed.text_embedder.linear_2"],
  ["final_layer.linear", "proj_out"],
  ["final_layer.adaLN_modulation.1", "norm_out.linear"],
];

const BLOCK: readonly NamePair[] = [
  ["x_block.adaLN_modulation.1", "norm1.linear"],
  ["context_block.adaLN_modulation.1", "norm1_context.linear"],
  ["x_block.attn.qkv.0", "attn.to_q"],
  ["x_block.attn.qkv.1", "attn.to_k"],
  ["x_block.attn.qkv.2", "attn.to_v"],
  ["x_block.attn.ln_q", "attn.norm_q"],
  ["x_block.attn.ln_k", "attn.norm_k"],
  ["x_block.attn.proj", "attn.to_out.0"],
  ["x_block.attn2.qkv.0", "attn2.to_q"],
  ["x_block.attn2.qkv.1", "attn2.to_k"],
  ["x_block.attn2.qkv.2", "attn2.to_v"],
  ["x_block.attn2.ln_q", "attn2.norm_q"],
  ["x_block.attn2.ln_k", "attn2.norm_k"],
  ["x_block.attn2.proj", "attn2.to_out.0"],
  ["context_block.attn.qkv.0", "attn.add_q_proj"],
  ["context_block.attn.qkv.1", "attn.add_k_proj"],
  ["context_block.attn.qkv.2", "attn.add_v_proj"],
  ["context_block.attn.ln_q", "attn.norm_added_q"],
  ["context_block.attn.ln_k", "attn.norm_added_k"],
  ["context_block.attn.proj", "attn.to_add_out"],
  ["x_block.mlp.fc1", "ff.net.0.proj"],
  ["x_block.mlp.fc2", "ff.net.2"],
  ["context_block.mlp.fc1", "ff_context.net.0.proj"],
  ["context_block.mlp.fc2", "ff_context.net.2"],
];

/** Stability's layout of Stable Diffusion 3 and 3.5. */
export const STABLE_DIFFUSION_3: TransformerLayout = {
  className: "SD3Transformer2DModel",
  isOriginal: (file) => file.has("joint_blocks.0.x_block.attn.qkv.weight"),
  isDiffusers: (file) => file.has("pos_embed.proj.weight") && file.has("transformer_blocks.0.attn.add_q_proj.weight"),
  naming: ({ names }) => {
    const blocks = Array.from({ length: countOf(names, "joint_blocks") }, (_, i) =>
      inside(`joint_blocks.${i}`, `transformer_blocks.${i}`, BLOCK),
    );
    return namesOf([...OUTSIDE, ...blocks.flat()], /\.qkv/);
  },
  pieces: ({ names }) => {
    // The text's last norm is a final one, too.
    const last = `joint_blocks.${countOf(names, "joint_blocks") - 1}.context_block.adaLN_modulation.1.`;
    return (piece) => {
      if (/\.qkv\.(weight|bias)$/.test(piece.name)) return thirds(piece);
      return [piece.name.startsWith("final_layer.adaLN_modulation.1.") || piece.name.startsWith(last) ? swapped(piece) : piece];
    };
  },
  config: (weights) => {
    const names = weights.names();
    const [width = 0, inChannels = 0, patch = 1] = weights.shapeOf("pos_embed.proj.weight");
    const [captionWidth = 0, contextWidth = 0] = weights.shapeOf("context_embedder.weight");
    const hasNorms = weights.has("transformer_blocks.0.attn.norm_q.weight");
    const headWidth = hasNorms ? (weights.shapeOf("transformer_blocks.0.attn.norm_q.weight")[0] ?? 1) : HEAD_WIDTH;
    if (width % headWidth !== 0) {
      throw new CheckpointError(`${weights.name}: ${width} channels are not a multiple of ${headWidth}, the width of an attention head`, {
        hint: (name) => `no tensor shows the number of heads; give the folder of a similar checkpoint as ${name("config")}`,
      });
    }
    const layers = countOf(names, "transformer_blocks");
    return {
      _class_name: "SD3Transformer2DModel",
      sample_size: 128,
      patch_size: patch,
      in_channels: inChannels,
      out_channels: (weights.shapeOf("proj_out.weight")[0] ?? 0) / patch ** 2,
      num_layers: layers,
      attention_head_dim: headWidth,
      num_attention_heads: width / headWidth,
      joint_attention_dim: contextWidth,
      caption_projection_dim: captionWidth,
      pooled_projection_dim: weights.shapeOf("time_text_embed.text_embedder.linear_1.weight")[1] ?? 0,
      pos_embed_max_size: Math.sqrt(weights.shapeOf("pos_embed.pos_embed")[1] ?? 0),
      dual_attention_layers: Array.from({ length: layers }, (_, i) => i).filter((i) =>
        weights.has(`transformer_blocks.${i}.attn2.to_q.weight`),
      ),
      qk_norm: hasNorms ? "rms_norm" : null,
    };
  },
};
