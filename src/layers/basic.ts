import * as v from "valibot";
import type { Value } from "../graph/graph.js";
import { gelu, geluTanh, mish, quickGelu, relu, silu } from "../graph/ops/activations.js";
import type { ConvOptions } from "../graph/ops/conv2d.js";
import { convolve } from "../graph/ops/convolution.js";
import { groupNormalize, layerNormalize, rmsNormalize } from "../graph/ops/norms.js";
import { affine, linearProduct } from "../graph/ops/products.js";
import { rows } from "../graph/ops/shapes.js";
import type { Scope } from "../graph/scope.js";
import type { Shape } from "../tensor/tensor.js";
import { adaptedBias, adaptedGain, adaptedWeight, type Rows, withAdapters, withConvAdapters } from "./adapters.js";

// torch.nn's layers. Each reads its weights at a place in the checkpoint, and checks their shapes against the network's.

/** `nn.Linear`: x [..., in] to [..., width]. A bias is added if the checkpoint has one. */
export function linear(x: Value, w: Scope, width: number): Value {
  const shape = [width, x.shape.at(-1) ?? 0];
  const weight = adaptedWeight(w.tensor("weight", shape), w, (w) => w.tensor("weight", shape, shape, "float32"));
  return withAdapters(linearProduct(x, weight, bias(w, width)), x, w);
}

/**
 * The output features `start` to `end` (excluded) of a linear layer with `width` of them. With `isExact` it is computed in floats, not in
 * 8-bit integers: for the features of a text encoder, a few of which are a hundred times as large as the others.
 */
export function linearRows(x: Value, w: Scope, width: number, [start, end]: Rows, { isExact = false } = {}): Value {
  const shape = [width, x.shape.at(-1) ?? 0];
  const weight = adaptedWeight(w.rows("weight", shape, start, end), w, (w) => w.tensor("weight", shape, shape, "float32"), [start, end]);
  const whole = bias(w, width);
  return withAdapters((isExact ? affine : linearProduct)(x, weight, whole && rows(whole, start, end)), x, w, [start, end]);
}

/** `nn.Conv2d` to `channels` channels with a square kernel, 3 x 3 by default. The default padding keeps the size. */
export function conv(x: Value, w: Scope, channels: number, { kernel = 3, ...options }: ConvOptions & { kernel?: number } = {}): Value {
  const shape = [channels, x.shape[1] ?? 0, kernel, kernel];
  const weight = adaptedWeight(w.tensor("weight", shape), w, (w) => w.tensor("weight", shape, shape, "float32"));
  const walk = { padding: Math.floor((kernel - 1) / 2), ...options };
  return withConvAdapters(convolve(x, weight, bias(w, channels), walk), x, w, kernel, walk);
}

/** `nn.Embedding`: the vectors [..., width] of int64 `indices` in a table of `rows` rows. */
export function embedding(indices: Value, w: Scope, rows: number, width: number): Value {
  return w.lookup("weight", [rows, width], indices);
}

/** `nn.GroupNorm` over the channels of x [batch, channels, height, width]. */
export function groupNorm(x: Value, w: Scope, groups: number, epsilon: number): Value {
  const channels = x.shape[1] ?? 0;
  return groupNormalize(x, groups, epsilon, ...gainAndOffset(w, channels, [channels, 1, 1]));
}

/** `nn.LayerNorm` over the last axis. */
export function layerNorm(x: Value, w: Scope, epsilon = 1e-5): Value {
  const width = x.shape.at(-1) ?? 0;
  return layerNormalize(x, epsilon, ...gainAndOffset(w, width, [width]));
}

/** `nn.LayerNorm` over the last axis, without weights (`elementwise_affine=False`). */
export function plainLayerNorm(x: Value, epsilon = 1e-5): Value {
  return layerNormalize(x, epsilon);
}

/** `nn.RMSNorm` over the last axis. For heads side by side, see them as an axis of their own: [..., heads, width]. */
export function rmsNorm(x: Value, w: Scope, epsilon = 1e-6): Value {
  const width = x.shape.at(-1) ?? 0;
  return rmsNormalize(x, epsilon, adaptedGain(w.tensor("weight", [width]), w));
}

/** The activation functions that configs name in `act_fn` and `hidden_act`. */
export const ACTIVATIONS = {
  silu,
  swish: silu,
  gelu,
  gelu_new: geluTanh,
  gelu_pytorch_tanh: geluTanh,
  quick_gelu: quickGelu,
  mish,
  relu,
} as const;

/** An activation's name in a config. */
export type Activation = keyof typeof ACTIVATIONS;

/** Schema of `act_fn` in diffusers' configs. */
export const activationName = v.picklist(["silu", "swish", "gelu", "mish", "relu"]);

/** Schema of `hidden_act` in transformers' configs. */
export const hiddenActivationName = v.picklist(["gelu", "gelu_new", "gelu_pytorch_tanh", "quick_gelu", "relu", "silu", "swish"]);

function bias(w: Scope, width: number): Value | undefined {
  return adaptedBias(w.hasTensor("bias") ? w.tensor("bias", [width]) : undefined, w, [width]);
}

/** A norm's gain and bias for its `width` numbers, in `shape`. */
function gainAndOffset(w: Scope, width: number, shape: Shape): readonly [gain: Value, offset: Value] {
  const offset = w.tensor("bias", [width], shape);
  return [adaptedGain(w.tensor("weight", [width], shape), w), adaptedBias(offset, w, shape) ?? offset];
}
