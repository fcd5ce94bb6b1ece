import type { Scale } from "./families.js";
import { linear, type NamedShape, type Tensors } from "./tensors.js";
import type { VaeConfig } from "./vae.js";

/** Z-Image's checkpoints: one with a few of the layers, which fits into memory beside any peer, and the whole. */
export type ZImageName = "z-image" | "z-image-full";

/** `config.json` of a ZImageTransformer2DModel. */
export interface ZImageConfig {
  readonly all_patch_size: readonly number[];
  readonly all_f_patch_size: readonly number[];
  readonly in_channels: number;
  readonly dim: number;
  readonly n_layers: number;
  readonly n_refiner_layers: number;
  readonly n_heads: number;
  readonly n_kv_heads: number;
  readonly norm_eps: number;
  readonly qk_norm: boolean;
  readonly cap_feat_dim: number;
  readonly rope_theta: number;
  readonly t_scale: number;
  readonly axes_dims: readonly number[];
  readonly axes_lens: readonly number[];
}

/** `config.json` of a Qwen3 text encoder, with the fields that differ between our checkpoints. */
export interface Qwen3Config {
  readonly vocab_size: number;
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly num_key_value_heads: number;
  readonly head_dim: number;
}

/** The shapes of a checkpoint's networks. */
export interface ZImageFamily {
  readonly transformer: ZImageConfig;
  readonly textEncoder: Qwen3Config;
  readonly vae: VaeConfig;
  /** Side of a picture in pixels. */
  readonly size: number;
  /** Tokens of a prompt. */
  readonly tokens: number;
  /** Whether weights are holes in their files: the whole would take 20 GB of the disk. */
  readonly isSparse: boolean;
}

// The configs of Tongyi-MAI/Z-Image-Turbo.
const TRANSFORMER: ZImageConfig = {
  all_patch_size: [2],
  all_f_patch_size: [1],
  in_channels: 16,
  dim: 3840,
  n_layers: 30,
  n_refiner_layers: 2,
  n_heads: 30,
  n_kv_heads: 30,
  norm_eps: 1e-5,
  qk_norm: true,
  cap_feat_dim: 2560,
  rope_theta: 256,
  t_scale: 1000,
  axes_dims: [32, 48, 48],
  axes_lens: [1536, 512, 512],
};

const QWEN3_4B: Qwen3Config = {
  vocab_size: 151936,
  hidden_size: 2560,
  intermediate_size: 9728,
  num_hidden_layers: 36,
  num_attention_heads: 32,
  num_key_value_heads: 8,
  head_dim: 128,
};

const VAE: VaeConfig = {
  block_out_channels: [128, 256, 512, 512],
  down_block_types: Array(4).fill("DownEncoderBlock2D"),
  up_block_types: Array(4).fill("UpDecoderBlock2D"),
  layers_per_block: 2,
  latent_channels: 16,
  sample_size: 1024,
  scaling_factor: 0.3611,
  shift_factor: 0.1159,
  use_quant_conv: false,
  use_post_quant_conv: false,
};

const WHOLE: ZImageFamily = { transformer: TRANSFORMER, textEncoder: QWEN3_4B, vae: VAE, size: 512, tokens: 64, isSparse: true };

/** 2 of 30 layers, 1 of 2 refiners of each kind, 3 of 36 layers of the text encoder: 1.5 and 1.4 GB. */
const CUT: ZImageFamily = {
  ...WHOLE,
  transformer: { ...TRANSFORMER, n_layers: 2, n_refiner_layers: 1 },
  textEncoder: { ...QWEN3_4B, num_hidden_layers: 3 },
  isSparse: false,
};

/** The checkpoint's shapes at this scale. */
export function zImageFamily(name: ZImageName, scale: Scale): ZImageFamily {
  const family = name === "z-image-full" ? WHOLE : CUT;
  return scale === "real" ? family : tiny(family);
}

/** As many layers, but narrow ones, for pictures with an eighth of the side. */
function tiny({ transformer, textEncoder, vae, isSparse }: ZImageFamily): ZImageFamily {
  return {
    transformer: { ...transformer, dim: 32, n_heads: 2, n_kv_heads: 2, cap_feat_dim: 24, axes_dims: [4, 6, 6] },
    textEncoder: {
      ...textEncoder,
      // Of the tokenizer in test/checkpoints.
      vocab_size: 1024,
      hidden_size: 24,
      intermediate_size: 48,
      num_attention_heads: 2,
      num_key_value_heads: 1,
      head_dim: 16,
    },
    vae: { ...vae, block_out_channels: [32, 32, 64, 64] },
    size: 64,
    tokens: 20,
    isSparse,
  };
}

/** The width of a perceptron's hidden layer. */
function hiddenWidth(dim: number): number {
  return Math.trunc((dim / 3) * 8);
}

