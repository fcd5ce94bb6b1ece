import type { Value } from "../graph/graph.js";
import { attention } from "../graph/ops/attention.js";
import { add } from "../graph/ops/elementwise.js";
import type { Scope } from "../graph/scope.js";
import { pageTurn } from "../page-turn.js";
import { ACTIVATIONS, type Activation, layerNorm, linear } from "./basic.js";

/** The config fields that CLIP's text and image transformers share. */
export interface ClipEncoderOptions {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numAttentionHeads: number;
  readonly hiddenAct: Activation;
  readonly layerNormEps: number;
}

/**
 * The hidden states of a transformer: x [batch, tokens, hidden_size], then the output of each of its `layers`. `mask` is added to
 * attention's scores.
 */
export async function clipEncoder(x: Value, w: Scope, layers: number, options: ClipEncoderOptions, mask?: Value): Promise<Value[]> {
  const states = [x];
  for (let i = 0; i < layers; i++) {
    await pageTurn();
    states.push(clipEncoderLayer(states[i] as Value, w.at(i), options, mask));
  }
  return states;
}

/** Pre-norm transformer layer: attention, then a perceptron of two layers, each with a residual. Matches transformers' CLIPEncoderLayer. */
function clipEncoderLayer(
  x: Value,
  w: Scope,
  { hiddenSize, intermediateSize, numAttentionHeads, hiddenAct, layerNormEps }: ClipEncoderOptions,
  mask?: Value,
): Value {
  const self = w.at("self_attn");
  const normed = layerNorm(x, w.at("layer_norm1"), layerNormEps);
  const [query, key, value] = [
    linear(normed, self.at("q_proj"), hiddenSize),
    linear(normed, self.at("k_proj"), hiddenSize),
    linear(normed, self.at("v_proj"), hiddenSize),
  ];
  const h = add(x, linear(attention(query, key, value, numAttentionHeads, mask), self.at("out_proj"), hiddenSize));
  const hidden = ACTIVATIONS[hiddenAct](linear(layerNorm(h, w.at("layer_norm2"), layerNormEps), w.at("mlp", "fc1"), intermediateSize));
  return add(h, linear(hidden, w.at("mlp", "fc2"), hiddenSize));
}
