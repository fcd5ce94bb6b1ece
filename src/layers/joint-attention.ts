import type { Value } from "../graph/graph.js";
import { geluTanh } from "../graph/ops/activations.js";
import { attention } from "../graph/ops/attention.js";
import { clip } from "../graph/ops/elementwise.js";
import { type RotaryValues, rotate } from "../graph/ops/rotary.js";
import { concat, extent, reshape, slice } from "../graph/ops/shapes.js";
import type { Scope } from "../graph/scope.js";
import { linear, plainLayerNorm, rmsNorm } from "./basic.js";
import { plainFeedForward } from "./feed-forward.js";
import { gated, modulate } from "./modulation.js";

// Blocks in which the tokens of a picture and of a text attend to each other, each with weights of their own (Esser et al. 2024, MMDiT).

/** The tokens [batch, tokens, width] of a picture and of its text. */
export interface Streams {
  readonly image: Value;
  readonly text: Value;
}

/** How tokens attend. */
export interface TokenAttentionOptions {
  readonly heads: number;
  /** The epsilon of the norms of each head's queries and keys; undefined: there are no norms. */
  readonly normEpsilon?: number | undefined;
  /** Angles by which neighbouring channels of queries and keys are rotated, for the text's tokens, then the picture's. */
  readonly rotary?: RotaryValues | undefined;
  /** Added to the scores: [1 or batch, 1, tokens, tokens]. */
  readonly bias?: Value | undefined;
}

/** The epsilon of the layer norms of these blocks. */
export const NORM_EPSILON = 1e-6;

type Projections = readonly [query: Value, key: Value, value: Value];

/** Self-attention of x [batch, tokens, width], without the linear layer after it. */
export function tokenAttention(x: Value, w: Scope, options: TokenAttentionOptions): Value {
  return attend(projections(x, w, ["to_q", "to_k", "to_v"], ["norm_q", "norm_k"], options), options);
}

/** Attention of all tokens to all tokens of both streams. Without `toText`, the text's results are not projected. */
function jointAttention({ image, text }: Streams, w: Scope, options: TokenAttentionOptions, toText: boolean): Streams {
  const width = extent(image, 2);
  const ofText = projections(text, w, ["add_q_proj", "add_k_proj", "add_v_proj"], ["norm_added_q", "norm_added_k"], options);
  const ofImage = projections(image, w, ["to_q", "to_k", "to_v"], ["norm_q", "norm_k"], options);
  const both = ofText.map((one, i) => concat([one, ofImage[i] as Value], 1)) as unknown as Projections;
  const attended = attend(both, options);
  const tokens = extent(text, 1);
  return {
    image: linear(slice(attended, 1, tokens, extent(attended, 1)), w.at("to_out", 0), width),
    text: toText ? linear(slice(attended, 1, 0, tokens), w.at("to_add_out"), width) : text,
  };
}

function projections(
  x: Value,
  w: Scope,
  [q, k, v]: readonly [string, string, string],
  [normQ, normK]: readonly [string, string],
  { heads, normEpsilon }: TokenAttentionOptions,
): Projections {
  const [batch = 0, tokens = 0, width = 0] = x.shape;
  const project = (name: string) => linear(x, w.at(name), width);
  const normed = (name: string, norm: string) => {
    const projected = project(name);
    if (normEpsilon === undefined) return projected;
    return reshape(rmsNorm(reshape(projected, [batch, tokens, heads, -1]), w.at(norm), normEpsilon), projected.shape);
  };
  return [normed(q, normQ), normed(k, normK), project(v)];
}

function attend([query, key, value]: Projections, { heads, rotary, bias }: TokenAttentionOptions): Value {
  const turned = (x: Value) => (rotary ? rotate(x, rotary, { interleaved: true }) : x);
  return attention(turned(query), turned(key), value, heads, bias);
}

/** The vectors [batch, 1, width] that modulate a block's streams, each in the order shift, scale, gate. */
export interface BlockModulation {
  /** Three vectors for attention and three for the perceptron; three more for a second attention of the picture alone. */
  readonly image: readonly Value[];
  /** Three for attention and three for the perceptron; of the last block only shift and scale: the text's tokens end there. */
  readonly text: readonly Value[];
}

/**
 * A block with attention over both streams, and a perceptron for each. Matches diffusers' FluxTransformerBlock and JointTransformerBlock.
 */
export function jointBlock({ image, text }: Streams, w: Scope, by: BlockModulation, options: TokenAttentionOptions): Streams {
  const [shift, scale, gate, mlpShift, mlpScale, mlpGate, ownShift, ownScale, ownGate] = by.image as SixAndThree;
  const [textShift, textScale, textGate, textMlpShift, textMlpScale, textMlpGate] = by.text as TwoOrSix;
  const normed = plainLayerNorm(image, NORM_EPSILON);
  const attended = jointAttention(
    { image: modulate(normed, shift, scale), text: modulate(plainLayerNorm(text, NORM_EPSILON), textShift, textScale) },
    w.at("attn"),
    options,
    textGate !== undefined,
  );
  let pixels = gated(image, gate, attended.image);
  if (ownShift && ownScale && ownGate) {
    const own = w.at("attn2");
    const alone = tokenAttention(modulate(normed, ownShift, ownScale), own, options);
    pixels = gated(pixels, ownGate, linear(alone, own.at("to_out", 0), extent(image, 2)));
  }
  pixels = mlp(pixels, w.at("ff"), mlpShift, mlpScale, mlpGate);
  if (!textGate || !textMlpShift || !textMlpScale || !textMlpGate) return { image: pixels, text };
  const words = mlp(gated(text, textGate, attended.text), w.at("ff_context"), textMlpShift, textMlpScale, textMlpGate);
  return { image: pixels, text: limited(words) };
}

type Six = readonly [shift: Value, scale: Value, gate: Value, mlpShift: Value, mlpScale: Value, mlpGate: Value];
type SixAndThree = readonly [...Six, shift?: Value, scale?: Value, gate?: Value];
type TwoOrSix = readonly [shift: Value, scale: Value, gate?: Value, mlpShift?: Value, mlpScale?: Value, mlpGate?: Value];

/** Hidden features of a perceptron for each of a token. */
const MLP_RATIO = 4;

function mlp(x: Value, w: Scope, shift: Value, scale: Value, gate: Value): Value {
  return gated(x, gate, plainFeedForward(modulate(plainLayerNorm(x, NORM_EPSILON), shift, scale), w, "gelu_pytorch_tanh"));
}

/** A block over all tokens, whose attention and perceptron run side by side. Matches diffusers' FluxSingleTransformerBlock. */
export function parallelBlock(x: Value, w: Scope, by: readonly Value[], options: TokenAttentionOptions): Value {
  const [shift, scale, gate] = by as readonly [Value, Value, Value];
  const width = extent(x, 2);
  const normed = modulate(plainLayerNorm(x, NORM_EPSILON), shift, scale);
  const hidden = geluTanh(linear(normed, w.at("proj_mlp"), MLP_RATIO * width));
  const both = concat([tokenAttention(normed, w.at("attn"), options), hidden], 2);
  return limited(gated(x, gate, linear(both, w.at("proj_out"), width)));
}

/** In half precision, numbers limited to its range, as in diffusers: some tokens exceed it. */
function limited(x: Value): Value {
  return x.dtype === "float16" ? clip(x, -65504, 65504) : x;
}
