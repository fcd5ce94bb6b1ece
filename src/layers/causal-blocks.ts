import type { Value } from "../graph/graph.js";
import { silu } from "../graph/ops/activations.js";
import { attention } from "../graph/ops/attention.js";
import { convolve } from "../graph/ops/convolution.js";
import { add } from "../graph/ops/elementwise.js";
import { channelRmsNormalize } from "../graph/ops/norms.js";
import { doubled } from "../graph/ops/resampling.js";
import { reshape, slice, transpose } from "../graph/ops/shapes.js";
import type { Scope } from "../graph/scope.js";
import { conv, linear, linearRows } from "./basic.js";

// Blocks of Wan's and Qwen-Image's autoencoder, for the first frame of a film: a picture. A causal convolution looks at a frame and those
// before it. Before the first frame there are zeros, so only the kernel's last slice in time takes part.

/** QwenImageCausalConv3d with a kernel of 3 x 3 x 3, of a single frame x [batch, channels, height, width]. */
export function causalConv(x: Value, w: Scope, channels: number): Value {
  const inChannels = x.shape[1] ?? 0;
  const film = w.tensor("weight", [channels, inChannels, 3, 3, 3]);
  const weight = w.graph.changed(film, "of the last frame", (own) => reshape(slice(own, 2, 2, 3), [channels, inChannels, 3, 3]));
  return convolve(x, weight, w.tensor("bias", [channels]), { padding: 1 });
}

/** QwenImageRMS_norm over the channels of x [batch, channels, height, width]. */
export function channelNorm(x: Value, w: Scope): Value {
  const channels = x.shape[1] ?? 0;
  return channelRmsNormalize(x, w.tensor("gamma", [channels], [channels, 1, 1]));
}

/** QwenImageResidualBlock to `channels` channels. */
export function channelResnet(x: Value, w: Scope, channels: number): Value {
  const skip = x.shape[1] === channels ? x : conv(x, w.at("conv_shortcut"), channels, { kernel: 1 });
  const h = causalConv(silu(channelNorm(x, w.at("norm1"))), w.at("conv1"), channels);
  return add(causalConv(silu(channelNorm(h, w.at("norm2"))), w.at("conv2"), channels), skip);
}

/** QwenImageAttentionBlock: self-attention over pixels with one head. */
export function channelAttention(x: Value, w: Scope): Value {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  const tokens = transpose(reshape(channelNorm(x, w.at("norm")), [batch, channels, height * width]), [0, 2, 1]);
  const part = (i: number) => linearRows(tokens, w.at("to_qkv"), 3 * channels, [i * channels, (i + 1) * channels]);
  const attended = linear(attention(part(0), part(1), part(2), 1), w.at("proj"), channels);
  return add(reshape(transpose(attended, [0, 2, 1]), x.shape), x);
}

/** QwenImageResample to half the height and width. */
export function pixelsDown(x: Value, w: Scope): Value {
  return conv(x, w.at("resample", 1), x.shape[1] ?? 0, { stride: 2, padding: [0, 0, 1, 1] });
}

/** QwenImageResample to twice the height and width, and half the channels. */
export function pixelsUp(x: Value, w: Scope): Value {
  return conv(doubled(x), w.at("resample", 1), Math.floor((x.shape[1] ?? 0) / 2));
}
