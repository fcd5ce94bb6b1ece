import { bandedConv2d } from "./bands.js";
import type { Value } from "./graph.js";
import type { ConvOptions } from "./ops.js";
import { isQuantizedConv, quantizedConv } from "./quantized.js";
import { winogradConv } from "./winograd.js";

/** Convolution of x [batch, channels, height, width] with weight [out, channels, k, k], in the way that is fastest for its shapes. */
export function convolve(x: Value, weight: Value, bias: Value | undefined, options: ConvOptions): Value {
  if (isQuantizedConv(x, weight)) return quantizedConv(x, weight, bias, options);
  return paysWinograd(x, weight, options) ? winogradConv(x, weight, bias) : bandedConv2d(x, weight, bias, options);
}

function paysWinograd(x: Value, weight: Value, { stride = 1, padding = 0 }: ConvOptions): boolean {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  const [outChannels = 0, , kernel] = weight.shape;
  const { winograd } = x.graph.lowering;
  if (!winograd || kernel !== 3 || stride !== 1 || padding !== 1) return false;
  const squares = batch * Math.ceil(height / 4) * Math.ceil(width / 4);
  return Math.min(channels, outChannels) >= winograd.fewestChannels && squares >= winograd.fewestSquares;
}
