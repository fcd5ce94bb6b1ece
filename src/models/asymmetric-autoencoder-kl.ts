import * as v from "valibot";
import { blocks, checkPerBlock, count, depth, side } from "../checkpoint/schema.js";
import { ArgumentError, ConfigError } from "../errors.js";
import type { Value } from "../graph/graph.js";
import { relu } from "../graph/ops/activations.js";
import { add, mul, scale, shift } from "../graph/ops/elementwise.js";
import { resizeNearest } from "../graph/ops/resampling.js";
import type { Scope } from "../graph/scope.js";
import { activationName, conv } from "../layers/basic.js";
import { checkOptions } from "../options/check-options.js";
import { type Fields, needed, tensor } from "../options/fields.js";
import type { Folder } from "../platform/folder.js";
import { concat, type Tensor } from "../tensor/tensor.js";
import type { Autoencoder } from "./autoencoder.js";
import { DiagonalGaussianDistribution } from "./diagonal-gaussian.js";
import { expectShape } from "./expect-shape.js";
import { decoderBlocks, encoderBlocks, expectPictures, klDecoder, klEncoder } from "./kl-coder.js";
import { Model, type ModelOptions, openModel } from "./model.js";
import { MemorySaving } from "./tiling.js";

const schema = v.object({
  /** Channels of the pictures that are encoded; 3 by default. */
  inChannels: v.nullish(count, 3),
  /** Channels of the decoded pictures; 3 by default. */
  outChannels: v.nullish(count, 3),
  /**
   * The encoder's blocks, the finest first: "DownEncoderBlock2D", or "AttnDownEncoderBlock2D" with attention; one of the first by default.
   */
  downBlockTypes: encoderBlocks,
  /** Channels of the encoder's levels, the finest first; [64] by default. */
  downBlockOutChannels: v.nullish(blocks(count), [64]),
  /** Resnet blocks in each block of the encoder; 1 by default. */
  layersPerDownBlock: v.nullish(depth, 1),
  /**
   * The decoder's blocks, the coarsest first: "UpDecoderBlock2D", or "AttnUpDecoderBlock2D" with attention; one of the first by default.
   */
  upBlockTypes: decoderBlocks,
  /** Channels of the decoder's levels, the finest first; [64] by default. */
  upBlockOutChannels: v.nullish(blocks(count), [64]),
  /** One less than the resnet blocks in each block of the decoder; 1 by default. */
  layersPerUpBlock: v.nullish(depth, 1),
  /** The activation function of resnet blocks: "silu", "swish", "gelu", "mish" or "relu"; "silu" by default. */
  actFn: v.nullish(activationName, "silu"),
  /** Channels of latents; 4 by default. */
  latentChannels: v.nullish(count, 4),
  /** Groups of the group norms; 32 by default. */
  normNumGroups: v.nullish(count, 32),
  /** Side of the pictures that the network was trained on, in pixels; 32 by default. */
  sampleSize: v.nullish(side, 32),
  /**
   * Latents times this have about unit variance: pipelines multiply by it after encoding and divide by it before decoding; 0.18215 by
   * default.
   */
  scalingFactor: v.nullish(v.number(), 0.18215),
  /** Half precision overflows in this network, so it is computed in float32 in "fast" mode, too; false by default. */
  forceUpcast: v.nullish(v.boolean(), false),
});

/** `config.json` of an AsymmetricAutoencoderKL, with diffusers' defaults. @interface */
export type AsymmetricAutoencoderKLConfig = v.InferOutput<typeof schema>;

/** The picture of an inpainting run, whose unmasked part the decoder keeps. */
export interface DecodeCondition {
  /** The picture [batch or 1, out_channels, height, width] in -1..1. */
  readonly image: Tensor;
  /** The mask [batch or 1, 1, height, width], 1 where the picture was repainted, 0 where it stays. */
  readonly mask: Tensor;
}

