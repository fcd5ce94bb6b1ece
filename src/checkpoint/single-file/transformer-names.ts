// In their authors' layout (which ComfyUI, GGUF files and most trainers of LoRAs use, too) the transformers have other names for their
// layers than in diffusers, and some layers are joined: one matrix computes query, key and value.

/** A layer in the authors' layout, by diffusers' names. */
export interface AuthorsLayer {
  /** Its name in the authors' layout: `double_blocks.0.img_attn.qkv`. */
  readonly original: string;
  /** diffusers' layers whose rows it has, one after the other. */
  readonly layers: readonly string[];
  /**
   * Whether the two halves of its rows are the other way round: the authors have a shift before a scale, diffusers a scale before a shift.
   */
  readonly swapsHalves: boolean;
}

/** The transformers whose authors' layout differs from diffusers'. */
export type TransformerLayout = "flux" | "sd3" | "z-image";

/** The authors' name of a layer, and diffusers' names of its parts. `#` is the number of a block. */
type Row = readonly [original: string, ...layers: string[]];

const QKV = ["to_q", "to_k", "to_v"] as const;
const ADDED_QKV = ["add_q_proj", "add_k_proj", "add_v_proj"] as const;

/** The names of layers inside a part of the network. */
function inside(original: string, diffusers: string, rows: readonly Row[]): readonly Row[] {
  return rows.map(([name, ...layers]) => [`${original}.${name}`, ...layers.map((layer) => `${diffusers}.${layer}`)]);
}

const TIMESTEP: readonly Row[] = [
  ["time_in.in_layer", "timestep_embedder.linear_1"],
  ["time_in.out_layer", "timestep_embedder.linear_2"],
  ["guidance_in.in_layer", "guidance_embedder.linear_1"],
  ["guidance_in.out_layer", "guidance_embedder.linear_2"],
  ["vector_in.in_layer", "text_embedder.linear_1"],
  ["vector_in.out_layer", "text_embedder.linear_2"],
];

/** FLUX.1, Chroma and FLUX.2. */
const FLUX: readonly Row[] = [
  ["img_in", "x_embedder"],
  ["txt_in", "context_embedder"],
  // FLUX.1 has the embeddings in time_text_embed, FLUX.2 in time_guidance_embed.
  ...["time_text_embed", "time_guidance_embed"].flatMap((part) => TIMESTEP.map(([name, layer]): Row => [name, `${part}.${layer}`])),
  ["double_stream_modulation_img.lin", "double_stream_modulation_img.linear"],
  ["double_stream_modulation_txt.lin", "double_stream_modulation_txt.linear"],
  ["single_stream_modulation.lin", "single_stream_modulation.linear"],
  ["distilled_guidance_layer.layers.#.in_layer", "distilled_guidance_layer.layers.#.linear_1"],
  ["distilled_guidance_layer.layers.#.out_layer", "distilled_guidance_layer.layers.#.linear_2"],
  ...inside("double_blocks.#", "transformer_blocks.#", [
    ["img_mod.lin", "norm1.linear"],
    ["txt_mod.lin", "norm1_context.linear"],
    ["img_attn.qkv", ...QKV.map((name) => `attn.${name}`)],
    ["txt_attn.qkv", ...ADDED_QKV.map((name) => `attn.${name}`)],
    ["img_attn.norm.query_norm", "attn.norm_q"],
    ["img_attn.norm.key_norm", "attn.norm_k"],
    ["txt_attn.norm.query_norm", "attn.norm_added_q"],
    ["txt_attn.norm.key_norm", "attn.norm_added_k"],
    ["img_attn.proj", "attn.to_out.0"],
    ["txt_attn.proj", "attn.to_add_out"],
    ["img_mlp.0", "ff.net.0.proj"],
    ["img_mlp.2", "ff.net.2"],
    ["txt_mlp.0", "ff_context.net.0.proj"],
    ["txt_mlp.2", "ff_context.net.2"],
    ["img_mlp.0", "ff.linear_in"],
    ["img_mlp.2", "ff.linear_out"],
    ["txt_mlp.0", "ff_context.linear_in"],
    ["txt_mlp.2", "ff_context.linear_out"],
  ]),
  ...inside("single_blocks.#", "single_transformer_blocks.#", [
    ["modulation.lin", "norm.linear"],
    ["linear1", ...QKV.map((name) => `attn.${name}`), "proj_mlp"],
    ["linear2", "proj_out"],
    ["linear1", "attn.to_qkv_mlp_proj"],
    ["linear2", "attn.to_out"],
    ["norm.query_norm", "attn.norm_q"],
    ["norm.key_norm", "attn.norm_k"],
  ]),
  ["final_layer.adaLN_modulation.1", "norm_out.linear"],
  ["final_layer.linear", "proj_out"],
];

