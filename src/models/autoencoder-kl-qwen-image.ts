import * as v from "valibot";
import { blocks, count, countOrNone } from "../checkpoint/schema.js";
import { ArgumentError, ConfigError } from "../errors.js";
import type { Value } from "../graph/graph.js";
import { silu } from "../graph/ops/activations.js";
import { clip } from "../graph/ops/elementwise.js";
import type { Scope } from "../graph/scope.js";
import { conv } from "../layers/basic.js";
import { causalConv, channelAttention, channelNorm, channelResnet, pixelsDown, pixelsUp } from "../layers/causal-blocks.js";
import type { Folder } from "../platform/folder.js";
import { Tensor } from "../tensor/tensor.js";
import type { Autoencoder } from "./autoencoder.js";
import { DiagonalGaussianDistribution } from "./diagonal-gaussian.js";
import { expectShape } from "./expect-shape.js";
import { Model, type ModelOptions, openModel, type SingleFileModelOptions, singleFileModel } from "./model.js";
import { blendedTiles, MemorySaving } from "./tiling.js";

/** Mean and deviation of the latents of Qwen-Image's and Wan's autoencoder. */
const LATENTS_MEAN = [
  -0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508, 0.4134, -0.0715, 0.5517, -0.3632, -0.1922, -0.9497, 0.2503, -0.2921,
];
const LATENTS_STD = [
  2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743, 3.2687, 2.1526, 2.8652, 1.5579, 1.6382, 1.1253, 2.8251, 1.916,
];

const schema = v.object({
  /** Channels of the finest level; 96 by default. */
  baseDim: v.nullish(count, 96),
  /** Channels of latents; 16 by default. */
  zDim: v.nullish(count, 16),
  /** Each level's channels as a multiple of `baseDim`, the finest first; [1, 2, 4, 4] by default. */
  dimMult: v.nullish(v.pipe(blocks(count), v.minLength(1, "at least one level")), [1, 2, 4, 4]),
  /** Residual blocks in each level of the encoder; the decoder's have one more; 2 by default. */
  numResBlocks: v.nullish(countOrNone, 2),
  /** Levels of the encoder that attend over pixels, by their size as a part of the picture's: 0.5 is the second; none by default. */
  attnScales: v.nullish(v.array(v.number()), []),
  /** Whether each level but the coarsest halves a film's frames, the finest first; for one picture it changes nothing. */
  temperalDownsample: v.nullish(blocks(v.boolean()), [false, true, true]),
  /** Channels of pictures; 3 by default. */
  inputChannels: v.nullish(count, 3),
  /** Mean of each latent channel: pipelines subtract it after encoding. */
  latentsMean: v.nullish(v.array(v.number()), LATENTS_MEAN),
  /** Standard deviation of each latent channel: pipelines divide by it after encoding. */
  latentsStd: v.nullish(v.array(v.number()), LATENTS_STD),
});

/** `config.json` of an AutoencoderKLQwenImage, with diffusers' defaults. @interface */
export type AutoencoderKLQwenImageConfig = v.InferOutput<typeof schema>;

/** Pixels of a tile's side, and from one tile to the next. */
const TILE = { side: 256, stride: 192 };

/**
 * Qwen-Image's autoencoder (Qwen Team 2025), which is that of the film model Wan 2.1, for pictures: tensors have five dimensions, and the
 * third, the frames, is 1. For a single frame its causal three-dimensional convolutions are two-dimensional. Matches diffusers'
 * AutoencoderKLQwenImage.
 */
export class AutoencoderKLQwenImage extends Model<AutoencoderKLQwenImageConfig & Autoencoder["config"]> implements Autoencoder {
  /** @throws CheckpointError, ConfigError, DeviceError */
  static async fromPretrained(source: string | Folder, options: ModelOptions = {}): Promise<AutoencoderKLQwenImage> {
    const { config, ...parts } = await openModel("AutoencoderKLQwenImage", schema, source, options, check);
    const common = { latentChannels: config.zDim, scalingFactor: 1, forceUpcast: true };
    return new AutoencoderKLQwenImage({ ...parts, config: { ...config, ...common } });
  }

