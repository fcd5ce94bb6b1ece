import { ConfigError } from "../../errors.js";
import type { Value } from "../graph.js";
import { add, scale } from "./elementwise.js";
import { narrow, widen } from "./precision.js";
import { matmul } from "./products.js";
import { concat, extent, reshape, slice, transpose } from "./shapes.js";

/**
 * Scaled dot-product attention over `heads` heads. query [batch, tokens, channels], key and value [batch, context, channels]. Scores are
 * multiplied by `factor`, by default one over the root of a head's width; then `bias` [1 or batch, 1 or heads, tokens, context] is added.
 *
 * The config field `upcast_attention` (Stable Diffusion 2.1) is ignored. It is for scores that overflow half precision before they are
 * scaled; here queries are scaled first, or the operation does it. diffusers' attention for torch 2 ignores it, too.
 * @throws ConfigError if the channels do not divide into the heads.
 */
export function attention(query: Value, key: Value, value: Value, heads: number, bias?: Value, factor?: number): Value {
  const { graph, shape } = query;
  if (!(extent(query, 2) % heads === 0)) throw new ConfigError(`${shape[2]} channels do not divide into ${heads} attention heads`);
  const [batch = 0, tokens = 0] = shape;
  const atOnce = Math.max(1, Math.floor(graph.lowering.attention.largestScores / (batch * heads * extent(key, 1))));
  if (tokens <= atOnce) return attendAtOnce(query, key, value, heads, bias, factor);
  const blocks: Value[] = [];
  for (let start = 0; start < tokens; start += atOnce) {
    const end = Math.min(tokens, start + atOnce);
    blocks.push(attendAtOnce(slice(query, 1, start, end), key, value, heads, bias && slice(bias, 2, start, end), factor));
  }
  return concat(blocks as [Value, ...Value[]], 1);
}

function attendAtOnce(query: Value, key: Value, value: Value, heads: number, bias: Value | undefined, factor: number | undefined): Value {
  const { widestFusedHead, largestFused } = query.graph.lowering.attention;
  const width = extent(query, 2) / heads;
  const isFused = width <= widestFusedHead && width * extent(query, 1) * extent(key, 1) <= largestFused;
  return (isFused ? fusedAttention : writtenOutAttention)(query, key, value, heads, bias, factor);
}

/** Attention as one operation of the runtime. */
export function fusedAttention(query: Value, key: Value, value: Value, heads: number, bias?: Value, factor?: number): Value {
  const shape = [...query.shape.slice(0, 2), extent(value, 2)];
  const inputs = [query, key, value, undefined, undefined, bias].map((input) => input && narrow(input));
  return query.graph.node("MultiHeadAttention", inputs, {
    shape,
    domain: "com.microsoft",
    attributes: { num_heads: heads, ...(factor !== undefined && { scale: { float: factor } }) },
  });
}

/**
 * The most tokens whose exponentials are summed in half precision. The sum of twice as many can exceed the largest half-precision number.
 */
const LONGEST_HALF_SUM = 2 ** 15;

/** Attention step by step. */
export function writtenOutAttention(query: Value, key: Value, value: Value, heads: number, bias?: Value, factor?: number): Value {
  const { graph } = query;
  const [batch = 0, tokens = 0] = query.shape;
  const context = extent(key, 1);
  const split = (x: Value, length: number) => reshape(x, [batch, length, heads, -1]);
  const perHead = (x: Value, length: number) => transpose(split(narrow(x), length), [0, 2, 1, 3]);
  const scores = matmul(
    scale(perHead(query, tokens), factor ?? Math.sqrt(heads / extent(query, 2))),
    transpose(split(narrow(key), context), [0, 2, 3, 1]),
  );
  const biased = bias ? add(scores, bias) : scores;
  const summable = context > LONGEST_HALF_SUM ? widen(biased) : biased;
  const weights = narrow(graph.node("Softmax", [summable], { shape: biased.shape, attributes: { axis: -1 } }));
  return reshape(transpose(matmul(weights, perHead(value, context)), [0, 2, 1, 3]), [batch, tokens, -1]);
}
