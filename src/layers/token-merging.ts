import type { Value } from "../graph/graph.js";
import { div, mul } from "../graph/ops/elementwise.js";
import { concat, expand, gather, reshape, slice, transpose } from "../graph/ops/shapes.js";

/** How tokens are merged before self-attention. */
export interface MergeOptions {
  /** The share of tokens that are merged into others, 0 to 0.75. */
  readonly ratio: number;
  /** Rows and columns of tokens. */
  readonly size: readonly [height: number, width: number];
}

/** Side of the squares of tokens in which one stays, and the others may be merged. */
const STRIDE = 2;

/**
 * `inner` of the tokens `x` [batch, tokens, channels] after similar ones were merged: the first token of every square of 2 x 2 stays, and
 * of the others the share `ratio` of all tokens that are most like one of these, by the cosine of `metric`, are replaced by their mean.
 * Each merged token gets the result of the mean (Bolya & Hoffman 2023, arXiv:2303.17604). Matches tomesd 0.1.3 with `use_rand=False`.
 */
export function withMergedTokens(x: Value, metric: Value, { ratio, size }: MergeOptions, inner: (merged: Value) => Value): Value {
  const [batch = 1, tokens = 0] = x.shape;
  const { kept, others } = parted(size);
  const count = Math.min(Math.trunc(tokens * ratio), others.length);
  if (count === 0) return inner(x);
  const row = (value: Value, index: number) => reshape(slice(value, 0, index, index + 1), [tokens, -1]);
  const merged = Array.from({ length: batch }, (_, i) => mergeRow(row(x, i), row(metric, i), kept, others, count));
  const joined = (rows: readonly Value[]) => concat(rows.map((each) => reshape(each, [1, ...each.shape])) as [Value, ...Value[]], 0);
  const results = inner(joined(merged.map(({ means }) => means)));
  return joined(merged.map(({ places }, i) => gather(reshape(slice(results, 0, i, i + 1), [tokens - count, -1]), places)));
}

/** The numbers of the tokens that stay, and of the others. */
function parted([height, width]: readonly [number, number]): { readonly kept: readonly number[]; readonly others: readonly number[] } {
  const isKept = (token: number) => {
    const [row, column] = [Math.floor(token / width), token % width];
    return row % STRIDE === 0 && column % STRIDE === 0 && row + STRIDE <= height && column + STRIDE <= width;
  };
  const all = Array.from({ length: height * width }, (_, token) => token);
  return { kept: all.filter(isKept), others: all.filter((token) => !isKept(token)) };
}

/** The merged tokens of one picture [tokens - count, channels], and for each token the place of its result among them. */
function mergeRow(x: Value, metric: Value, kept: readonly number[], others: readonly number[], count: number) {
  const { graph } = x;
  const [tokens = 0, channels = 0] = x.shape;
  const [keptIds, otherIds] = [graph.integers(kept), graph.integers(others)];
  const squares = graph.node("ReduceSum", [mul(metric, metric), graph.integers([1])], { shape: [tokens, 1], attributes: { keepdims: 1 } });
  const normed = div(metric, graph.node("Sqrt", [squares], { shape: squares.shape }));
  const scores = graph.node("MatMul", [gather(normed, otherIds), transpose(gather(normed, keptIds), [1, 0])], {
    shape: [others.length, kept.length],
  });
  const [best, nearest] = topK(scores, 1);
  const [, order] = topK(reshape(best, [others.length]), others.length);
  const ids = (value: Value, start: number, end: number) => slice(value, 0, start, end);
  const gone = ids(order, 0, count);
  const target = gather(reshape(nearest, [others.length]), gone);

  const ones = graph.constant([1], [1, 1], x.dtype as "float32");
  const rows = (value: Value, width: number) => expand(value, [count, width]);
  const scattered = (onto: Value, updates: Value, width: number) =>
    graph.node("ScatterElements", [onto, rows(reshape(target, [count, 1]), width), updates], {
      shape: onto.shape,
      attributes: { axis: 0, reduction: "add" },
    });
  const sums = scattered(gather(x, keptIds), gather(x, gather(otherIds, gone)), channels);
  const counts = scattered(expand(ones, [kept.length, 1]), rows(ones, 1), 1);
  const means = div(sums, counts);

  const left = others.length - count;
  const from = (start: number, length: number) => graph.integers(Array.from({ length }, (_, i) => start + i));
  const keptPlaces = from(left, kept.length);
  const unmerged = left > 0 ? ids(order, count, others.length) : undefined;
  const sources = concat([keptIds, gather(otherIds, gone), ...(unmerged ? [gather(otherIds, unmerged)] : [])], 0);
  const targets = concat([keptPlaces, gather(keptPlaces, target), ...(unmerged ? [from(0, left)] : [])], 0);
  const places = graph.node("ScatterElements", [from(0, tokens), sources, targets], {
    shape: [tokens],
    dtype: "int64",
    attributes: { axis: 0 },
  });
  return { means: unmerged ? concat([gather(x, gather(otherIds, unmerged)), means], 0) : means, places };
}

/** The largest `count` values of the last axis, in falling order, and their places. */
function topK(x: Value, count: number): readonly [values: Value, places: Value] {
  const shape = [...x.shape.slice(0, -1), count];
  const results = x.graph.nodeOf(
    "TopK",
    [x, x.graph.integers([count])],
    [
      { shape, dtype: x.dtype },
      { shape, dtype: "int64" },
    ],
  );
  return results as unknown as readonly [Value, Value];
}
