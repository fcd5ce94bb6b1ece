import type { JsonObject } from "../json.js";
import type { Weights } from "../weights.js";
import { inside, LayerNames, type NamePair, type Naming } from "./layer-names.js";
import { countOf, type FileNames } from "./transformers/layout.js";

// Files of the language models that encode prompts: with transformers' names (ComfyUI's t5xxl_fp16, qwen_3_4b), and with llama.cpp's, as in
// GGUF files (gguf-py/gguf/tensor_mapping.py).

/** How files name the tensors of a language model. */
export interface LanguageModelLayout {
  /** The class in transformers. */
  readonly className: string;
  /** Whether a file has the model with transformers' names. */
  isOwn(file: FileNames): boolean;
  /** Whether a file has the model with llama.cpp's names. */
  isLlama(file: FileNames): boolean;
  /** llama.cpp's names. */
  naming(file: FileNames): Naming;
  /** `config.json` by the shapes of the tensors, which have transformers' names. */
  config(weights: Weights): JsonObject;
}

const T5_BLOCK: readonly NamePair[] = [
  ["attn_q", "layer.0.SelfAttention.q"],
  ["attn_k", "layer.0.SelfAttention.k"],
  ["attn_v", "layer.0.SelfAttention.v"],
  ["attn_o", "layer.0.SelfAttention.o"],
  ["attn_rel_b", "layer.0.SelfAttention.relative_attention_bias"],
  ["attn_norm", "layer.0.layer_norm"],
  ["ffn_gate", "layer.1.DenseReluDense.wi_0"],
  ["ffn_up", "layer.1.DenseReluDense.wi_1"],
  ["ffn_down", "layer.1.DenseReluDense.wo"],
  ["ffn_norm", "layer.1.layer_norm"],
];

const T5: LanguageModelLayout = {
  className: "T5EncoderModel",
  isOwn: (file) => file.has("encoder.block.0.layer.0.SelfAttention.q.weight"),
  isLlama: (file) => file.has("enc.blk.0.attn_q.weight") && file.has("enc.blk.0.attn_rel_b.weight"),
  naming: ({ names }) =>
    new LayerNames([
      ["token_embd", "shared"],
      ["enc.output_norm", "encoder.final_layer_norm"],
      ...numbered(names, "enc.blk", "encoder.block", T5_BLOCK),
    ]),
  config(weights) {
    const first = "encoder.block.0.layer.0.SelfAttention";
    const [buckets = 32, heads = 1] = weights.shapeOf(`${first}.relative_attention_bias.weight`);
    const [inner = 0, width = 0] = weights.shapeOf(`${first}.q.weight`);
    const gate = "encoder.block.0.layer.1.DenseReluDense.wi_0.weight";
    const isGated = weights.has(gate);
    const [hidden = 0] = weights.shapeOf(isGated ? gate : gate.replace("wi_0", "wi"));
    const [vocabulary = 0] = weights.shapeOf(weights.has("shared.weight") ? "shared.weight" : "encoder.embed_tokens.weight");
    return {
      architectures: ["T5EncoderModel"],
      model_type: "t5",
      vocab_size: vocabulary,
      d_model: width,
      d_kv: inner / heads,
      d_ff: hidden,
      num_heads: heads,
      num_layers: countOf(weights.names(), "encoder.block"),
      relative_attention_num_buckets: buckets,
      feed_forward_proj: isGated ? "gated-gelu" : "relu",
    };
  },
};

const QWEN_BLOCK: readonly NamePair[] = [
  ["attn_q", "self_attn.q_proj"],
  ["attn_k", "self_attn.k_proj"],
  ["attn_v", "self_attn.v_proj"],
  ["attn_output", "self_attn.o_proj"],
  ["attn_q_norm", "self_attn.q_norm"],
  ["attn_k_norm", "self_attn.k_norm"],
  ["attn_norm", "input_layernorm"],
  ["ffn_norm", "post_attention_layernorm"],
  ["ffn_gate", "mlp.gate_proj"],
  ["ffn_up", "mlp.up_proj"],
  ["ffn_down", "mlp.down_proj"],
];

function qwenNames({ names }: FileNames): Naming {
  return new LayerNames([["token_embd", "embed_tokens"], ["output_norm", "norm"], ...numbered(names, "blk", "layers", QWEN_BLOCK)]);
}

/** The places of a decoder's tensors in files of transformers and ComfyUI. */
const ROOTS = ["model.language_model.", "model.", "language_model.", ""];

/** The beginning of the names of a decoder's tensors; undefined if there is none. */
function rootOf(has: (name: string) => boolean): string | undefined {
  return ROOTS.find((root) => has(`${root}layers.0.self_attn.q_proj.weight`));
}

