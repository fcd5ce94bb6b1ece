import type { JsonObject } from "../../json.js";
import type { Weights } from "../../weights.js";
import { inside, type NamePair } from "../layer-names.js";
import type { Piece } from "../text-encoder-names.js";
import { countOf, divided, type FileNames, namesOf, rotaryAxes, swapped, type TransformerLayout, thirds } from "./layout.js";

// The layout of Black Forest Labs: FLUX.1, FLUX.2, and Chroma after them.

const EMBEDDERS = (timestep: string): readonly NamePair[] => [
  ["img_in", "x_embedder"],
  ["txt_in", "context_embedder"],
  ["time_in.in_layer", `${timestep}.timestep_embedder.linear_1`],
  ["time_in.out_layer", `${timestep}.timestep_embedder.linear_2`],
  ["guidance_in.in_layer", `${timestep}.guidance_embedder.linear_1`],
  ["guidance_in.out_layer", `${timestep}.guidance_embedder.linear_2`],
  ["vector_in.in_layer", `${timestep}.text_embedder.linear_1`],
  ["vector_in.out_layer", `${timestep}.text_embedder.linear_2`],
  ["final_layer.linear", "proj_out"],
  ["final_layer.adaLN_modulation.1", "norm_out.linear"],
];

const DOUBLE: readonly NamePair[] = [
  ["img_mod.lin", "norm1.linear"],
  ["txt_mod.lin", "norm1_context.linear"],
  ["img_attn.qkv.0", "attn.to_q"],
  ["img_attn.qkv.1", "attn.to_k"],
  ["img_attn.qkv.2", "attn.to_v"],
  ["txt_attn.qkv.0", "attn.add_q_proj"],
  ["txt_attn.qkv.1", "attn.add_k_proj"],
  ["txt_attn.qkv.2", "attn.add_v_proj"],
  ["img_attn.norm.query_norm", "attn.norm_q"],
  ["img_attn.norm.key_norm", "attn.norm_k"],
  ["txt_attn.norm.query_norm", "attn.norm_added_q"],
  ["txt_attn.norm.key_norm", "attn.norm_added_k"],
  ["img_attn.proj", "attn.to_out.0"],
  ["txt_attn.proj", "attn.to_add_out"],
];
const PERCEPTRONS: readonly NamePair[] = [
  ["img_mlp.0", "ff.net.0.proj"],
  ["img_mlp.2", "ff.net.2"],
  ["txt_mlp.0", "ff_context.net.0.proj"],
  ["txt_mlp.2", "ff_context.net.2"],
];
const PERCEPTRONS_2: readonly NamePair[] = [
  ["img_mlp.0", "ff.linear_in"],
  ["img_mlp.2", "ff.linear_out"],
  ["txt_mlp.0", "ff_context.linear_in"],
  ["txt_mlp.2", "ff_context.linear_out"],
];
const NORMS: readonly NamePair[] = [
  ["norm.query_norm", "attn.norm_q"],
  ["norm.key_norm", "attn.norm_k"],
];
const SINGLE: readonly NamePair[] = [
  ["modulation.lin", "norm.linear"],
  ["linear1.0", "attn.to_q"],
  ["linear1.1", "attn.to_k"],
  ["linear1.2", "attn.to_v"],
  ["linear1.3", "proj_mlp"],
  ["linear2", "proj_out"],
  ...NORMS,
];
const SINGLE_2: readonly NamePair[] = [["linear1", "attn.to_qkv_mlp_proj"], ["linear2", "attn.to_out"], ...NORMS];
const MODULATIONS_2: readonly NamePair[] = ["double_stream_modulation_img", "double_stream_modulation_txt", "single_stream_modulation"].map(
  (name) => [`${name}.lin`, `${name}.linear`],
);

const APPROXIMATOR = "distilled_guidance_layer";
const FUSED = /(?:_attn\.qkv|\.linear1)/;
/** Gains of norms, which other networks call weight. */
const GAIN = /(_norm|\.norms\.\d{1,2})\.scale$/;

interface Blocks {
  readonly double: readonly NamePair[];
  readonly single: readonly NamePair[];
}

function* blocks({ names }: FileNames, { double, single }: Blocks): Generator<NamePair> {
  for (let i = 0; i < countOf(names, "double_blocks"); i++) yield* inside(`double_blocks.${i}`, `transformer_blocks.${i}`, double);
  for (let i = 0; i < countOf(names, "single_blocks"); i++) yield* inside(`single_blocks.${i}`, `single_transformer_blocks.${i}`, single);
}

/** Divides fused layers. The width of single blocks is that of the tokens. */
function pieces(file: FileNames): (piece: Piece) => readonly Piece[] {
  const width = file.shapeOf("img_in.weight")?.[0] ?? 0;
  return ({ name, stored }) => {
    const piece = { name: name.replace(GAIN, "$1.weight"), stored };
    if (/_attn\.qkv\.(weight|bias)$/.test(name)) return thirds(piece);
    if (/^single_blocks\.\d+\.linear1\.(weight|bias)$/.test(name))
      return divided(piece, [width, width, width, (stored.shape[0] ?? 0) - 3 * width]);
    if (name.startsWith("final_layer.adaLN_modulation.1.")) return [swapped(piece)];
    return [piece];
  };
}

