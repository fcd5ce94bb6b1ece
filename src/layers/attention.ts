import { ConfigError } from "../errors.js";
import type { Value } from "../graph/graph.js";
import { attention } from "../graph/ops/attention.js";
import { add, addBatches, scale } from "../graph/ops/elementwise.js";
import { concat, repeatBatch, reshape, slice, transpose } from "../graph/ops/shapes.js";
import type { Scope } from "../graph/scope.js";
import { groupNorm, layerNorm, linear, linearRows } from "./basic.js";
import { attendToImages } from "./image-prompts.js";

/**
 * Attention of x [batch, tokens, channels] to context [batch or a multiple of it, tokens, features] (Vaswani et al. 2017). `inner` is the
 * width of all heads together. The result has the context's batch. Matches diffusers' Attention.
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
    const attended = attention(query, project(context, "to_k"), project(context, "to_v"), count);
    slices.push(attendToImages(attended, query, w.imagePrompts, { heads: count, rows: [head * width, (head + count) * width] }));
  }
  return linear(concat(slices as [Value, ...Value[]], 2), w.at("to_out", 0), channels);
}

/** Which rows of a batch have perturbed self-attention, and in which layers (Ahn et al. 2024, PAG). */
export interface Perturbation {
  /** Whether the attention layer at this path is perturbed. */
  readonly isIn: (path: string) => boolean;
  /** The number of rows, the last ones of the batch. */
  readonly rows: number;
}

/**
 * Self-attention of x [batch or a part of it, tokens, channels] whose last `rows` of `batch` are perturbed: each token attends to itself
 * alone, so that only its value is left. Matches diffusers' PAGCFGIdentitySelfAttnProcessor2_0.
 */
export function perturbedSelfAttention(x: Value, w: Scope, heads: number, rows: number, batch: number): Value {
  const [own = 1, , channels = 0] = x.shape;
  const isWhole = own === batch;
  const plain = isWhole ? batch - rows : Math.min(own, batch - rows);
  const kept = plain > 0 ? slice(x, 0, 0, plain) : undefined;
  const attended = kept && multiHeadAttention(kept, kept, w, heads);
  const alone = isWhole ? slice(x, 0, batch - rows, batch) : repeatBatch(x, rows);
  const values = linear(linearRows(alone, w.at("to_v"), channels, [0, channels]), w.at("to_out", 0), channels);
  return attended ? concat([repeatBatch(attended, batch - rows), values], 0) : values;
}

/** How attention over pixels and a text together is built. */
export interface AddedAttentionOptions {
  /** Features of the text [batch or a multiple of it, tokens, features]. */
  readonly context: Value;
  /** Channels of a head. */
  readonly headWidth: number;
  /** Groups of the norm before attention. */
  readonly groups: number;
  /** Whether pixels attend to the text alone, not to the pixels. */
  readonly onlyCrossAttention: boolean;
  /** The norm of the text's features; none by default. */
  readonly contextNorm: "layer_norm" | "group_norm" | null | undefined;
}

/** Groups of the norm of the text's features in diffusers. */
const CONTEXT_GROUPS = 32;

/**
 * Attention of the pixels of x [batch, channels, height, width] to a text and to themselves at once (Nichol et al. 2021, GLIDE), with a
 * group norm before it and a residual around both. The result has the context's batch. Matches diffusers' AttnAddedKVProcessor.
 * @throws ConfigError if the heads do not fill the channels.
 */
export function addedAttention(x: Value, w: Scope, options: AddedAttentionOptions): Value {
  const { context, headWidth, groups, onlyCrossAttention, contextNorm } = options;
  const [batch = 1, channels = 0, height = 0, width = 0] = x.shape;
  if (channels % headWidth !== 0)
    throw new ConfigError(`attention_head_dim is ${headWidth}; the ${channels} channels of a block are not a multiple of it`);
  const normed = groupNorm(x, w.at("group_norm"), groups, 1e-5);
  const tokens = transpose(reshape(normed, [batch, channels, height * width]), [0, 2, 1]);
  const text = normedContext(context, w.at("norm_cross"), contextNorm);
  const rows = Math.max(batch, text.shape[0] ?? 1);
  const ofPixels = (name: string) => repeatBatch(linear(tokens, w.at(name), channels), rows);
  const ofText = (name: string) => repeatBatch(linearRows(text, w.at(name), channels, [0, channels], { isExact: true }), rows);
  const both = (added: string, own: string) => (onlyCrossAttention ? ofText(added) : concat([ofText(added), ofPixels(own)], 1));
  const attended = attention(ofPixels("to_q"), both("add_k_proj", "to_k"), both("add_v_proj", "to_v"), channels / headWidth);
  const result = linear(attended, w.at("to_out", 0), channels);
  return addBatches(x, reshape(transpose(result, [0, 2, 1]), [rows, channels, height, width]));
}

function normedContext(context: Value, w: Scope, norm: AddedAttentionOptions["contextNorm"]): Value {
  if (!norm) return context;
  if (norm === "layer_norm") return layerNorm(context, w);
  const [batch = 1, tokens = 0, features = 0] = context.shape;
  const columns = reshape(transpose(context, [0, 2, 1]), [batch, features, tokens, 1]);
  return transpose(reshape(groupNorm(columns, w, CONTEXT_GROUPS, 1e-5), [batch, features, tokens]), [0, 2, 1]);
}

/** How attention over pixels is built. */
export interface PixelAttentionOptions {
  /** Channels of a head; undefined: there is one head with all of them. */
  readonly headWidth: number | undefined;
  /** Groups of the norm before attention; undefined: no norm. */
  readonly groups: number | undefined;
  readonly epsilon: number;
  /** The sum is divided by it. */
  readonly outputScale?: number;
}

/**
 * Self-attention over the pixels of x [batch, channels, height, width], with a group norm before it and a residual around both.
 * @throws ConfigError if a head is wider than the channels.
 */
export function pixelAttention(x: Value, w: Scope, { headWidth, groups, epsilon, outputScale = 1 }: PixelAttentionOptions): Value {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  // If the heads do not fill the channels, the projections are narrower: 24 channels have one head of 16.
  const heads = Math.floor(channels / (headWidth ?? channels));
  if (heads === 0) throw new ConfigError(`attention_head_dim is ${headWidth}; a block has only ${channels} channels`);
  const normed = groups === undefined ? x : groupNorm(x, w.at("group_norm"), groups, epsilon);
  const tokens = transpose(reshape(normed, [batch, channels, height * width]), [0, 2, 1]);
  const attended = multiHeadAttention(tokens, tokens, w, heads, heads * (headWidth ?? channels));
  return scale(add(reshape(transpose(attended, [0, 2, 1]), x.shape), x), 1 / outputScale);
}
