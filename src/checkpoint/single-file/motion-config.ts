import type { JsonObject } from "../json.js";
import type { Weights } from "../weights.js";
import { levelsOf } from "./count-levels.js";

/** `config.json` of a MotionAdapter. The file does not show the heads and the groups of the norms: they are those of all published ones. */
export function motionConfig(weights: Weights): JsonObject {
  const names = weights.names();
  const first = "down_blocks.0.motion_modules.0";
  const levels = levelsOf(names, /^down_blocks\.(\d{1,2})\.motion_modules\./);
  const blocksOf = (module: string) =>
    levelsOf(
      names.filter((name) => name.startsWith(`${module}.`)).map((name) => name.slice(module.length)),
      /^\.transformer_blocks\.(\d{1,2})\./,
    );
  const places = `${first}.transformer_blocks.0.pos_embed.pe`;
  const hasMiddle = weights.has("mid_block.motion_modules.0.norm.weight");
  return {
    _class_name: "MotionAdapter",
    block_out_channels: Array.from({ length: levels }, (_, i) => weights.shapeOf(`down_blocks.${i}.motion_modules.0.norm.weight`)[0] ?? 0),
    motion_layers_per_block: levelsOf(names, /^down_blocks\.0\.motion_modules\.(\d{1,2})\./),
    motion_transformer_layers_per_block: blocksOf(first),
    motion_mid_block_layers_per_block: 1,
    motion_transformer_layers_per_mid_block: hasMiddle ? blocksOf("mid_block.motion_modules.0") : 1,
    motion_num_attention_heads: 8,
    motion_norm_num_groups: 32,
    motion_max_seq_length: weights.has(places) ? (weights.shapeOf(places)[1] ?? 32) : 32,
    use_motion_mid_block: hasMiddle,
    conv_in_channels: null,
  };
}
