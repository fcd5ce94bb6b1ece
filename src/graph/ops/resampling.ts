import type { Shape } from "../../tensor/tensor.js";
import type { Value } from "../graph.js";
import { bandsOf, joinRows, takeRows } from "./bands.js";
import { fromChannelsLast } from "./channels-last.js";
import { type ConvOptions, conv2d } from "./conv2d.js";
import { scale } from "./elementwise.js";
import { widen } from "./precision.js";
import { concat, extent, reshape, slice, transpose } from "./shapes.js";

/** Nearest-neighbour resize of x [batch, channels, height, width] to `height` x `width`. Takes the same pixels as torch's interpolate. */
export function resizeNearest(x: Value, height: number, width: number): Value {
  const { graph } = x;
  const [batch = 0, channels = 0] = x.shape;
  const resized = (picture: Value, shape: Shape) =>
    graph.node("Resize", [picture, undefined, undefined, graph.integers(shape)], {
      shape,
      attributes: { mode: "nearest", coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" },
    });
  return x.channelsLast
    ? fromChannelsLast(resized(x.channelsLast, [batch, height, width, channels]))
    : resized(x, [batch, channels, height, width]);
}

/** Every pixel of x [batch, channels, height, width] as a square of 2 x 2, band by band if the result is large. */
export function doubled(x: Value): Value {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  const bands = bandsOf(x.graph, [batch, channels, 2 * height, 2 * width]);
  return joinRows(bands.map(([from, to]) => resizeNearest(takeRows(x, from / 2, to / 2), to - from, 2 * width)));
}

/** Mean of each square of 2 x 2 pixels of x [batch, channels, height, width]; an odd last row or column is dropped. */
export function averagePool(x: Value): Value {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  return x.graph.node("AveragePool", [x], {
    shape: [batch, channels, Math.floor(height / 2), Math.floor(width / 2)],
    attributes: { kernel_shape: [2, 2], strides: [2, 2] },
  });
}

/** Mean of each square of 2 x 2 pixels of x [batch, channels, height, width]; at an odd end, of the pixels that are there. */
export function averagePoolWhole(x: Value): Value {
  const [, , height = 0, width = 0] = x.shape;
  // A repeated last row or column does not change the mean.
  const tall = height % 2 === 0 ? x : concat([x, slice(x, 2, height - 1, height)], 2);
  return averagePool(width % 2 === 0 ? tall : concat([tall, slice(tall, 3, width - 1, width)], 3));
}

/** x [batch, channels, height, width] with one more row and column at each edge, which mirror those inside of the edge. */
export function reflected(x: Value): Value {
  return [2, 3].reduce((h, axis) => {
    const size = extent(h, axis);
    return concat([slice(h, axis, 1, 2), h, slice(h, axis, size - 2, size - 1)], axis);
  }, x);
}

/** x [batch, channels, height, width] with a row and a column of zeros between its own: [batch, channels, 2 height - 1, 2 width - 1]. */
export function spread(x: Value): Value {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  const withZeros = (h: Value, axis: number) => concat([h, scale(h, 0)], axis);
  const wide = reshape(withZeros(reshape(x, [batch, channels, height, width, 1]), 4), [batch, channels, height, 1, 2 * width]);
  const all = reshape(withZeros(wide, 3), [batch, channels, 2 * height, 2 * width]);
  return slice(slice(all, 2, 0, 2 * height - 1), 3, 0, 2 * width - 1);
}

/**
 * Every channel of x [batch, channels, height, width] filtered by the same kernel, the product of `taps` along the height and along the
 * width. `padding` is of zeros.
 */
export function filtered(x: Value, taps: readonly number[], options: ConvOptions = {}): Value {
  const { graph } = x;
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  const kernel = taps.flatMap((a) => taps.map((b) => a * b));
  const weight = graph.constant(kernel, [1, 1, taps.length, taps.length], graph.float);
  const result = conv2d(reshape(x, [batch * channels, 1, height, width]), weight, undefined, options);
  return reshape(result, [batch, channels, ...result.shape.slice(2)]);
}

/** Squares of `side` x `side` pixels of x [batch, channels, height, width] as channels, in torch's order (PixelUnshuffle). */
export function pixelUnshuffle(x: Value, side: number): Value {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  const squares = reshape(x, [batch, channels, height / side, side, width / side, side]);
  return reshape(transpose(squares, [0, 1, 3, 5, 2, 4]), [batch, channels * side * side, height / side, width / side]);
}

/** The reverse of {@link pixelUnshuffle}: channels as squares of `side` x `side` pixels (PixelShuffle). */
export function pixelShuffle(x: Value, side: number): Value {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  const squares = reshape(x, [batch, channels / side ** 2, side, side, height, width]);
  return reshape(transpose(squares, [0, 1, 4, 2, 5, 3]), [batch, channels / side ** 2, height * side, width * side]);
}

/** Mean over height and width of x [batch, channels, height, width] to [batch, channels, 1, 1], summed in float32. */
export function spatialMean(x: Value): Value {
  return x.graph.node("GlobalAveragePool", [widen(x)], { shape: [...x.shape.slice(0, 2), 1, 1] });
}