const FIELDS: Fields<DecodeCondition> = {
  image: needed(tensor, "the picture whose unmasked part stays"),
  mask: needed(tensor, "1 where the picture was repainted"),
};

/**
 * An autoencoder whose decoder is larger than its encoder (Zhu et al. 2023, Designing a Better Asymmetric VQGAN for StableDiffusion). For
 * inpainting, the decoder also sees the part of the picture that stays, so that it comes out unchanged. Matches diffusers'
 * AsymmetricAutoencoderKL.
 */
export class AsymmetricAutoencoderKL extends Model<AsymmetricAutoencoderKLConfig> implements Autoencoder {
  /** @throws CheckpointError, ConfigError, DeviceError */
  static async fromPretrained(source: string | Folder, options: ModelOptions = {}): Promise<AsymmetricAutoencoderKL> {
    const check = (owner: string, config: AsymmetricAutoencoderKLConfig) => {
      checkPerBlock(owner, config, "downBlockTypes", ["downBlockOutChannels"]);
      checkPerBlock(owner, config, "upBlockTypes", ["upBlockOutChannels"]);
      const [down, up] = [config.downBlockTypes.length, config.upBlockTypes.length];
      if (down !== up) throw new ConfigError(`${owner}: down_block_types has ${down} entries; up_block_types has ${up}`);
    };
    return new AsymmetricAutoencoderKL(await openModel("AsymmetricAutoencoderKL", schema, source, options, check));
  }

  /** Ways to need less memory: slicing, which is on with `lowMemory`. This autoencoder has no tiling. */
  readonly memory = new MemorySaving(this.savesMemory);

  protected override get overflowsHalf(): boolean {
    return this.config.forceUpcast;
  }

  /** Pixels for each latent, along a side. */
  get scaleFactor(): number {
    return 2 ** (this.config.upBlockOutChannels.length - 1);
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
    this.refuseTiling();
    const moments = await this.memory.perPicture(image, async (pictures) => {
      const { moments } = await this.run("encode", { image: pictures }, async (inputs, w) => ({
        moments: await encode(inputs.image, w, this.config),
      }));
      return moments;
    });
    return { latentDist: DiagonalGaussianDistribution.ofMoments(moments) };
  }

  /**
   * Pictures [batch, out_channels, height, width], about -1..1, of unscaled latents [batch, latent_channels, height / scaleFactor, width /
   * scaleFactor]. With a `condition` the unmasked part of its picture stays.
   * @throws ArgumentError if a shape is wrong.
   */
  async decode(
    latents: Tensor,
    condition?: DecodeCondition,
  ): Promise<{
    /** The pictures. */
    sample: Tensor;
  }> {
    expectShape("latents", latents, ["batch", this.config.latentChannels, "height", "width"]);
    this.refuseTiling();
    const [batch = 0, , height = 0, width = 0] = latents.shape;
    const given = condition && checkOptions<DecodeCondition>(condition, FIELDS, { call: "AsymmetricAutoencoderKL.decode" });
    const size = [height * this.scaleFactor, width * this.scaleFactor] as const;
    if (given) {
      expectShape("image", given.image, [given.image.shape[0] === 1 ? 1 : batch, this.config.outChannels, ...size]);
      expectShape("mask", given.mask, [given.mask.shape[0] === 1 ? 1 : batch, 1, ...size]);
    }
    const inputs = { latents, ...(given && { image: given.image, mask: given.mask }) };
    const samples: Tensor[] = [];
    for (const rows of this.memory.slicing ? eachRow(inputs, batch) : [inputs]) {
      const { sample } = await this.run("decode", rows, async (values, w) => ({ sample: await decode(values, w, this.config) }));
      samples.push(sample);
    }
    return { sample: concat(samples) };
  }

  private refuseTiling(): void {
    if (!this.memory.tiling) return;
    throw new ArgumentError("AsymmetricAutoencoderKL has no tiling, as in diffusers", {
      argument: "tiling",
      hint: "turn it off: memory.tiling = false, or pipe.disableVaeTiling()",
    });
  }
}