/** Stable Diffusion 3 and 3.5. */
const SD3: readonly Row[] = [
  ["x_embedder.proj", "pos_embed.proj"],
  ["t_embedder.mlp.0", "time_text_embed.timestep_embedder.linear_1"],
  ["t_embedder.mlp.2", "time_text_embed.timestep_embedder.linear_2"],
  ["y_embedder.mlp.0", "time_text_embed.text_embedder.linear_1"],
  ["y_embedder.mlp.2", "time_text_embed.text_embedder.linear_2"],
  ...inside("joint_blocks.#", "transformer_blocks.#", [
    ["x_block.adaLN_modulation.1", "norm1.linear"],
    ["x_block.attn.qkv", ...QKV.map((name) => `attn.${name}`)],
    ["x_block.attn.ln_q", "attn.norm_q"],
    ["x_block.attn.ln_k", "attn.norm_k"],
    ["x_block.attn.proj", "attn.to_out.0"],
    ["x_block.attn2.qkv", ...QKV.map((name) => `attn2.${name}`)],
    ["x_block.attn2.ln_q", "attn2.norm_q"],
    ["x_block.attn2.ln_k", "attn2.norm_k"],
    ["x_block.attn2.proj", "attn2.to_out.0"],
    ["x_block.mlp.fc1", "ff.net.0.proj"],
    ["x_block.mlp.fc2", "ff.net.2"],
    ["context_block.adaLN_modulation.1", "norm1_context.linear"],
    ["context_block.attn.qkv", ...ADDED_QKV.map((name) => `attn.${name}`)],
    ["context_block.attn.ln_q", "attn.norm_added_q"],
    ["context_block.attn.ln_k", "attn.norm_added_k"],
    ["context_block.attn.proj", "attn.to_add_out"],
    ["context_block.mlp.fc1", "ff_context.net.0.proj"],
    ["context_block.mlp.fc2", "ff_context.net.2"],
  ]),
  ["final_layer.adaLN_modulation.1", "norm_out.linear"],
  ["final_layer.linear", "proj_out"],
];

const Z_IMAGE: readonly Row[] = [
  ["x_embedder", "all_x_embedder.2-1"],
  ["final_layer.linear", "all_final_layer.2-1.linear"],
  ["final_layer.adaLN_modulation.1", "all_final_layer.2-1.adaLN_modulation.1"],
  ...["layers.#", "noise_refiner.#", "context_refiner.#"].flatMap((block) =>
    inside(block, block, [
      ["attention.qkv", ...QKV.map((name) => `attention.${name}`)],
      ["attention.q_norm", "attention.norm_q"],
      ["attention.k_norm", "attention.norm_k"],
      ["attention.out", "attention.to_out.0"],
    ]),
  ),
];

const LAYOUTS: Readonly<Record<TransformerLayout, readonly Row[]>> = { flux: FLUX, sd3: SD3, "z-image": Z_IMAGE };

/** Names that only one of these transformers has. */
const SIGNS: Readonly<Record<TransformerLayout, string>> = {
  flux: "single_transformer_blocks.0.",
  sd3: "pos_embed.proj.",
  "z-image": "all_x_embedder.",
};

/** The layout in which the authors of a transformer with these names in diffusers have its weights, if it differs from diffusers'. */
export function transformerLayout(names: readonly string[]): TransformerLayout | undefined {
  const layouts = Object.keys(SIGNS) as TransformerLayout[];
  return layouts.find((layout) => names.some((name) => name.startsWith(SIGNS[layout])));
}

/**
 * The layers of a transformer in its authors' layout. `names` are those of its tensors in diffusers. Layers of the same name are left out.
 */
export function authorsLayers(names: readonly string[]): readonly AuthorsLayer[] {
  const layout = transformerLayout(names);
  if (!layout) return [];
  const layers = [...new Set(names.map((name) => name.replace(/\.(weight|bias)$/, "")))];
  const present = new Set(layers);
  const rows = new Map(LAYOUTS[layout].map((row) => [row[1], row]));
  const last = Math.max(...layers.map((layer) => Number(/^transformer_blocks\.(\d+)\./.exec(layer)?.[1] ?? -1)));
  return layers.flatMap((layer) => {
    const [, number = ""] = /\.(\d+)\./.exec(layer) ?? [];
    const [original, ...parts] = (rows.get(layer.replace(/\.\d+\./, ".#.")) ?? []).map((name) => name.replace("#", number));
    if (original === undefined || !parts.every((part) => present.has(part))) return [];
    // The text of SD3's last block has no gates: its norm is like the one before the output.
    const swapsHalves = layer === "norm_out.linear" || (layout === "sd3" && layer === `transformer_blocks.${last}.norm1_context.linear`);
    return [{ original, layers: parts, swapsHalves }];
  });
}
