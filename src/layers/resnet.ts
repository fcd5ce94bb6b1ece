import type { Value } from "../graph/graph.js";
import { add, mul, scale, shift } from "../graph/ops/elementwise.js";
import { doubled, resizeNearest } from "../graph/ops/resampling.js";
import { repeatBatch, reshape, split } from "../graph/ops/shapes.js";
import type { Scope } from "../graph/scope.js";
import { ACTIVATIONS, type Activation, conv, groupNorm, linear } from "./basic.js";

/** What all resnet blocks of a network share. */
export interface ResnetOptions {
  readonly groups: number;
  /** Groups of the second norm; those of the first by default. */
  readonly groupsOut?: number;
  readonly epsilon: number;
  readonly activation: Activation;
  /** How the time embedding enters: added, or as scale and shift of the second norm. */
  readonly timeScaleShift?: "default" | "scale_shift";
  /** Whether the time embedding is activated already. */
  readonly skipTimeActivation?: boolean;
  /** The sum is divided by it. */
  readonly outputScale?: number;
  /** Changes the picture's size. It is applied to the input, and to the input's activated norm. */
  readonly resample?: (x: Value) => Value;
}

/**
 * Residual block (He et al. 2016): two convolutions of `input` [batch, in, height, width] to [batch, channels, height, width]. The time
 * embedding enters between them. Its batch is 1, or a multiple or a divisor of the input's. Matches diffusers' ResnetBlock2D.
 */
export function resnetBlock(input: Value, embedding: Value | undefined, w: Scope, channels: number, options: ResnetOptions): Value {
  const { groups, groupsOut = groups, epsilon, timeScaleShift = "default", skipTimeActivation = false, outputScale = 1 } = options;
  const { resample = (x: Value) => x } = options;
  const activate = ACTIVATIONS[options.activation];
  // One picture can have several time embeddings, as with guidance in Stable Diffusion XL. Several pictures can share one.
  const [pictures = 1, embeddings = 1] = [input.shape[0], embedding?.shape[0]];
  const x = repeatBatch(input, Math.max(pictures, embeddings));
  const timeEmbedding = embedding && embeddings > 1 ? repeatBatch(embedding, Math.max(pictures, embeddings)) : embedding;
  let h = conv(resample(activate(groupNorm(x, w.at("norm1"), groups, epsilon))), w.at("conv1"), channels);
  if (timeEmbedding) {
    const width = timeScaleShift === "scale_shift" ? 2 * channels : channels;
    const projected = linear(skipTimeActivation ? timeEmbedding : activate(timeEmbedding), w.at("time_emb_proj"), width);
    const spatial = reshape(projected, [-1, width, 1, 1]);
    if (timeScaleShift === "scale_shift") {
      const [gain, offset] = split(spatial, 1, 2) as [Value, Value];
      h = add(mul(groupNorm(h, w.at("norm2"), groupsOut, epsilon), shift(gain, 1)), offset);
    } else {
      h = groupNorm(add(h, spatial), w.at("norm2"), groupsOut, epsilon);
    }
  } else {
    h = groupNorm(h, w.at("norm2"), groupsOut, epsilon);
  }
  h = conv(activate(h), w.at("conv2"), channels);
  const resampled = resample(x);
  const skip =
    w.has("conv_shortcut") || x.shape[1] !== channels ? conv(resampled, w.at("conv_shortcut"), channels, { kernel: 1 }) : resampled;
  return scale(add(skip, h), 1 / outputScale);
}

/** Halves height and width with a strided convolution. With padding 0, right and bottom are padded by 1, as in diffusers' Downsample2D. */
export function downsample(x: Value, w: Scope, channels: number, padding: number): Value {
  return conv(x, w.at("conv"), channels, { stride: 2, padding: padding === 0 ? [0, 0, 1, 1] : padding });
}

/** Nearest-neighbour upsampling to `size`, twice the size by default, then a convolution. Matches diffusers' Upsample2D. */
export function upsample(x: Value, w: Scope, channels: number, size?: readonly [height: number, width: number]): Value {
  return conv(size ? resizeNearest(x, ...size) : doubled(x), w.at("conv"), channels);
}