/** Each row of the batch with its part of the other tensors, which may have one row for all. */
function eachRow<Inputs extends Readonly<Record<string, Tensor>>>(inputs: Inputs, batch: number): Inputs[] {
  const row = (tensor: Tensor, i: number) => (tensor.shape[0] === 1 ? tensor : tensor.slice(i, i + 1));
  return Array.from(
    { length: batch },
    (_, i) => Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, row(tensor, i)])) as Inputs,
  );
}

/** The mean, then the logarithm of the variance, along the channels. */
async function encode(image: Value, w: Scope, config: AsymmetricAutoencoderKLConfig): Promise<Value> {
  const { downBlockTypes: blockTypes, downBlockOutChannels: blockOutChannels, layersPerDownBlock: layersPerBlock } = config;
  const width = 2 * config.latentChannels;
  const h = await klEncoder(image, w.at("encoder"), width, { ...config, blockTypes, blockOutChannels, layersPerBlock });
  return conv(h, w.at("quant_conv"), width, { kernel: 1 });
}

/** Where the mask is 0, the decoder's values are replaced by those that the picture's part has in the same level. */
function decode(
  { latents, image, mask }: { readonly latents: Value; readonly image?: Value; readonly mask?: Value },
  w: Scope,
  config: AsymmetricAutoencoderKLConfig,
): Promise<Value> {
  const { upBlockTypes: blockTypes, upBlockOutChannels: blockOutChannels, layersPerUpBlock: layersPerBlock } = config;
  const h = conv(latents, w.at("post_quant_conv"), config.latentChannels, { kernel: 1 });
  const d = w.at("decoder");
  const options = { ...config, blockTypes, blockOutChannels, layersPerBlock };
  if (!image || !mask) return klDecoder(h, d, config.outChannels, options);
  const features = conditionFeatures(mul(image, inverse(mask)), d.at("condition_encoder", "layers"), blockOutChannels);
  return klDecoder(h, d, config.outChannels, options, (x) => {
    const size = x.shape.slice(1);
    const kept = features.get(String(size));
    if (!kept) throw new ConfigError(`up_block_out_channels is [${blockOutChannels}]; the mask's encoder has no features of [${size}]`);
    const [, , height = 0, width = 0] = x.shape;
    const share = resizeNearest(mask, height, width);
    return add(mul(x, share), mul(kept, inverse(share)));
  });
}

function inverse(mask: Value): Value {
  return shift(scale(mask, -1), 1);
}

/** The strides that diffusers' MaskConditionEncoder has, whatever the number of levels is. */
const CONDITION_STRIDE = 16;

/**
 * Features of the picture's part that stays, by their channels, height and width. Of features with the same shape the last count. Matches
 * diffusers' MaskConditionEncoder.
 */
function conditionFeatures(image: Value, w: Scope, blockOutChannels: readonly number[]): ReadonlyMap<string, Value> {
  const features = new Map<string, Value>();
  let h = image;
  for (const [layer, channels] of conditionChannels(blockOutChannels).entries()) {
    h = conv(h, w.at(layer), channels, layer < 2 ? {} : { kernel: 4, stride: 2, padding: 1 });
    features.set(String(h.shape.slice(1)), h);
    h = relu(h);
  }
  return features;
}

/** Channels of the convolutions: twice as many from one to the next, as long as they are no more than those of the coarsest level. */
function conditionChannels(blockOutChannels: readonly number[]): readonly number[] {
  const most = blockOutChannels.at(-1) ?? 0;
  const channels: number[] = [];
  let width = blockOutChannels[0] ?? 0;
  for (let stride = CONDITION_STRIDE; stride > 1; stride /= 2) {
    width = Math.min(width, most);
    channels.push(width);
    width *= 2;
  }
  return [...channels, most];
}
