import type { Shape } from "../../tensor/tensor.js";
import type { Graph, Value } from "../graph.js";
import { concat, extent, reshape, slice } from "./shapes.js";

/*
 * On a processor, large pictures are worked on in bands of rows: a band is still in the caches when the next operation uses it, and is
 * freed before the last band is made. A picture in bands is joined only where an operation needs all of it; the graph leaves out joins that
 * nothing needs.
 */

/** Every band but the last has a multiple of this many rows, the side of Winograd's squares. */
const ROWS = 4;

/**
 * The first and last row (excluded) of each band of a picture [batch, channels, height, width]; one band if it is small or the target has
 * no bands.
 */
export function bandsOf(
  { lowering: { rowBlocks } }: Graph,
  [batch = 0, channels = 0, height = 0, width = 0]: Shape,
): (readonly [from: number, to: number])[] {
  const perRow = batch * channels * width;
  if (!rowBlocks || perRow * height <= rowBlocks.largestWhole) return [[0, height]];
  const step = ROWS * Math.max(1, Math.floor(rowBlocks.largestBand / (ROWS * perRow)));
  return Array.from({ length: Math.ceil(height / step) }, (_, i) => [i * step, Math.min(height, (i + 1) * step)]);
}

/** The rows `start` to `end` (excluded) of the picture x [batch, channels, height, width]; if it is in bands, from those. */
export function takeRows(x: Value, start: number, end: number): Value {
  if (!x.bands || (start === 0 && end === x.shape[2])) return slice(x, 2, start, end);
  const parts: Value[] = [];
  let top = 0;
  for (const band of x.bands) {
    const bottom = top + extent(band, 2);
    if (top < end && start < bottom) parts.push(takeRows(band, Math.max(start, top) - top, Math.min(end, bottom) - top));
    top = bottom;
  }
  return concat(parts as [Value, ...Value[]], 2);
}

/** The picture [batch, channels, height, width] in these bands of rows, from top to bottom. */
export function joinRows(bands: readonly Value[]): Value {
  const [first, ...rest] = bands as [Value, ...Value[]];
  return rest.length === 0 ? first : { ...concat([first, ...rest], 2), bands };
}

/**
 * The result of `build` for x [batch, tokens, features], in blocks of tokens if a hidden layer of `hiddenWidth` numbers a token is large.
 */
export function inTokenBlocks(x: Value, hiddenWidth: number, build: (x: Value) => Value): Value {
  const [batch = 0, tokens = 0, features = 0] = x.shape;
  const { rowBlocks } = x.graph.lowering;
  const rows = batch * tokens;
  const atOnce = rowBlocks ? Math.ceil(rowBlocks.largestHidden / hiddenWidth) : rows;
  if (rows <= atOnce) return build(x);
  const flat = reshape(x, [rows, features]);
  const parts: Value[] = [];
  for (let row = 0; row < rows; row += atOnce) parts.push(build(slice(flat, 0, row, Math.min(rows, row + atOnce))));
  return reshape(concat(parts as [Value, ...Value[]], 0), [batch, tokens, -1]);
}