/** The tensors of a ZImageTransformer2DModel. */
export function* zImageTensors(config: ZImageConfig): Tensors {
  const { dim, in_channels: channels, cap_feat_dim: features, n_layers: layers, n_refiner_layers: refiners } = config;
  const patch = 4 * channels;
  const time = Math.min(dim, 256);
  yield* linear("all_x_embedder.2-1", patch, dim);
  yield* linear("t_embedder.mlp.0", 256, 1024);
  yield* linear("t_embedder.mlp.2", 1024, time);
  yield ["cap_embedder.0.weight", [features]];
  yield* linear("cap_embedder.1", features, dim);
  yield ["x_pad_token", [1, dim]];
  yield ["cap_pad_token", [1, dim]];
  for (let i = 0; i < refiners; i++) yield* block(`noise_refiner.${i}`, config, time);
  for (let i = 0; i < refiners; i++) yield* block(`context_refiner.${i}`, config);
  for (let i = 0; i < layers; i++) yield* block(`layers.${i}`, config, time);
  yield* linear("all_final_layer.2-1.adaLN_modulation.1", time, dim);
  yield* linear("all_final_layer.2-1.linear", dim, patch);
}

/** A block, modulated by a time's embedding of this width. */
function* block(name: string, { dim, n_heads: heads }: ZImageConfig, time?: number): Tensors {
  for (const projection of ["to_q", "to_k", "to_v", "to_out.0"]) yield* plainLinear(`${name}.attention.${projection}`, dim, dim);
  for (const norm of ["norm_q", "norm_k"]) yield [`${name}.attention.${norm}.weight`, [dim / heads]];
  for (const projection of ["w1", "w3"]) yield* plainLinear(`${name}.feed_forward.${projection}`, dim, hiddenWidth(dim));
  yield* plainLinear(`${name}.feed_forward.w2`, hiddenWidth(dim), dim);
  for (const norm of ["attention_norm1", "attention_norm2", "ffn_norm1", "ffn_norm2"]) yield [`${name}.${norm}.weight`, [dim]];
  if (time !== undefined) yield* linear(`${name}.adaLN_modulation.0`, time, 4 * dim);
}

/** The tensors of a Qwen3 text encoder, as its file names them. */
export function* qwen3Tensors(config: Qwen3Config): Tensors {
  const { hidden_size: width, intermediate_size: inner, head_dim: head } = config;
  const [queries, keys] = [head * config.num_attention_heads, head * config.num_key_value_heads];
  yield ["model.embed_tokens.weight", [config.vocab_size, width]];
  for (let i = 0; i < config.num_hidden_layers; i++) {
    const layer = `model.layers.${i}`;
    yield [`${layer}.input_layernorm.weight`, [width]];
    yield* plainLinear(`${layer}.self_attn.q_proj`, width, queries);
    for (const projection of ["k_proj", "v_proj"]) yield* plainLinear(`${layer}.self_attn.${projection}`, width, keys);
    yield* plainLinear(`${layer}.self_attn.o_proj`, queries, width);
    for (const norm of ["q_norm", "k_norm"]) yield [`${layer}.self_attn.${norm}.weight`, [head]];
    yield [`${layer}.post_attention_layernorm.weight`, [width]];
    for (const projection of ["gate_proj", "up_proj"]) yield* plainLinear(`${layer}.mlp.${projection}`, width, inner);
    yield* plainLinear(`${layer}.mlp.down_proj`, inner, width);
  }
  yield ["model.norm.weight", [width]];
}

function plainLinear(name: string, inputs: number, outputs: number): Iterable<NamedShape> {
  return linear(name, inputs, outputs, { bias: false });
}

/** The tensors of the authors' file, which has queries, keys and values in one matrix. GGUF files have these names, too. */
export function* authorsTensors(config: ZImageConfig): Tensors {
  for (const [name, shape] of zImageTensors(config)) {
    const own = name
      .replace(/^all_(x_embedder|final_layer)\.2-1/, "$1")
      .replace("attention.norm_q", "attention.q_norm")
      .replace("attention.norm_k", "attention.k_norm")
      .replace("attention.to_out.0", "attention.out");
    if (own.includes("attention.to_q")) yield [own.replace("to_q", "qkv"), [3 * config.dim, config.dim]];
    else if (!/attention\.to_[kv]/.test(own)) yield [own, shape];
  }
}

/** llama.cpp's names of a layer's parts. */
const LLAMA_NAMES: Readonly<Record<string, string>> = {
  input_layernorm: "attn_norm",
  "self_attn.q_proj": "attn_q",
  "self_attn.k_proj": "attn_k",
  "self_attn.v_proj": "attn_v",
  "self_attn.o_proj": "attn_output",
  "self_attn.q_norm": "attn_q_norm",
  "self_attn.k_norm": "attn_k_norm",
  post_attention_layernorm: "ffn_norm",
  "mlp.gate_proj": "ffn_gate",
  "mlp.up_proj": "ffn_up",
  "mlp.down_proj": "ffn_down",
};

/** The tensors of a Qwen3 text encoder with llama.cpp's names. */
export function* llamaTensors(config: Qwen3Config): Tensors {
  for (const [name, shape] of qwen3Tensors(config)) {
    const [, layer, part = ""] = /^model\.layers\.(\d+)\.(.*)\.weight$/.exec(name) ?? [];
    if (layer !== undefined) yield [`blk.${layer}.${LLAMA_NAMES[part]}.weight`, shape];
    else yield [name.includes("embed_tokens") ? "token_embd.weight" : "output_norm.weight", shape];
  }
}
