import { ConfigError } from "../errors.js";
import type { Value } from "../graph/graph.js";
import { gelu } from "../graph/ops/activations.js";
import { attention } from "../graph/ops/attention.js";
import { inTokenBlocks } from "../graph/ops/bands.js";
import { add, addBatches, mul, scale } from "../graph/ops/elementwise.js";
import { concat, repeatBatch, reshape, transpose } from "../graph/ops/shapes.js";
import type { Scope } from "../graph/scope.js";
import { groupNorm, layerNorm, linear, linearRows } from "./basic.js";

/** How a spatial transformer is built. */
export interface TransformerOptions {
  readonly heads: number;
  /** Transformer blocks one after another. */
  readonly layers: number;
  /** Groups of the norm before it. */
  readonly groups: number;
  /** The first attention looks at the context as well, not at the picture itself. */
  readonly onlyCrossAttention?: boolean;
}

/**
 * Spatial transformer (Rombach et al. 2022, section 3.3): x [batch, channels, height, width] attends to itself and to
 * context [batch, tokens, features]. Matches diffusers' Transformer2DModel; `proj_in` and `proj_out` may be linear or 1x1 convolutions.
 * A context of n times the batch is n contexts for the same x, and the result has its batch: until the first look at it there is one x to compute.
 */
export function spatialTransformer(
  x: Value,
  context: Value,
  w: Scope,
  { heads, layers, groups, onlyCrossAttention = false }: TransformerOptions,
): Value {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  const normed = groupNorm(x, w.at("norm"), groups, 1e-6);
  let h = linear(transpose(reshape(normed, [batch, channels, height * width]), [0, 2, 1]), w.at("proj_in"), channels);
  for (let i = 0; i < layers; i++) {
    h = transformerBlock(h, context, w.at("transformer_blocks", i), heads, onlyCrossAttention);
  }
  h = linear(h, w.at("proj_out"), channels);
  return addBatches(x, reshape(transpose(h, [0, 2, 1]), [-1, channels, height, width]));
}

/** Self-attention, cross-attention and feed-forward, each behind a layer norm and a residual. Matches diffusers' BasicTransformerBlock. */
function transformerBlock(x: Value, context: Value, w: Scope, heads: number, onlyCrossAttention: boolean): Value {
  let normed = layerNorm(x, w.at("norm1"));
  let h = addBatches(x, multiHeadAttention(normed, onlyCrossAttention ? context : normed, w.at("attn1"), heads));
  normed = layerNorm(h, w.at("norm2"));
  h = addBatches(h, multiHeadAttention(normed, context, w.at("attn2"), heads));
  return add(h, feedForward(layerNorm(h, w.at("norm3")), w.at("ff")));
}

/**
 * Attention of x [batch, tokens, channels] to context [batch or a multiple, tokens, features] (Vaswani et al. 2017); `inner` is the width of all heads
 * together. The result has the context's batch.
 * Matches diffusers' Attention.
 */
export function multiHeadAttention(x: Value, context: Value, w: Scope, heads: number, inner = x.shape.at(-1) ?? 0): Value {
  const channels = x.shape.at(-1) ?? 0;
  const width = inner / heads;
  const step = x.graph.headsAtOnce(heads);
  const slices: Value[] = [];
  for (let head = 0; head < heads; head += step) {
    const count = Math.min(step, heads - head);
    const project = (input: Value, name: string) =>
      linearRows(input, w.at(name), inner, [head * width, (head + count) * width], { isExact: input !== x });
    const query = repeatBatch(project(x, "to_q"), context.shape[0] ?? 1);
    slices.push(attention(query, project(context, "to_k"), project(context, "to_v"), count));
  }
  return linear(concat(slices as [Value, ...Value[]], 2), w.at("to_out", 0), channels);
}

/** How attention over pixels is built. */
export interface PixelAttentionOptions {
  /** Channels of one head; undefined: one head has all of them. */
  readonly headWidth: number | undefined;
  /** Groups of the norm before it; undefined: no norm. */
  readonly groups: number | undefined;
  readonly epsilon: number;
  /** The sum is divided by it. */
  readonly outputScale?: number;
}

/**
 * Self-attention over the pixels of x [batch, channels, height, width] with a group norm before and a residual around it.
 * @throws ConfigError if a head is wider than the channels.
 */
export function pixelAttention(x: Value, w: Scope, { headWidth, groups, epsilon, outputScale = 1 }: PixelAttentionOptions): Value {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  // Where heads do not fill the channels, the projections are narrower: 24 channels have one head of 16.
  const heads = Math.floor(channels / (headWidth ?? channels));
  if (heads === 0) throw new ConfigError(`attention_head_dim is ${headWidth}; a block has only ${channels} channels`);
  const normed = groups === undefined ? x : groupNorm(x, w.at("group_norm"), groups, epsilon);
  const tokens = transpose(reshape(normed, [batch, channels, height * width]), [0, 2, 1]);
  const attended = multiHeadAttention(tokens, tokens, w, heads, heads * (headWidth ?? channels));
  return scale(add(reshape(transpose(attended, [0, 2, 1]), x.shape), x), 1 / outputScale);
}

/** Two layers with a gated GELU (Shazeer 2020). The weight's two halves are read as two layers, which saves splitting the product. */
function feedForward(input: Value, w: Scope): Value {
  const channels = input.shape.at(-1) ?? 0;
  const inner = 4 * channels;
  const projection = w.at("net", 0, "proj");
  return inTokenBlocks(input, inner, (x) => {
    const hidden = linearRows(x, projection, 2 * inner, [0, inner]);
    const gate = linearRows(x, projection, 2 * inner, [inner, 2 * inner]);
    return linear(mul(hidden, gelu(gate)), w.at("net", 2), channels);
  });
}