  /**
   * Opens the autoencoder of a single file, with its authors' names or diffusers': a path, or a file on the hub. `config` is a folder or
   * hub id whose config replaces the one that the shapes suggest.
   * @throws CheckpointError, ConfigError, DeviceError, HubError
   */
  static async fromSingleFile(path: string, options: SingleFileModelOptions = {}): Promise<AutoencoderKLQwenImage> {
    return AutoencoderKLQwenImage.fromPretrained(...(await singleFileModel(path, "vae", options)));
  }

  /** Ways to need less memory. They are off at first; with `lowMemory` slicing is on. Tiles have 256 pixels and overlap by 64. */
  readonly memory = new MemorySaving(this.savesMemory);

  protected override get overflowsHalf(): boolean {
    return true;
  }

  /** Pixels for each latent, along a side. */
  get scaleFactor(): number {
    return 2 ** (this.config.dimMult.length - 1);
  }

  /**
   * The distribution of latents [batch, z_dim, 1, height / scaleFactor, width / scaleFactor] for pictures [batch, input_channels, 1,
   * height, width] in -1..1. Both sides must be divisible by `scaleFactor`. The latents are not scaled: pipelines subtract `latentsMean`
   * and divide by `latentsStd`.
   * @throws ArgumentError if there are several frames, a side is not divisible, or the channels are not `input_channels`.
   */
  async encode(image: Tensor): Promise<{
    /** The distribution of the latents. */
    latentDist: DiagonalGaussianDistribution;
  }> {
    const { inputChannels } = this.config;
    const pictures = oneFrame("image", image, inputChannels);
    const [, , height = 0, width = 0] = pictures.shape;
    if (height % this.scaleFactor !== 0 || width % this.scaleFactor !== 0) {
      throw new ArgumentError(`picture of ${width}x${height}: both sides must be divisible by ${this.scaleFactor}`, { argument: "image" });
    }
    const moments = await this.memory.perPicture(pictures, (some) =>
      this.inTiles(some, 1, 1 / this.scaleFactor, async (tile) => {
        const { moments } = await this.run("encode", { image: tile }, (inputs, w) => ({ moments: encode(inputs.image, w, this.config) }));
        return moments;
      }),
    );
    return { latentDist: DiagonalGaussianDistribution.ofMoments(image === pictures ? moments : withFrame(moments)) };
  }

  /**
   * Pictures [batch, input_channels, 1, height, width] of unscaled latents [batch, z_dim, 1, height / scaleFactor, width / scaleFactor].
   * They are limited to -1..1, but not if they are made in tiles, as in diffusers. Latents without the axis of frames give pictures without
   * it.
   * @throws ArgumentError if the latents have another shape or several frames.
   */
  async decode(latents: Tensor): Promise<{
    /** The pictures. */
    sample: Tensor;
  }> {
    const slices = oneFrame("latents", latents, this.config.zDim);
    const sample = await this.memory.perPicture(slices, (some) =>
      this.inTiles(some, 1 / this.scaleFactor, this.scaleFactor, async (tile, isWhole) => {
        const { sample } = await this.run(isWhole ? "decode" : "decode a tile", { latents: tile }, (inputs, w) => {
          const decoded = decode(inputs.latents, w, this.config);
          return { sample: isWhole ? clip(decoded, -1, 1) : decoded };
        });
        return sample;
      }),
    );
    return { sample: latents === slices ? sample : withFrame(sample) };
  }

  /**
   * `fn` of x, in tiles if x is larger than one and tiling is on. `size` is x's size as a part of the pictures', and `ratio` a result's
   * size divided by x's.
   */
  private inTiles(x: Tensor, size: number, ratio: number, fn: (tile: Tensor, isWhole: boolean) => Promise<Tensor>): Promise<Tensor> {
    const [, , height = 0, width = 0] = x.shape;
    const [side, stride] = [Math.floor(TILE.side * size), Math.floor(TILE.stride * size)];
    if (!this.memory.tiling || Math.max(height, width) <= side) return fn(x, true);
    const [outSide, keep] = [side * ratio, stride * ratio];
    return blendedTiles(x, { size: side, stride, blend: outSide - keep, keep }, (tile) => fn(tile, false));
  }
}

