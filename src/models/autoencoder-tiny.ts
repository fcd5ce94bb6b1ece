import * as v from "valibot";
import { blocks, checkPerBlock, count, whole } from "../checkpoint/schema.js";
import type { Value } from "../graph/graph.js";
import { relu, tanh } from "../graph/ops/activations.js";
import { add, scale, shift } from "../graph/ops/elementwise.js";
import { resizeNearest } from "../graph/ops/resampling.js";
import type { Scope } from "../graph/scope.js";
import { ACTIVATIONS, type Activation, activationName, conv } from "../layers/basic.js";
import { pageTurn } from "../page-turn.js";
import type { Folder } from "../platform/folder.js";
import type { Tensor } from "../tensor/tensor.js";
import type { Autoencoder } from "./autoencoder.js";
import { expectShape } from "./expect-shape.js";
import { Model, type ModelOptions, openModel } from "./model.js";
import { layeredTiles, MemorySaving } from "./tiling.js";

/** Blocks of a level. TAESD's last level has only its convolution. */
const depthOrNone = whole(0, 1000);

const schema = v.object({
  /** Channels of the pictures that are encoded; 3 by default. */
  inChannels: v.nullish(count, 3),
  /** Channels of the decoded pictures; 3 by default. */
  outChannels: v.nullish(count, 3),
  /** Channels of each level of the encoder, the finest first; [64, 64, 64, 64] by default. */
  encoderBlockOutChannels: v.nullish(blocks(count), [64, 64, 64, 64]),
  /** Channels of each level of the decoder, the coarsest first; [64, 64, 64, 64] by default. */
  decoderBlockOutChannels: v.nullish(blocks(count), [64, 64, 64, 64]),
  /** The activation function: "silu", "swish", "gelu", "mish" or "relu"; "relu" by default. */
  actFn: v.nullish(activationName, "relu"),
  /** How the decoder enlarges: only "nearest", the default. */
  upsampleFn: v.nullish(v.literal("nearest"), "nearest"),
  /** Channels of latents; 4 by default. */
  latentChannels: v.nullish(count, 4),
  /** The factor by which each level of the decoder but the last enlarges height and width, 1 to 8; 2 by default. */
  upsamplingScalingFactor: v.nullish(whole(1, 8), 2),
  /** Residual blocks in each level of the encoder, the finest first; [1, 3, 3, 3] by default. */
  numEncoderBlocks: v.nullish(blocks(depthOrNone), [1, 3, 3, 3]),
  /** Residual blocks in each level of the decoder, the coarsest first; [3, 3, 3, 1] by default. */
  numDecoderBlocks: v.nullish(blocks(depthOrNone), [3, 3, 3, 1]),
  /** Most latents are between minus and plus this. `scaleLatents` divides by twice this; 3 by default. */
  latentMagnitude: v.nullish(v.number(), 3),
  /** `scaleLatents` adds this after the division; 0.5 by default. */
  latentShift: v.nullish(v.number(), 0.5),
  /** Half precision overflows in this network, so it is computed in float32 in "fast" mode, too; false by default. */
  forceUpcast: v.nullish(v.boolean(), false),
  /** Pipelines multiply latents by this after encoding and divide by it before decoding; 1 by default. */
  scalingFactor: v.nullish(v.number(), 1),
  /** Subtracted from latents before they are scaled; 0 by default. */
  shiftFactor: v.nullish(v.number(), 0),
});

/** `config.json` of an AutoencoderTiny, with diffusers' defaults. @interface */
export type AutoencoderTinyConfig = v.InferOutput<typeof schema>;

/** Pixels of a tile's side, and the share of it that overlaps its neighbour. */
const TILE_SIDE = 512;
const TILE_OVERLAP = 0.125;

/**
 * TAESD, a tiny autoencoder distilled from Stable Diffusion's (Bohan 2023): it is fast, for previews and small machines. Matches diffusers'
 * AutoencoderTiny.
 */
export class AutoencoderTiny extends Model<AutoencoderTinyConfig> implements Autoencoder {
  /** @throws CheckpointError, ConfigError, DeviceError */
  static async fromPretrained(source: string | Folder, options: ModelOptions = {}): Promise<AutoencoderTiny> {
    const check = (owner: string, config: AutoencoderTinyConfig) => {
      checkPerBlock(owner, config, "numEncoderBlocks", ["encoderBlockOutChannels"]);
      checkPerBlock(owner, config, "numDecoderBlocks", ["decoderBlockOutChannels"]);
    };
    return new AutoencoderTiny(await openModel("AutoencoderTiny", schema, source, options, check));
  }

  /** Ways to need less memory. They are off at first; with `lowMemory` slicing is on. */
  readonly memory = new MemorySaving(this.savesMemory);

  protected override get overflowsHalf(): boolean {
    return this.config.forceUpcast;
  }

  /** Pixels for each latent, along a side. */
  get scaleFactor(): number {
    return 2 ** (this.config.decoderBlockOutChannels.length - 1);
  }

