import * as v from "valibot";
import { blocks } from "../checkpoint/schema.js";
import { ArgumentError } from "../errors.js";
import type { Value } from "../graph/graph.js";
import { silu } from "../graph/ops/activations.js";
import type { Scope } from "../graph/scope.js";
import { type Activation, conv, groupNorm } from "../layers/basic.js";
import type { ResnetOptions } from "../layers/resnet.js";
import { type BlockAttention, downBlock, midBlock, upBlock } from "../layers/unet-blocks.js";
import type { Tensor } from "../tensor/tensor.js";
import { expectShape } from "./expect-shape.js";

// Encoder and decoder of autoencoders with a KL term.

/** The blocks of an encoder: with attention over pixels, or without. */
export const encoderBlocks = v.nullish(blocks(v.picklist(["DownEncoderBlock2D", "AttnDownEncoderBlock2D"])), ["DownEncoderBlock2D"]);

/** The blocks of a decoder: with attention over pixels, or without. */
export const decoderBlocks = v.nullish(blocks(v.picklist(["UpDecoderBlock2D", "AttnUpDecoderBlock2D"])), ["UpDecoderBlock2D"]);

/** How an encoder or decoder is built. */
export interface CoderOptions {
  /** The types of its blocks in their order: the finest first in an encoder, the coarsest first in a decoder. */
  readonly blockTypes: readonly string[];
  /** Channels of each level, the finest first. */
  readonly blockOutChannels: readonly number[];
  /** Resnet blocks in each block of an encoder; a decoder's have one more. */
  readonly layersPerBlock: number;
  readonly actFn: Activation;
  readonly normNumGroups: number;
  /** Whether the middle block has attention; true by default. */
  readonly midBlockAddAttention?: boolean;
}

/**
 * @throws ArgumentError unless `image` is a tensor [batch, channels, height, width] whose sides are divisible by `scaleFactor`, the pixels
 * for each latent.
 */
export function expectPictures(image: Tensor, channels: number, scaleFactor: number): void {
  expectShape("image", image, ["batch", channels, "height", "width"]);
  const [, , height = 0, width = 0] = image.shape;
  if (height % scaleFactor === 0 && width % scaleFactor === 0) return;
  throw new ArgumentError(`picture of ${width}x${height}: both sides must be divisible by ${scaleFactor}`);
}

/** Pictures to features of `channels`. Matches diffusers' Encoder. */
export async function klEncoder(image: Value, w: Scope, channels: number, options: CoderOptions): Promise<Value> {
  const { blockOutChannels, blockTypes, layersPerBlock: layers } = options;
  const { resnet, finish, middle, attention } = parts(options);
  const last = blockOutChannels.length - 1;
  let h = conv(image, w.at("conv_in"), blockOutChannels[0] ?? 0);
  for (const [i, channels] of blockOutChannels.entries()) {
    const block = { channels, layers, resnet, attention: attention(blockTypes[i]), downsamplePadding: i < last ? 0 : undefined };
    h = (await downBlock(h, undefined, w.at("down_blocks", i), block)).at(-1) ?? h;
  }
  return conv(finish(await middle(h, w), w), w.at("conv_out"), channels);
}

/**
 * Latents to pictures of `channels`. `change` is called with what each block is given, and with what the last one makes; its result takes
 * that value's place. Matches diffusers' Decoder, and with `change` its MaskConditionDecoder.
 */
export async function klDecoder(
  latents: Value,
  w: Scope,
  channels: number,
  options: CoderOptions,
  change: (h: Value) => Value = (h) => h,
): Promise<Value> {
  const { blockOutChannels, blockTypes, layersPerBlock } = options;
  const { resnet, finish, middle, attention } = parts(options);
  let h = await middle(conv(latents, w.at("conv_in"), blockOutChannels.at(-1) ?? 0), w);
  const widths = [...blockOutChannels].reverse();
  for (const [i, channels] of widths.entries()) {
    const isLast = i === widths.length - 1;
    const block = { channels, layers: layersPerBlock + 1, resnet, attention: attention(blockTypes[i]), isLast };
    h = await upBlock(change(h), [], undefined, w.at("up_blocks", i), block);
  }
  return conv(finish(change(h), w), w.at("conv_out"), channels);
}

/** Parts that encoder and decoder share: options of resnet blocks, attention, the middle block, and the last norm and activation. */
function parts({ blockOutChannels, normNumGroups: groups, actFn, midBlockAddAttention = true }: CoderOptions) {
  const epsilon = 1e-6;
  const resnet: ResnetOptions = { groups, epsilon, activation: actFn };
  const attends = (isUsed: boolean | undefined): BlockAttention =>
    isUsed ? { kind: "pixels", headWidth: undefined, groups, epsilon } : { kind: "none" };
  const attention = (type: string | undefined) => attends(type?.startsWith("Attn"));
  const middle = (h: Value, w: Scope) =>
    midBlock(h, undefined, w.at("mid_block"), {
      channels: blockOutChannels.at(-1) ?? 0,
      layers: 1,
      resnet,
      attention: attends(midBlockAddAttention),
    });
  // act_fn does not change the last activation.
  const finish = (h: Value, w: Scope) => silu(groupNorm(h, w.at("conv_norm_out"), groups, epsilon));
  return { resnet, attention, middle, finish };
}