function check(owner: string, { dimMult, temperalDownsample, zDim, latentsMean, latentsStd }: AutoencoderKLQwenImageConfig): void {
  if (temperalDownsample.length !== dimMult.length - 1) {
    throw new ConfigError(
      `${owner}: temperal_downsample has ${temperalDownsample.length} entries; expected ${dimMult.length - 1}, one fewer than dim_mult`,
    );
  }
  for (const [name, list] of [
    ["latents_mean", latentsMean],
    ["latents_std", latentsStd],
  ] as const) {
    if (list.length !== zDim) throw new ConfigError(`${owner}: ${name} has ${list.length} entries; z_dim is ${zDim}`);
  }
}

/** The single frame of x [batch, channels, 1, height, width], without its axis. @throws ArgumentError if x has another shape. */
function oneFrame(name: string, x: Tensor, channels: number): Tensor {
  if (x instanceof Tensor && x.shape.length === 4) {
    expectShape(name, x, ["batch", channels, "height", "width"]);
    return x;
  }
  expectShape(name, x, ["batch", channels, 1, "height", "width"]);
  const [batch = 0, , , height = 0, width = 0] = x.shape;
  return x.reshape([batch, channels, height, width]);
}

function withFrame(x: Tensor): Tensor {
  const [batch = 0, channels = 0, ...sides] = x.shape;
  return x.reshape([batch, channels, 1, ...sides]);
}

/** The mean, then the logarithm of the variance, along the channels. */
function encode(image: Value, w: Scope, { baseDim, zDim, dimMult, numResBlocks, attnScales }: AutoencoderKLQwenImageConfig): Value {
  const encoder = w.at("encoder");
  let h = causalConv(image, encoder.at("conv_in"), baseDim);
  let layer = 0;
  const next = () => encoder.at("down_blocks", layer++);
  for (const [level, multiple] of dimMult.entries()) {
    for (let i = 0; i < numResBlocks; i++) {
      h = channelResnet(h, next(), baseDim * multiple);
      if (attnScales.includes(2 ** -level)) h = channelAttention(h, next());
    }
    if (level < dimMult.length - 1) h = pixelsDown(h, next());
  }
  const moments = finish(middle(h, encoder), encoder, 2 * zDim);
  return conv(moments, w.at("quant_conv"), 2 * zDim, { kernel: 1 });
}

function decode(latents: Value, w: Scope, { baseDim, zDim, dimMult, numResBlocks, inputChannels }: AutoencoderKLQwenImageConfig): Value {
  const decoder = w.at("decoder");
  const z = conv(latents, w.at("post_quant_conv"), zDim, { kernel: 1 });
  let h = middle(causalConv(z, decoder.at("conv_in"), baseDim * (dimMult.at(-1) ?? 1)), decoder);
  for (const [level, multiple] of dimMult.toReversed().entries()) {
    const block = decoder.at("up_blocks", level);
    for (let i = 0; i <= numResBlocks; i++) h = channelResnet(h, block.at("resnets", i), baseDim * multiple);
    if (level < dimMult.length - 1) h = pixelsUp(h, block.at("upsamplers", 0));
  }
  return finish(h, decoder, inputChannels);
}

function middle(x: Value, w: Scope): Value {
  const [block, channels] = [w.at("mid_block"), x.shape[1] ?? 0];
  const h = channelAttention(channelResnet(x, block.at("resnets", 0), channels), block.at("attentions", 0));
  return channelResnet(h, block.at("resnets", 1), channels);
}

function finish(x: Value, w: Scope, channels: number): Value {
  return causalConv(silu(channelNorm(x, w.at("norm_out"))), w.at("conv_out"), channels);
}
