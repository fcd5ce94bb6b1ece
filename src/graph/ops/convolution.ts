import type { Value } from "../graph.js";
import { bandsOf, joinRows, takeRows } from "./bands.js";
import { isQuantizedConv, quantizedConv } from "./byte-products.js";
import { type ConvOptions, conv2d, convolvedShape, padsOf } from "./conv2d.js";
import { winogradConv } from "./winograd.js";

/**
 * Convolution of x [batch, channels, height, width] with weight [out, channels, k, k], in the form that is fastest for the target and the
 * shapes.
 */
export function convolve(x: Value, weight: Value, bias: Value | undefined, options: ConvOptions): Value {
  if (isQuantizedConv(x, weight)) return inBands(x, weight, options, (band, own) => quantizedConv(band, weight, bias, own));
  return paysWinograd(x, weight, options)
    ? winogradConv(x, weight, bias)
    : inBands(x, weight, options, (band, own) => conv2d(band, weight, bias, own));
}

function paysWinograd(x: Value, weight: Value, { stride = 1, padding = 0 }: ConvOptions): boolean {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  const [outChannels = 0, , kernel] = weight.shape;
  const { winograd } = x.graph.lowering;
  if (!winograd || kernel !== 3 || stride !== 1 || padding !== 1) return false;
  const squares = batch * Math.ceil(height / 4) * Math.ceil(width / 4);
  return Math.min(channels, outChannels) >= winograd.fewestChannels && squares >= winograd.fewestSquares;
}

/** `conv`, a convolution of a picture with this weight, band by band if x or the result is large. */
function inBands(x: Value, weight: Value, options: ConvOptions, conv: (x: Value, options: ConvOptions) => Value): Value {
  const { stride = 1, padding = 0 } = options;
  const [batch = 0, channels = 0, height = 0] = x.shape;
  const [outChannels = 0, , kernel = 1] = weight.shape;
  const [above, left, , right] = padsOf(padding);
  const [, , outHeight = 0, outWidth = 0] = convolvedShape(x, weight, options);
  // A row of the result is made from `stride` rows of x.
  const bands = bandsOf(x.graph, [batch, Math.max(channels * stride ** 2, outChannels), outHeight, outWidth]);
  if (bands.length === 1) return conv(x, options);
  return joinRows(
    bands.map(([from, to]) => {
      const [first, last] = [from * stride - above, (to - 1) * stride - above + kernel];
      const [start, end] = [Math.max(0, first), Math.min(height, last)];
      return conv(takeRows(x, start, end), { stride, padding: [start - first, left, last - end, right] });
    }),
  );
}
