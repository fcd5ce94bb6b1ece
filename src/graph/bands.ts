import { type Shape, sizeOf } from "../tensor/tensor.js";
import type { Graph, Value } from "./graph.js";
import {
  add,
  type ConvOptions,
  checkGroups,
  concat,
  conv2d,
  convolvedShape,
  div,
  joinRows,
  matmul,
  mul,
  padsOf,
  reshape,
  resizeNearest,
  scale,
  shift,
  slice,
  sub,
  takeRows,
} from "./ops.js";

/*
 * Large pictures are worked on in bands of rows: a band is still in the processor's caches when the next operation takes it up, and is freed before the last one
 * is made. A picture in bands is put together only where something needs it whole; the graph leaves out what nothing needs.
 */

/** Rows of which a band has a multiple, but for the last: Winograd's squares have as many. */
const ROWS = 4;

/** From which to which row (excluded) each band goes of a picture [batch, channels, height, width]; one where it is small or not for a CPU. */
export function bandsOf(
  { lowering: { rowBlocks } }: Graph,
  [batch = 0, channels = 0, height = 0, width = 0]: Shape,
): (readonly [from: number, to: number])[] {
  const perRow = batch * channels * width;
  if (!rowBlocks || perRow * height <= rowBlocks.largestWhole) return [[0, height]];
  const step = ROWS * Math.max(1, Math.floor(rowBlocks.largestBand / (ROWS * perRow)));
  return Array.from({ length: Math.ceil(height / step) }, (_, i) => [i * step, Math.min(height, (i + 1) * step)]);
}

/** Convolution as `conv2d` does it, band by band where x or the result is large. */
export function bandedConv2d(x: Value, weight: Value, bias: Value | undefined, options: ConvOptions = {}): Value {
  const { stride = 1, padding = 0 } = options;
  const [batch = 0, channels = 0, height = 0] = x.shape;
  const [outChannels = 0, , kernel = 1] = weight.shape;
  const [above, left, , right] = padsOf(padding);
  const [, , outHeight = 0, outWidth = 0] = convolvedShape(x, weight, options);
  // A row of the result is made of `stride` rows of x.
  const bands = bandsOf(x.graph, [batch, Math.max(channels * stride ** 2, outChannels), outHeight, outWidth]);
  if (bands.length === 1) return conv2d(x, weight, bias, options);
  return joinRows(
    bands.map(([from, to]) => {
      const [first, last] = [from * stride - above, (to - 1) * stride - above + kernel];
      const [start, end] = [Math.max(0, first), Math.min(height, last)];
      return conv2d(takeRows(x, start, end), weight, bias, { stride, padding: [start - first, left, last - end, right] });
    }),
  );
}

/** Group normalisation as `groupNormalize` does it, band by band. @throws ConfigError if the channels do not divide. */
export function bandedGroupNormalize(x: Value, groups: number, epsilon: number, weight: Value, bias: Value): Value {
  const { graph } = x;
  const [batch = 0, channels = 0] = x.shape;
  checkGroups(channels, groups);
  const perGroup = (value: Value) => reshape(value, [groups, -1]);
  const { mean, variance } = momentsOf(x, x.bands ?? [x], groups);
  const deviation = graph.node("Sqrt", [shift(variance, epsilon)], { shape: variance.shape });
  const gain = div(perGroup(weight), deviation);
  const offset = sub(perGroup(bias), mul(mean, gain));
  const perChannel = [batch, channels, 1, 1];
  return add(mul(x, reshape(gain, perChannel)), reshape(offset, perChannel));
}

/**
 * Mean and variance of each group of channels [batch, groups, 1], gathered from the bands' own (Chan, Golub & LeVeque 1983). The mean of equal numbers is exactly
 * that number: a rounded mean is off by as much as a deviation of almost 0, which the normalisation divides by.
 */
function momentsOf({ graph, shape }: Value, bands: readonly Value[], groups: number): { mean: Value; variance: Value } {
  const [batch = 0, , height = 0] = shape;
  const count = sizeOf(shape) / (batch * groups);
  const shares = graph.constant(
    bands.map((band) => (band.shape[2] ?? 0) / height),
    [bands.length, 1],
  );
  const ofBands = bands.map((band) => {
    const numbers = reshape(band, [batch, groups, -1]);
    const estimate = reduced("ReduceMean", numbers);
    const rest = sub(numbers, estimate);
    return { mean: add(estimate, reduced("ReduceMean", rest)), squares: reduced("ReduceSumSquare", rest) };
  });
  const means = concat(ofBands.map(({ mean }) => mean) as [Value, ...Value[]], 2);
  const first = slice(means, 2, 0, 1);
  const mean = add(first, matmul(sub(means, first), shares));
  const distances = sub(means, mean);
  const between = matmul(mul(distances, distances), shares);
  const within = scale(reduced("ReduceSum", concat(ofBands.map(({ squares }) => squares) as [Value, ...Value[]], 2)), 1 / count);
  return { mean, variance: add(within, between) };
}

/** The last axis reduced to one number. */
function reduced(op: string, x: Value): Value {
  return x.graph.node(op, [x, x.graph.integers([x.shape.length - 1])], { shape: [...x.shape.slice(0, -1), 1] });
}

/** The layers that `build` makes for x [batch, tokens, features], in blocks of tokens if their hidden layer, `hiddenWidth` numbers a token, is large. */
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

/** Every pixel of x [batch, channels, height, width] as a square of 2 x 2, band by band where the result is large. */
export function doubled(x: Value): Value {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  const bands = bandsOf(x.graph, [batch, channels, 2 * height, 2 * width]);
  return joinRows(bands.map(([from, to]) => resizeNearest(takeRows(x, from / 2, to / 2), to - from, 2 * width)));
}
