import * as v from "valibot";
import { bandedGroupNormalize } from "../graph/bands.js";
import { convolve } from "../graph/convolution.js";
import type { Value } from "../graph/graph.js";
import { affine, type ConvOptions, gelu, geluTanh, groupNormalize, layerNormalize, mish, quickGelu, relu, silu } from "../graph/ops.js";
import { isQuantizedAffine, quantizedAffine } from "../graph/quantized.js";
import type { Scope } from "../graph/scope.js";
import { fusedWeight, type Rows, withAdapters, withConvAdapters } from "./low-rank.js";

// torch.nn's layers over a place in the checkpoint: each checks its weight's shape against what the network asks for.

/** `nn.Linear`: x [..., in] to [..., width]; a bias is added where the checkpoint has one. */
export function linear(x: Value, w: Scope, width: number): Value {
  const weight = fusedWeight(w.tensor("weight", [width, x.shape.at(-1) ?? 0]), w);
  return withAdapters(product(x, weight, bias(w, width)), x, w);
}

/**
 * The output features `start` to `end` of a linear layer that has `width` of them. `isExact`: in floats, whatever the precision; for a text encoder's
 * features, of which a few are a hundred times as large as the others.
 */
export function linearRows(x: Value, w: Scope, width: number, [start, end]: Rows, { isExact = false } = {}): Value {
  const rowsOfBias = w.hasTensor("bias") ? w.rows("bias", [width], start, end) : undefined;
  const weight = fusedWeight(w.rows("weight", [width, x.shape.at(-1) ?? 0], start, end), w, [start, end]);
  return withAdapters((isExact ? affine : product)(x, weight, rowsOfBias), x, w, [start, end]);
}

/** `nn.Conv2d` to `channels` channels with a square kernel; padding keeps the size unless given. */
export function conv(x: Value, w: Scope, channels: number, { kernel = 3, ...options }: ConvOptions & { kernel?: number } = {}): Value {
  const weight = fusedWeight(w.tensor("weight", [channels, x.shape[1] ?? 0, kernel, kernel]), w);
  const walk = { padding: Math.floor((kernel - 1) / 2), ...options };
  return withConvAdapters(convolve(x, weight, bias(w, channels), walk), x, w, kernel, walk);
}

/** `nn.GroupNorm` over the channels of x [batch, channels, height, width]. */
export function groupNorm(x: Value, w: Scope, groups: number, epsilon: number): Value {
  const channels = x.shape[1] ?? 0;
  const perChannel = [channels, 1, 1];
  const normalize = x.bands ? bandedGroupNormalize : groupNormalize;
  return normalize(x, groups, epsilon, w.tensor("weight", [channels], perChannel), w.tensor("bias", [channels], perChannel));
}

/** `nn.LayerNorm` over the last axis. */
export function layerNorm(x: Value, w: Scope, epsilon = 1e-5): Value {
  const width = [x.shape.at(-1) ?? 0];
  return layerNormalize(x, epsilon, w.tensor("weight", width), w.tensor("bias", width));
}

/** The activations configs name in `act_fn` and `hidden_act`. */
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

function product(x: Value, weight: Value, bias: Value | undefined): Value {
  return isQuantizedAffine(x, weight) ? quantizedAffine(x, weight, bias) : affine(x, weight, bias);
}

function bias(w: Scope, width: number): Value | undefined {
  return w.hasTensor("bias") ? w.tensor("bias", [width]) : undefined;
}
