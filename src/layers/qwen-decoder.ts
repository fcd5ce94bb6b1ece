import type { Value } from "../graph/graph.js";
import { attention } from "../graph/ops/attention.js";
import { add, mul } from "../graph/ops/elementwise.js";
import { type RotaryValues, rotate } from "../graph/ops/rotary.js";
import { expand, reshape } from "../graph/ops/shapes.js";
import type { Scope } from "../graph/scope.js";
import { ACTIVATIONS, type Activation, linear, rmsNorm } from "./basic.js";

/** The config fields that Qwen's language models share. */
export interface QwenDecoderOptions {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numAttentionHeads: number;
  readonly numKeyValueHeads: number;
  readonly headDim: number;
  readonly hiddenAct: Activation;
  readonly rmsNormEps: number;
  /** Whether the heads of queries and keys are normed before they are rotated (Qwen3). */
  readonly normsHeads: boolean;
}

/** What all layers attend with. */
export interface QwenAttentionInputs {
  readonly rotary: RotaryValues;
  /** The row of the rotary tables for each token [batch, tokens]; the token's own index by default. */
  readonly rows?: Value | undefined;
  /** Added to the scores: [batch or 1, 1, tokens, tokens]. */
  readonly mask: Value;
}

/**
 * Pre-norm layer of a language model: attention with grouped heads (Ainslie et al. 2023), then a gated perceptron (Shazeer 2020), each with
 * a residual. Matches transformers' Qwen3DecoderLayer and Qwen2_5_VLDecoderLayer.
 */
export function qwenDecoderLayer(x: Value, w: Scope, options: QwenDecoderOptions, inputs: QwenAttentionInputs): Value {
  const { hiddenSize, intermediateSize, hiddenAct, rmsNormEps } = options;
  const attended = groupedAttention(rmsNorm(x, w.at("input_layernorm"), rmsNormEps), w.at("self_attn"), options, inputs);
  const h = add(x, attended);
  const normed = rmsNorm(h, w.at("post_attention_layernorm"), rmsNormEps);
  const mlp = w.at("mlp");
  const gate = ACTIVATIONS[hiddenAct](linear(normed, mlp.at("gate_proj"), intermediateSize));
  return add(h, linear(mul(gate, linear(normed, mlp.at("up_proj"), intermediateSize)), mlp.at("down_proj"), hiddenSize));
}

function groupedAttention(x: Value, w: Scope, options: QwenDecoderOptions, { rotary, rows, mask }: QwenAttentionInputs): Value {
  const { hiddenSize, numAttentionHeads: heads, numKeyValueHeads: groups, headDim, normsHeads, rmsNormEps } = options;
  const project = (name: string, count: number) => linear(x, w.at(name), count * headDim);
  const rotated = (name: string, norm: string, count: number) => {
    const projected = project(name, count);
    const normed = normsHeads ? normHeads(projected, w.at(norm), headDim, rmsNormEps) : projected;
    return rotate(normed, rotary, { interleaved: false, rows });
  };
  const query = rotated("q_proj", "q_norm", heads);
  const key = repeatHeads(rotated("k_proj", "k_norm", groups), groups, heads / groups);
  const value = repeatHeads(project("v_proj", groups), groups, heads / groups);
  return linear(attention(query, key, value, heads, mask), w.at("o_proj"), hiddenSize);
}

/** Each head of x [batch, tokens, heads * width] normed alone. */
function normHeads(x: Value, w: Scope, width: number, epsilon: number): Value {
  const [batch = 0, tokens = 0] = x.shape;
  return reshape(rmsNorm(reshape(x, [batch, tokens, -1, width]), w, epsilon), x.shape);
}

/** Each head of x [batch, tokens, heads * width] `times` times, side by side: the queries of a group share their key and value. */
function repeatHeads(x: Value, heads: number, times: number): Value {
  if (times === 1) return x;
  const [batch = 0, tokens = 0, channels = 0] = x.shape;
  const width = channels / heads;
  const apart = reshape(x, [batch, tokens, heads, 1, width]);
  return reshape(expand(apart, [batch, tokens, heads, times, width]), [batch, tokens, channels * times]);
}
