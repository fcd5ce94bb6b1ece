import type { Value } from "../graph/graph.js";
import { add } from "../graph/ops/elementwise.js";
import { reshape, transpose } from "../graph/ops/shapes.js";
import type { Scope } from "../graph/scope.js";
import { multiHeadAttention } from "./attention.js";
import { groupNorm, layerNorm, linear } from "./basic.js";
import { feedForward } from "./feed-forward.js";

/** How a motion module is built. */
export interface MotionOptions {
  /** Frames of each video. */
  readonly frames: number;
  readonly heads: number;
  /** Transformer blocks. */
  readonly layers: number;
  /** Groups of the norm before it. */
  readonly groups: number;
}

/**
 * Motion module (Guo et al. 2023, AnimateDiff): every pixel of x [videos * frames, channels, height, width] attends to the same pixel in
 * the other frames of its video. Matches diffusers' AnimateDiffTransformer3D.
 */
export function motionModule(x: Value, w: Scope, { frames, heads, layers, groups }: MotionOptions): Value {
  const [rows = 0, channels = 0, height = 0, width = 0] = x.shape;
  const videos = rows / frames;
  const pixels = height * width;
  // The norm's groups reach over all frames of a video.
  const video = transpose(reshape(x, [videos, frames, channels, pixels]), [0, 2, 1, 3]);
  const normed = groupNorm(reshape(video, [videos, channels, frames * pixels, 1]), w.at("norm"), groups, 1e-6);
  const tokens = transpose(reshape(normed, [videos, channels, frames, pixels]), [0, 3, 2, 1]);
  let h = linear(reshape(tokens, [videos * pixels, frames, channels]), w.at("proj_in"), channels);
  for (let i = 0; i < layers; i++) h = temporalBlock(h, w.at("transformer_blocks", i), heads);
  h = linear(h, w.at("proj_out"), channels);
  const back = transpose(reshape(h, [videos, pixels, frames, channels]), [0, 2, 3, 1]);
  return add(x, reshape(back, x.shape));
}

/** Two self-attentions over the frames and a feed-forward. Both attentions see the places of the frames. */
function temporalBlock(x: Value, w: Scope, heads: number): Value {
  const [, frames = 0, channels = 0] = x.shape;
  const places = framePlaces(x, frames, channels);
  let normed = add(layerNorm(x, w.at("norm1")), places);
  let h = add(x, multiHeadAttention(normed, normed, w.at("attn1"), heads));
  normed = add(layerNorm(h, w.at("norm2")), places);
  h = add(h, multiHeadAttention(normed, normed, w.at("attn2"), heads));
  return add(h, feedForward(layerNorm(h, w.at("norm3")), w.at("ff")));
}

/** Sines and cosines of the frames' numbers [frames, channels] (Vaswani et al. 2017). Matches diffusers' SinusoidalPositionalEmbedding. */
function framePlaces({ graph }: Value, frames: number, channels: number): Value {
  return graph.once(`places of ${frames} frames in ${channels} channels`, () => {
    const places = Float32Array.from({ length: frames * channels }, (_, i) => {
      const [frame, channel] = [Math.floor(i / channels), i % channels];
      const angle = frame * Math.exp((2 * Math.floor(channel / 2) * -Math.log(10000)) / channels);
      return channel % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
    });
    return graph.constant(places, [frames, channels]);
  });
}