const hasInDecoder = (file: FileNames, name: string): boolean => {
  const root = rootOf((each) => file.has(each));
  return root !== undefined && file.has(root + name);
};

const QWEN_3: LanguageModelLayout = {
  className: "Qwen3Model",
  isOwn: (file) => hasInDecoder(file, "layers.0.self_attn.q_norm.weight"),
  isLlama: (file) => file.has("blk.0.attn_q_norm.weight") && file.has("token_embd.weight") && !file.has("blk.0.ffn_gate_exps.weight"),
  naming: qwenNames,
  config: (weights) => {
    const shapeOf = decoderShapes(weights);
    const [headWidth = 1] = shapeOf("layers.0.self_attn.q_norm.weight");
    return { architectures: ["Qwen3Model"], model_type: "qwen3", head_dim: headWidth, ...decoderConfig(weights, headWidth) };
  },
};

/** Channels of a head of Qwen2.5 and Qwen2.5-VL. */
const QWEN_2_HEAD = 128;

const QWEN_2_VL: LanguageModelLayout = {
  className: "Qwen2_5_VLForConditionalGeneration",
  isOwn: (file) => hasInDecoder(file, "layers.0.self_attn.q_proj.bias") && !hasInDecoder(file, "layers.0.self_attn.q_norm.weight"),
  isLlama: (file) => file.has("blk.0.attn_q.bias") && file.has("token_embd.weight"),
  naming: qwenNames,
  config: (weights) => ({
    architectures: ["Qwen2_5_VLForConditionalGeneration"],
    model_type: "qwen2_5_vl",
    rope_scaling: { type: "mrope", mrope_section: [16, 24, 24] },
    ...decoderConfig(weights, QWEN_2_HEAD),
  }),
};

function decoderShapes(weights: Weights): (name: string) => readonly number[] {
  const root = rootOf((name) => weights.has(name)) ?? "";
  return (name) => weights.shapeOf(root + name);
}

/** The fields that Qwen's decoders share. */
function decoderConfig(weights: Weights, headWidth: number): JsonObject {
  const shapeOf = decoderShapes(weights);
  const root = rootOf((name) => weights.has(name)) ?? "";
  const [vocabulary = 0, width = 0] = shapeOf("embed_tokens.weight");
  const rowsOf = (name: string) => shapeOf(`layers.0.${name}.weight`)[0] ?? 0;
  return {
    vocab_size: vocabulary,
    hidden_size: width,
    intermediate_size: rowsOf("mlp.gate_proj"),
    num_hidden_layers: countOf(
      weights.names().flatMap((name) => (name.startsWith(root) ? [name.slice(root.length)] : [])),
      "layers",
    ),
    num_attention_heads: rowsOf("self_attn.q_proj") / headWidth,
    num_key_value_heads: rowsOf("self_attn.k_proj") / headWidth,
    rms_norm_eps: 1e-6,
    rope_theta: 1_000_000,
  };
}

function numbered(names: readonly string[], from: string, to: string, layers: readonly NamePair[]): NamePair[] {
  return Array.from({ length: countOf(names, from) }, (_, i) => inside(`${from}.${i}`, `${to}.${i}`, layers)).flat();
}

const LAYOUTS: readonly LanguageModelLayout[] = [T5, QWEN_3, QWEN_2_VL];
/** A language model in a file. */
export interface FoundLanguageModel {
  readonly layout: LanguageModelLayout;
  readonly naming: Naming;
}

/** Names that transformers gives: all but the output layer, the vision tower and copies are kept as they are. */
const OWN_NAMES: Naming = {
  diffusers: (name) => (/(^|\.)lm_head\./.test(name) || /^(spiece_model|tekken_model)$/.test(name) ? undefined : name),
  original: (name) => name,
};

/** The language model that these tensors are. */
export function languageModelIn(file: FileNames): FoundLanguageModel | undefined {
  for (const layout of LAYOUTS) {
    if (layout.isLlama(file)) return { layout, naming: layout.naming(file) };
    if (layout.isOwn(file)) return { layout, naming: OWN_NAMES };
  }
  return undefined;
}

/** The classes of the language models that files may hold. */
export const LANGUAGE_MODEL_CLASSES: readonly string[] = [...LAYOUTS.map(({ className }) => className), "Qwen3ForCausalLM"];

/** The class that a config names, diffusers' way or transformers'. */
export function namedClass({ _class_name: className, architectures }: JsonObject): string | undefined {
  const found = className ?? (Array.isArray(architectures) ? architectures[0] : undefined);
  return typeof found === "string" ? found : undefined;
}
