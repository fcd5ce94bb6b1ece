import { ArgumentError } from "../../errors.js";
import type { Value } from "../graph.js";
import { fromChannelsLast, toChannelsLast } from "./channels-last.js";
import { narrow } from "./precision.js";
import { concat, expand, extent, transpose } from "./shapes.js";

/** The stride and padding of a convolution. `padding` is one number for all sides, or [top, left, bottom, right]. */
export interface ConvOptions {
  readonly stride?: number;
  readonly padding?: number | readonly [number, number, number, number];
}

/** Two-dimensional convolution of x [batch, in, height, width] with weight [out, in, kernel, kernel]. */
export function conv2d(x: Value, weight: Value, bias: Value | undefined, { stride = 1, padding = 0 }: ConvOptions = {}): Value {
  const [, inChannels, kernel = 1] = weight.shape;
  const channels = extent(x, 1);
  if (channels !== inChannels) throw new ArgumentError(`convolution ${weight.name} takes ${inChannels} channels; [${x.shape}] was given`);
  if (x.graph.lowering.padsThreeChannels && channels > 3 && channels % 3 === 0 && channels % 4 !== 0) {
    return conv2d(withZeroChannel(x), withZeroChannel(weight), bias, { stride, padding });
  }
  const shape = convolvedShape(x, weight, { stride, padding });
  const attributes = { kernel_shape: [kernel, kernel], strides: [stride, stride], pads: padsOf(padding) };
  if (!x.graph.lowering.channelsLast) return x.graph.node("Conv", [narrow(x), weight, bias], { shape, attributes });
  const [batch, outChannels, ...sides] = shape;
  return fromChannelsLast(
    x.graph.node("NhwcConv", [toChannelsLast(narrow(x)), kernelsLast(weight), bias], {
      shape: [batch, ...sides, outChannels],
      domain: "com.microsoft",
      attributes,
    }),
  );
}

/** A convolution's weight [out, in, kernel, kernel] as [out, kernel, kernel, in]. */
function kernelsLast(weight: Value): Value {
  const { graph } = weight;
  const change = (kernels: Value) => transpose(kernels, [0, 2, 3, 1]);
  return graph.isWeight(weight) ? graph.changed(weight, "with channels last", change) : change(weight);
}

/** The shape of a convolution's result. */
export function convolvedShape(x: Value, weight: Value, { stride = 1, padding = 0 }: ConvOptions): [number, number, number, number] {
  const [outChannels = 0, , kernel = 1] = weight.shape;
  const [batch = 0, , height = 0, width = 0] = x.shape;
  const [top, left, bottom, right] = padsOf(padding);
  const size = (extent: number) => Math.floor((extent - kernel) / stride) + 1;
  return [batch, outChannels, size(height + top + bottom), size(width + left + right)];
}

/** Padding as [top, left, bottom, right]. */
export function padsOf(padding: NonNullable<ConvOptions["padding"]>): readonly [number, number, number, number] {
  return typeof padding === "number" ? [padding, padding, padding, padding] : padding;
}

/** x [n, channels, height, width] with one more channel, of zeros, at the end. */
function withZeroChannel(x: Value): Value {
  const [n = 0, , height = 0, width = 0] = x.shape;
  return concat([x, expand(x.graph.constant([0], [1, 1, 1, 1], x.dtype), [n, 1, height, width])], 1);
}
