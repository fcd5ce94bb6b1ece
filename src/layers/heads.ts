import type { Value } from "../graph/graph.js";
import { attention } from "../graph/ops/attention.js";
import { concat, extent, reshape, slice } from "../graph/ops/shapes.js";
import type { Scope } from "../graph/scope.js";
import { rmsNorm } from "./basic.js";

// What transformers over joined sequences do with the heads of their attention.

/** Root mean square norm of every head of x [batch, tokens, heads * width]. */
export function headNorm(x: Value, w: Scope, heads: number, epsilon: number): Value {
  return reshape(rmsNorm(reshape(x, [...x.shape.slice(0, -1), heads, -1]), w, epsilon), x.shape);
}

/**
 * Attention of `heads` heads over query, key and value [batch, tokens, heads * width], in steps of fewer heads if the caller of the network
 * wants that. `bias` [1, 1, tokens, context] is added to the scores.
 */
export function attend(query: Value, key: Value, value: Value, heads: number, bias?: Value): Value {
  const width = extent(query, 2) / heads;
  const step = query.graph.headsAtOnce(heads);
  const parts: Value[] = [];
  for (let head = 0; head < heads; head += step) {
    const count = Math.min(step, heads - head);
    const part = (x: Value) => slice(x, 2, head * width, (head + count) * width);
    parts.push(attention(part(query), part(key), part(value), count, bias));
  }
  return concat(parts as [Value, ...Value[]], 2);
}

/**
 * As {@link attend}, for several sequences of these `lengths` one after another in [1, tokens, heads * width]. Each attends to itself
 * alone, so that sequences of different lengths need no padding and no mask.
 */
export function attendWithin(query: Value, key: Value, value: Value, heads: number, lengths: readonly number[]): Value {
  const [first = 0] = lengths;
  if (lengths.every((length) => length === first)) {
    const rows = (x: Value) => reshape(x, [lengths.length, first, -1]);
    return reshape(attend(rows(query), rows(key), rows(value), heads), query.shape);
  }
  const [queries, keys, values] = [query, key, value].map((x) => sequences(x, lengths)) as [Value[], Value[], Value[]];
  return concat(queries.map((each, i) => attend(each, keys[i] as Value, values[i] as Value, heads)) as [Value, ...Value[]], 1);
}

/** The sequences of these lengths that x [1, tokens, ...] has one after another. */
export function sequences(x: Value, lengths: readonly number[], axis = 1): Value[] {
  let end = 0;
  return lengths.map((length) => {
    end += length;
    return slice(x, axis, end - length, end);
  });
}
