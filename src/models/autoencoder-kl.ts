import * as v from "valibot";
import { blocks, checkPerBlock, count, depth, side } from "../checkpoint/schema.js";
import type { Value } from "../graph/graph.js";
import type { Scope } from "../graph/scope.js";
import { activationName, conv } from "../layers/basic.js";
import type { Folder } from "../platform/folder.js";
import type { Tensor } from "../tensor/tensor.js";
import { DiagonalGaussianDistribution } from "./diagonal-gaussian.js";
import { expectShape } from "./expect-shape.js";
import { decoderBlocks, encoderBlocks, expectPictures, klDecoder, klEncoder } from "./kl-coder.js";
import { Model, type ModelOptions, openModel, type SingleFileModelOptions, singleFileModel } from "./model.js";
import { blendedTiles, MemorySaving } from "./tiling.js";

const schema = v.object({
  /** Channels of the pictures that are encoded; 3 by default. */
  inChannels: v.nullish(count, 3),
  /** Channels of the decoded pictures; 3 by default. */
  outChannels: v.nullish(count, 3),
  /**
   * The encoder's blocks, the finest first: "DownEncoderBlock2D", or "AttnDownEncoderBlock2D" with attention; one of the first by default.
   */
  downBlockTypes: encoderBlocks,
  /**
   * The decoder's blocks, the coarsest first, as many as the encoder's: "UpDecoderBlock2D", or "AttnUpDecoderBlock2D" with attention; one
   * of the first by default.
   */
  upBlockTypes: decoderBlocks,
  /** Channels of each level, the finest first; [64] by default. */
  blockOutChannels: v.nullish(blocks(count), [64]),
  /** Resnet blocks in each block of the encoder; the decoder's have one more; 1 by default. */
  layersPerBlock: v.nullish(depth, 1),
  /** The activation function of resnet blocks: "silu", "swish", "gelu", "mish" or "relu"; "silu" by default. */
  actFn: v.nullish(activationName, "silu"),
  /** Channels of latents; 4 by default. */
  latentChannels: v.nullish(count, 4),
  /** Groups of the group norms; 32 by default. */
  normNumGroups: v.nullish(count, 32),
  /** Size of the pictures that the network was trained on, in pixels: one number or [height, width]; 32 by default. */
  sampleSize: v.nullish(v.union([side, v.tuple([side, side])]), 32),
  /**
   * Latents times this have about unit variance: pipelines multiply by it after encoding and divide by it before decoding; 0.18215 by
   * default.
   */
  scalingFactor: v.nullish(v.number(), 0.18215),
  /** Subtracted from latents before they are scaled; none by default. */
  shiftFactor: v.nullish(v.number()),
  /** Mean of each latent channel, subtracted before latents are scaled; none by default. */
  latentsMean: v.nullish(v.array(v.number())),
  /** Standard deviation of each latent channel, which latents are divided by; none by default. */
  latentsStd: v.nullish(v.array(v.number())),
  /** Half precision overflows in this network, so it is computed in float32 in "fast" mode, too; true by default. */
  forceUpcast: v.nullish(v.boolean(), true),
  /** End the encoder with a 1 x 1 convolution; true by default. */
  useQuantConv: v.nullish(v.boolean(), true),
  /** Begin the decoder with a 1 x 1 convolution; true by default. */
  usePostQuantConv: v.nullish(v.boolean(), true),
  /** Put attention into the middle blocks of encoder and decoder; true by default. */
  midBlockAddAttention: v.nullish(v.boolean(), true),
});

/** `config.json` of an AutoencoderKL, with diffusers' defaults. @interface */
export type AutoencoderKLConfig = v.InferOutput<typeof schema>;

/** The autoencoder between pictures and latents (Kingma & Welling 2014; Rombach et al. 2022). Matches diffusers' AutoencoderKL. */
export class AutoencoderKL extends Model<AutoencoderKLConfig> {
  /** @throws CheckpointError, ConfigError, DeviceError */
  static async fromPretrained(source: string | Folder, options: ModelOptions = {}): Promise<AutoencoderKL> {
    const check = (owner: string, config: AutoencoderKLConfig) =>
      checkPerBlock(owner, config, "downBlockTypes", ["upBlockTypes", "blockOutChannels"]);
    return new AutoencoderKL(await openModel("AutoencoderKL", schema, source, options, check));
  }

  /**
   * Opens the autoencoder of a single `.safetensors` file: a path, or a file on the hub. The file holds it alone or a whole checkpoint, in
   * the original layout or in that of diffusers. `config` is a folder or hub id whose config replaces the one that the file suggests. An
   * autoencoder alone does not say how latents are scaled: as in diffusers, Stable Diffusion 1's scale is assumed. For another family, give
   * its checkpoint as `config`.
   * @throws CheckpointError, ConfigError, DeviceError, HubError
   */
  static async fromSingleFile(path: string, options: SingleFileModelOptions = {}): Promise<AutoencoderKL> {
    return AutoencoderKL.fromPretrained(...(await singleFileModel(path, "vae", options)));
  }

  /** Ways to need less memory. They are off at first; with `lowMemory` slicing is on. */
  readonly memory = new MemorySaving(this.savesMemory);

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
async function encode(image: Value, w: Scope, config: AutoencoderKLConfig): Promise<Value> {
  const { downBlockTypes: blockTypes, latentChannels } = config;
  const h = await klEncoder(image, w.at("encoder"), 2 * latentChannels, { ...config, blockTypes });
  return config.useQuantConv ? conv(h, w.at("quant_conv"), 2 * latentChannels, { kernel: 1 }) : h;
}

function decode(latents: Value, w: Scope, config: AutoencoderKLConfig): Promise<Value> {
  const { upBlockTypes: blockTypes, latentChannels, outChannels } = config;
  const h = config.usePostQuantConv ? conv(latents, w.at("post_quant_conv"), latentChannels, { kernel: 1 }) : latents;
  return klDecoder(h, w.at("decoder"), outChannels, { ...config, blockTypes });
}
