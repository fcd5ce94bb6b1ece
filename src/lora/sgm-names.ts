/** The names of a UNet's layers in Stability's own code (sgm, and ldm before it), which kohya-ss keeps for Stable Diffusion XL. */

const OUTSIDE: Readonly<Record<string, string>> = {
  conv_in: "input_blocks.0.0",
  conv_out: "out.2",
  "time_embedding.linear_1": "time_embed.0",
  "time_embedding.linear_2": "time_embed.2",
  "add_embedding.linear_1": "label_emb.0.0",
  "add_embedding.linear_2": "label_emb.0.2",
};

const IN_RESNET: Readonly<Record<string, string>> = {
  conv1: "in_layers.2",
  time_emb_proj: "emb_layers.1",
  conv2: "out_layers.3",
  conv_shortcut: "skip_connection",
};

/** sgm's name of the layer that diffusers calls `path`; undefined for one it does not have. `layersPerBlock` is the config's. */
export function sgmName(path: string, layersPerBlock: number): string | undefined {
  const outside = OUTSIDE[path];
  if (outside) return outside;
  const [, way, level = "", kind, index = "", rest = ""] =
    /^(down_blocks|mid_block|up_blocks)(?:\.(\d+))?\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.+)$/.exec(path) ?? [];
  if (!way || !kind) return undefined;
  const [i, j] = [Number(level), Number(index)];
  const inside = kind === "resnets" ? IN_RESNET[rest] : rest;
  if (inside === undefined) return undefined;
  const place = kind === "attentions" ? 1 : 0;
  if (way === "mid_block") return `middle_block.${2 * j + place}.${inside}`;
  // Down, a level is its resnet blocks and its downsampling; up, it has one resnet block more, and upsampling joins the last.
  const first = i * (layersPerBlock + 1);
  if (way === "down_blocks")
    return kind === "downsamplers" ? `input_blocks.${first + layersPerBlock + 1}.0.op` : `input_blocks.${1 + first + j}.${place}.${inside}`;
  return kind === "upsamplers" ? `output_blocks.${first + layersPerBlock}.2.${inside}` : `output_blocks.${first + j}.${place}.${inside}`;
}
