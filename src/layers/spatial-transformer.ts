import type { Value } from "../graph/graph.js";
import { add, addBatches } from "../graph/ops/elementwise.js";
import { reshape, transpose } from "../graph/ops/shapes.js";
import type { Scope } from "../graph/scope.js";
import { pageTurn } from "../page-turn.js";
import { multiHeadAttention, type Perturbation, perturbedSelfAttention } from "./attention.js";
import { groupNorm, layerNorm, linear } from "./basic.js";
import { feedForward } from "./feed-forward.js";
import { type MergeOptions, withMergedTokens } from "./token-merging.js";

/** How a spatial transformer is built. */
export interface TransformerOptions {
  readonly heads: number;
  /** Transformer blocks. */
  readonly layers: number;
  /** Groups of the norm before it. */
  readonly groups: number;
  /** Whether a block's first attention is also to the context, not to the picture itself. */
  readonly onlyCrossAttention?: boolean;
  /** Rows and layers whose self-attention is perturbed. */
  readonly perturbs?: Perturbation | undefined;
  /** The share of tokens that are merged before self-attention; none by default. */
  readonly mergeRatio?: number | undefined;
}

/**
 * Spatial transformer (Rombach et al. 2022, section 3.3): x [batch, channels, height, width] attends to itself and to context [batch,
 * tokens, features]. `proj_in` and `proj_out` can be linear layers or 1x1 convolutions. Matches diffusers' Transformer2DModel.
 *
 * A context with n times the batch holds n contexts for each x. The result has the context's batch. What comes before the first
 * cross-attention is computed once for all of them.
 */
export async function spatialTransformer(
  x: Value,
  context: Value,
  w: Scope,
  { heads, layers, groups, onlyCrossAttention = false, perturbs, mergeRatio }: TransformerOptions,
): Promise<Value> {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  const normed = groupNorm(x, w.at("norm"), groups, 1e-6);
  let h = linear(transpose(reshape(normed, [batch, channels, height * width]), [0, 2, 1]), w.at("proj_in"), channels);
  const merges: MergeOptions | undefined = mergeRatio ? { ratio: mergeRatio, size: [height, width] } : undefined;
  for (let i = 0; i < layers; i++) {
    await pageTurn();
    h = transformerBlock(h, context, w.at("transformer_blocks", i), { heads, onlyCrossAttention, perturbs, merges });
  }
  h = linear(h, w.at("proj_out"), channels);
  return addBatches(x, reshape(transpose(h, [0, 2, 1]), [-1, channels, height, width]));
}

type BlockOptions = Pick<TransformerOptions, "heads" | "perturbs"> & {
  readonly onlyCrossAttention: boolean;
  readonly merges: MergeOptions | undefined;
};

/**
 * Self-attention, cross-attention and feed-forward, each with a layer norm before it and a residual around both. Matches diffusers'
 * BasicTransformerBlock.
 */
function transformerBlock(x: Value, context: Value, w: Scope, options: BlockOptions): Value {
  const { heads, onlyCrossAttention, perturbs, merges } = options;
  let normed = layerNorm(x, w.at("norm1"));
  const first = w.at("attn1");
  let h =
    perturbs && !onlyCrossAttention && perturbs.isIn(first.name)
      ? addBatches(x, perturbedSelfAttention(normed, first, heads, perturbs.rows, context.shape[0] ?? 1))
      : merges && !onlyCrossAttention
        ? addBatches(
            x,
            withMergedTokens(normed, x, merges, (merged) => multiHeadAttention(merged, merged, first, heads)),
          )
        : addBatches(x, multiHeadAttention(normed, onlyCrossAttention ? context : normed, first, heads));
  normed = layerNorm(h, w.at("norm2"));
  h = addBatches(h, multiHeadAttention(normed, context, w.at("attn2"), heads));
  return add(h, feedForward(layerNorm(h, w.at("norm3")), w.at("ff")));
}
