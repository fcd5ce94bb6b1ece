import { inside, type NamePair } from "../layer-names.js";
import { countOf, namesOf, rotaryAxes, type TransformerLayout, thirds } from "./layout.js";

const STACKS = ["noise_refiner", "context_refiner", "layers"];
const PATCH = "2-1";

const OUTSIDE: readonly NamePair[] = [
  ["x_embedder", `all_x_embedder.${PATCH}`],
  ["final_layer", `all_final_layer.${PATCH}`],
  ["t_embedder", "t_embedder"],
  ["cap_embedder", "cap_embedder"],
  ["x_pad_token", "x_pad_token"],
  ["cap_pad_token", "cap_pad_token"],
];

const ATTENTION: readonly NamePair[] = [
  ["attention.qkv.0", "attention.to_q"],
  ["attention.qkv.1", "attention.to_k"],
  ["attention.qkv.2", "attention.to_v"],
  ["attention.out", "attention.to_out.0"],
  ["attention.q_norm", "attention.norm_q"],
  ["attention.k_norm", "attention.norm_k"],
];

/** The layout of Z-Image's authors. */
export const Z_IMAGE: TransformerLayout = {
  className: "ZImageTransformer2DModel",
  isOriginal: (file) => file.has("layers.0.attention.qkv.weight") && file.has("cap_pad_token"),
  isDiffusers: (file) => file.has(`all_x_embedder.${PATCH}.weight`),
  naming: ({ names }) => {
    const layers = STACKS.flatMap((stack) => Array.from({ length: countOf(names, stack) }, (_, i) => `${stack}.${i}`));
    return namesOf([...OUTSIDE, ...layers.flatMap((layer): NamePair[] => [[layer, layer], ...inside(layer, layer, ATTENTION)])], /\.qkv/);
  },
  pieces: () => (piece) => (/\.attention\.qkv\.(weight|bias)$/.test(piece.name) ? thirds(piece) : [piece]),
  config: (weights) => {
    const names = weights.names();
    const [dim = 0, patch = 0] = weights.shapeOf(`all_x_embedder.${PATCH}.weight`);
    const norm = "layers.0.attention.norm_q.weight";
    const headWidth = weights.has(norm) ? (weights.shapeOf(norm)[0] ?? 1) : 128;
    return {
      _class_name: "ZImageTransformer2DModel",
      all_patch_size: [2],
      all_f_patch_size: [1],
      in_channels: patch / 4,
      dim,
      n_layers: countOf(names, "layers"),
      n_refiner_layers: countOf(names, "noise_refiner"),
      n_heads: dim / headWidth,
      n_kv_heads: dim / headWidth,
      norm_eps: 1e-5,
      qk_norm: weights.has(norm),
      cap_feat_dim: weights.shapeOf("cap_embedder.1.weight")[1] ?? 0,
      rope_theta: 256,
      t_scale: 1000,
      axes_dims: rotaryAxes(headWidth, 3 / 8),
    };
  },
};
