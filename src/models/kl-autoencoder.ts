import type { Value } from "../graph/graph.js";
import type { Scope } from "../graph/scope.js";
import { type Activation, conv } from "../layers/basic.js";
import type { Tensor } from "../tensor/tensor.js";
import { DiagonalGaussianDistribution } from "./diagonal-gaussian.js";
import { expectShape } from "./expect-shape.js";
import { expectPictures, klDecoder, klEncoder } from "./kl-coder.js";
import { Model } from "./model.js";
import { blendedTiles, MemorySaving } from "./tiling.js";

/** The fields of configs that all autoencoders with a KL term have. */
export interface KlAutoencoderConfig {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly downBlockTypes: readonly string[];
  readonly upBlockTypes: readonly string[];
  readonly blockOutChannels: readonly number[];
  /** Channels of the decoder's levels; those of the encoder's by default. */
  readonly decoderBlockOutChannels?: readonly number[] | null | undefined;
  readonly layersPerBlock: number;
  readonly actFn: Activation;
  readonly latentChannels: number;
  readonly normNumGroups: number;
  readonly sampleSize: number | readonly [number, number];
  readonly forceUpcast: boolean;
  readonly useQuantConv: boolean;
  readonly usePostQuantConv: boolean;
  readonly midBlockAddAttention: boolean;
}

/** What autoencoders between pictures and latents have in common (Kingma & Welling 2014; Rombach et al. 2022). */
export abstract class KlAutoencoder<Config extends KlAutoencoderConfig> extends Model<Config> {
  /** Ways to need less memory. They are off at first; with `lowMemory` slicing is on. */
  readonly memory = new MemorySaving(this.savesMemory);

  protected override readonly coversPictures = true;

  protected override get overflowsHalf(): boolean {
    return this.config.forceUpcast;
  }

  /** Pixels for each latent, along a side. */
  get scaleFactor(): number {
    return 2 ** (this.config.blockOutChannels.length - 1);
  }

  /**
   * The distribution of latents for pictures [batch, in_channels, height, width] in -1..1. Both sides must be divisible by `scaleFactor`.
   * The latents are not scaled.
   * @throws ArgumentError if a side is not divisible, or the channels are not `in_channels`.
   */
  async encode(image: Tensor): Promise<{
    /** The distribution of the latents. */
    latentDist: DiagonalGaussianDistribution;
  }> {
    expectPictures(image, this.config.inChannels, this.scaleFactor);
    const moments = await this.together(() => this.memory.perPicture(image, (pictures) => this.encodeTiles(pictures)));
    return { latentDist: DiagonalGaussianDistribution.ofMoments(moments) };
  }

  /**
   * Pictures [batch, out_channels, height, width], about -1..1, of unscaled latents [batch, latent_channels, height / scaleFactor, width /
   * scaleFactor].
   */
  async decode(latents: Tensor): Promise<{
    /** The pictures. */
    sample: Tensor;
  }> {
    expectShape("latents", latents, ["batch", this.config.latentChannels, "height", "width"]);
    return { sample: await this.together(() => this.memory.perPicture(latents, (slice) => this.decodeTiles(slice))) };
  }

  private encodeTiles(image: Tensor): Promise<Tensor> {
    return this.inTiles(image, this.sampleSide, this.latentSide, async (tile) => {
      const { moments } = await this.run("encode", { image: tile }, async (inputs, w) => ({
        moments: await encode(inputs.image, w, this.config),
      }));
      return moments;
    });
  }

  private decodeTiles(latents: Tensor): Promise<Tensor> {
    return this.inTiles(latents, this.latentSide, this.sampleSide, async (tile) => {
      const { sample } = await this.run("decode", { latents: tile }, async (inputs, w) => ({
        sample: await decode(inputs.latents, w, this.config),
      }));
      return sample;
    });
  }

  /** `fn` of x, in tiles of `side` if x is larger and tiling is on. Each becomes a tile of `outSide`. */
  private inTiles(x: Tensor, side: number, outSide: number, fn: (tile: Tensor) => Promise<Tensor>): Promise<Tensor> {
    const [, , height = 0, width = 0] = x.shape;
    if (!this.memory.tiling || Math.max(height, width) <= side) return fn(x);
    const blend = Math.trunc(outSide * TILE_OVERLAP);
    return blendedTiles(x, { size: side, stride: Math.trunc(side * (1 - TILE_OVERLAP)), blend, keep: outSide - blend }, fn);
  }

  /** Side of a tile of pixels: that of the pictures that the network was trained on. */
  private get sampleSide(): number {
    const { sampleSize } = this.config;
    return typeof sampleSize === "number" ? sampleSize : sampleSize[0];
  }

  /** Side of a tile of latents. */
  private get latentSide(): number {
    return Math.trunc(this.sampleSide / this.scaleFactor);
  }
}

/** The share of a tile's side that overlaps its neighbour. */
const TILE_OVERLAP = 0.25;

/** The mean, then the logarithm of the variance, along the channels. */
async function encode(image: Value, w: Scope, config: KlAutoencoderConfig): Promise<Value> {
  const { downBlockTypes: blockTypes, latentChannels } = config;
  const h = await klEncoder(image, w.at("encoder"), 2 * latentChannels, { ...config, blockTypes });
  return config.useQuantConv ? conv(h, w.at("quant_conv"), 2 * latentChannels, { kernel: 1 }) : h;
}

function decode(latents: Value, w: Scope, config: KlAutoencoderConfig): Promise<Value> {
  const { upBlockTypes: blockTypes, latentChannels, outChannels } = config;
  const blockOutChannels = config.decoderBlockOutChannels ?? config.blockOutChannels;
  const h = config.usePostQuantConv ? conv(latents, w.at("post_quant_conv"), latentChannels, { kernel: 1 }) : latents;
  return klDecoder(h, w.at("decoder"), outChannels, { ...config, blockTypes, blockOutChannels });
}
