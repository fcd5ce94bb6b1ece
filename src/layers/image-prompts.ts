import type { Value } from "../graph/graph.js";
import type { ImagePrompt } from "../graph/image-prompt.js";
import { attention } from "../graph/ops/attention.js";
import { add, mul } from "../graph/ops/elementwise.js";
import { affine } from "../graph/ops/products.js";
import { reshape, slice } from "../graph/ops/shapes.js";
import { rowsOf, type StoredTensor } from "../tensor/stored-tensor.js";
import type { Rows } from "./adapters.js";

/** The heads that are computed. */
interface Heads {
  readonly heads: number;
  /** Their part of all heads' channels. */
  readonly rows: Rows;
}

/**
 * Adds to `attended`, the attention of `query` [batch, queries, channels] to text, the attention to the pictures of each prompt: decoupled
 * cross-attention (Ye et al. 2023, section 3.2). Matches diffusers' IPAdapterAttnProcessor2_0.
 */
export function attendToImages(attended: Value, query: Value, prompts: readonly ImagePrompt[], heads: Heads): Value {
  return prompts.reduce((sum, prompt) => add(sum, imageAttention(query, prompt, heads)), attended);
}

function imageAttention(query: Value, { tokens, key, value, scales, mask }: ImagePrompt, { heads, rows: [start, end] }: Heads): Value {
  const { graph } = query;
  const [batch = 0, images = 0, count = 0, width = 0] = tokens.shape;
  const weight = (stored: StoredTensor) => graph.weight(rowsOf(stored, start, end), [end - start, width]);
  const attend = (part: Value) => attention(query, affine(part, weight(key)), affine(part, weight(value)), heads);
  const strength = (i: number) => (scales[i] ?? scales[0]) as Value;
  if (!mask) return mul(attend(reshape(tokens, [batch, images * count, width])), strength(0));
  const queries = query.shape[1] ?? 0;
  const places = mask(queries);
  const masked = Array.from({ length: images }, (_, i) => {
    const one = attend(reshape(slice(tokens, 1, i, i + 1), [batch, count, width]));
    return mul(mul(one, reshape(slice(places, 1, i, i + 1), [1, queries, 1])), strength(i));
  });
  return masked.reduce(add);
}