  /**
   * Latents [batch, latent_channels, height / scaleFactor, width / scaleFactor] of pictures [batch, in_channels, height, width] in -1..1.
   */
  async encode(image: Tensor): Promise<{
    /** The latents. */
    latents: Tensor;
  }> {
    expectShape("image", image, ["batch", this.config.inChannels, "height", "width"]);
    const latents = await this.inParts(image, TILE_SIDE, 1 / this.scaleFactor, async (tile) => {
      const { latents } = await this.run("encode", { image: tile }, async (inputs, w) => ({
        latents: await encode(inputs.image, w.at("encoder", "layers"), this.config),
      }));
      return latents;
    });
    return { latents };
  }

  /**
   * Pictures [batch, out_channels, height, width], about -1..1, of latents [batch, latent_channels, height / scaleFactor, width /
   * scaleFactor].
   */
  async decode(latents: Tensor): Promise<{
    /** The pictures. */
    sample: Tensor;
  }> {
    expectShape("latents", latents, ["batch", this.config.latentChannels, "height", "width"]);
    const sample = await this.inParts(latents, TILE_SIDE / this.scaleFactor, this.scaleFactor, async (tile) => {
      const { sample } = await this.run("decode", { latents: tile }, async (inputs, w) => ({
        sample: await decode(inputs.latents, w.at("decoder", "layers"), this.config),
      }));
      return sample;
    });
    return { sample };
  }

  /**
   * `fn` of the batch x, or of its pictures and their tiles of `side`, as {@link memory} says. `ratio` is a result's size divided by its
   * input's.
   */
  private inParts(x: Tensor, side: number, ratio: number, fn: (part: Tensor) => Promise<Tensor>): Promise<Tensor> {
    const blend = Math.trunc(side * TILE_OVERLAP);
    const tiles = { size: side, stride: side - blend, blend: blend * ratio, ratio };
    return this.together(() =>
      this.memory.perPicture(x, (pictures) => (this.memory.tiling ? layeredTiles(pictures, tiles, fn) : fn(pictures))),
    );
  }

  /** Latents scaled to 0..1, for storing them as 8-bit pictures. */
  scaleLatents(latents: Tensor): Tensor {
    const { latentMagnitude, latentShift } = this.config;
    return latents
      .div(2 * latentMagnitude)
      .add(latentShift)
      .clamp(0, 1);
  }

  /** The inverse of {@link scaleLatents}. */
  unscaleLatents(scaled: Tensor): Tensor {
    const { latentMagnitude, latentShift } = this.config;
    return scaled.sub(latentShift).mul(2 * latentMagnitude);
  }
}

// Encoder and decoder are each one `nn.Sequential`, which also numbers the layers without weights.

async function encode(image: Value, w: Scope, config: AutoencoderTinyConfig): Promise<Value> {
  let layer = 0;
  // The network expects 0..1.
  let h = scale(shift(image, 1), 0.5);
  for (const [i, count] of config.numEncoderBlocks.entries()) {
    const channels = config.encoderBlockOutChannels[i] ?? 0;
    h = conv(h, w.at(layer++), channels, { stride: i === 0 ? 1 : 2 });
    for (let j = 0; j < count; j++) {
      await pageTurn();
      h = tinyBlock(h, w.at(layer++), channels, config.actFn);
    }
  }
  return conv(h, w.at(layer), config.latentChannels);
}

async function decode(latents: Value, w: Scope, config: AutoencoderTinyConfig): Promise<Value> {
  const { decoderBlockOutChannels: widths, numDecoderBlocks, upsamplingScalingFactor: factor, actFn } = config;
  let layer = 0;
  // Outliers are limited to -3..3, smoothly. The latents of pictures are in that range.
  const bounded = scale(tanh(scale(latents, 1 / 3)), 3);
  let h = ACTIVATIONS[actFn](conv(bounded, w.at(layer++), widths[0] ?? 0));
  layer++;
  for (const [i, count] of numDecoderBlocks.entries()) {
    const channels = widths[i] ?? 0;
    for (let j = 0; j < count; j++) {
      await pageTurn();
      h = tinyBlock(h, w.at(layer++), channels, actFn);
    }
    const isLast = i === numDecoderBlocks.length - 1;
    if (!isLast) {
      const [, , height = 0, width = 0] = h.shape;
      h = resizeNearest(h, height * factor, width * factor);
      layer++;
    }
    h = conv(h, w.at(layer++), isLast ? config.outChannels : channels);
  }
  return shift(scale(h, 2), -1);
}

/** Three convolutions with a residual around them. Matches diffusers' AutoencoderTinyBlock. */
function tinyBlock(x: Value, w: Scope, channels: number, activation: Activation): Value {
  const activate = ACTIVATIONS[activation];
  let h = activate(conv(x, w.at("conv", 0), channels));
  h = activate(conv(h, w.at("conv", 2), channels));
  h = conv(h, w.at("conv", 4), channels);
  const skip = x.shape[1] === channels ? x : conv(x, w.at("skip"), channels, { kernel: 1 });
  return relu(add(h, skip));
}