/** What the configs of FLUX.1 and Chroma have in common. */
function commonConfig(weights: Weights): JsonObject {
  const names = weights.names();
  const [width = 0, inChannels = 0] = weights.shapeOf("x_embedder.weight");
  const [headWidth = 1] = weights.shapeOf("single_transformer_blocks.0.attn.norm_q.weight");
  const [outChannels = 0] = weights.shapeOf("proj_out.weight");
  return {
    patch_size: 1,
    in_channels: inChannels,
    out_channels: outChannels === inChannels ? null : outChannels,
    num_layers: countOf(names, "transformer_blocks"),
    num_single_layers: countOf(names, "single_transformer_blocks"),
    attention_head_dim: headWidth,
    num_attention_heads: width / headWidth,
    joint_attention_dim: weights.shapeOf("context_embedder.weight")[1] ?? 0,
    axes_dims_rope: rotaryAxes(headWidth, 7 / 16),
  };
}

// HunyuanVideo embeds text by more than a layer, and ControlNets have no single blocks.
const isDoubleStream = (file: FileNames) =>
  ["double_blocks.0.img_attn.qkv.weight", "single_blocks.0.linear1.weight", "txt_in.weight"].every((name) => file.has(name));
const isFlux2 = (file: FileNames) => file.has("double_stream_modulation_img.lin.weight");
const isChroma = (file: FileNames) => file.has(`${APPROXIMATOR}.in_proj.weight`);

export const FLUX: TransformerLayout = {
  className: "FluxTransformer2DModel",
  isOriginal: (file) => isDoubleStream(file) && !isFlux2(file) && !isChroma(file) && file.has("vector_in.in_layer.weight"),
  isDiffusers: (file) =>
    file.has("single_transformer_blocks.0.proj_mlp.weight") && file.has("time_text_embed.text_embedder.linear_1.weight"),
  naming: (file) =>
    namesOf([...EMBEDDERS("time_text_embed"), ...blocks(file, { double: [...DOUBLE, ...PERCEPTRONS], single: SINGLE })], FUSED),
  pieces,
  config: (weights) => ({
    _class_name: "FluxTransformer2DModel",
    ...commonConfig(weights),
    pooled_projection_dim: weights.shapeOf("time_text_embed.text_embedder.linear_1.weight")[1] ?? 0,
    guidance_embeds: weights.has("time_text_embed.guidance_embedder.linear_1.weight"),
  }),
};

export const CHROMA: TransformerLayout = {
  className: "ChromaTransformer2DModel",
  isOriginal: (file) => isDoubleStream(file) && isChroma(file),
  isDiffusers: (file) => isChroma(file) && file.has("transformer_blocks.0.attn.to_q.weight"),
  naming: (file) => {
    const layers = Array.from({ length: countOf(file.names, `${APPROXIMATOR}.layers`) }, (_, i): readonly NamePair[] =>
      inside(`${APPROXIMATOR}.layers.${i}`, `${APPROXIMATOR}.layers.${i}`, [
        ["in_layer", "linear_1"],
        ["out_layer", "linear_2"],
      ]),
    );
    const pairs = blocks(file, { double: [...DOUBLE, ...PERCEPTRONS], single: SINGLE });
    return namesOf([...EMBEDDERS("time_text_embed"), [APPROXIMATOR, APPROXIMATOR], ...layers.flat(), ...pairs], FUSED);
  },
  pieces,
  config: (weights) => {
    const [hidden = 0, channels = 0] = weights.shapeOf(`${APPROXIMATOR}.in_proj.weight`);
    return {
      _class_name: "ChromaTransformer2DModel",
      ...commonConfig(weights),
      approximator_num_channels: channels,
      approximator_hidden_dim: hidden,
      approximator_layers: countOf(weights.names(), `${APPROXIMATOR}.layers`),
    };
  },
};

export const FLUX_2: TransformerLayout = {
  className: "Flux2Transformer2DModel",
  isOriginal: isFlux2,
  isDiffusers: (file) => file.has("double_stream_modulation_img.linear.weight"),
  naming: (file) => {
    const pairs = blocks(file, { double: [...DOUBLE, ...PERCEPTRONS_2], single: SINGLE_2 });
    return namesOf([...EMBEDDERS("time_guidance_embed"), ...MODULATIONS_2, ...pairs], FUSED);
  },
  // The first layer of a single block stays whole.
  pieces: (file) => {
    const divide = pieces(file);
    return (piece) =>
      piece.name.startsWith("single_blocks.") ? [{ ...piece, name: piece.name.replace(GAIN, "$1.weight") }] : divide(piece);
  },
  config: (weights) => {
    const names = weights.names();
    const [width = 0, inChannels = 0] = weights.shapeOf("x_embedder.weight");
    const [headWidth = 1] = weights.shapeOf("single_transformer_blocks.0.attn.norm_q.weight");
    const [rows = 0] = weights.shapeOf("single_transformer_blocks.0.attn.to_qkv_mlp_proj.weight");
    const [outChannels = 0] = weights.shapeOf("proj_out.weight");
    return {
      _class_name: "Flux2Transformer2DModel",
      patch_size: 1,
      in_channels: inChannels,
      out_channels: outChannels === inChannels ? null : outChannels,
      num_layers: countOf(names, "transformer_blocks"),
      num_single_layers: countOf(names, "single_transformer_blocks"),
      attention_head_dim: headWidth,
      num_attention_heads: width / headWidth,
      joint_attention_dim: weights.shapeOf("context_embedder.weight")[1] ?? 0,
      // Query, key, value, and the perceptron's hidden layer with its gate.
      mlp_ratio: (rows / width - 3) / 2,
      timestep_guidance_channels: weights.shapeOf("time_guidance_embed.timestep_embedder.linear_1.weight")[1] ?? 0,
      guidance_embeds: weights.has("time_guidance_embed.guidance_embedder.linear_1.weight"),
      axes_dims_rope: Array.from({ length: 4 }, () => headWidth / 4),
    };
  },
};
