import * as v from "valibot";
import { blocks, checkPerBlock, count, depth, side } from "../checkpoint/schema.js";
import { ConfigError } from "../errors.js";
import { add } from "../graph/ops/elementwise.js";
import { activationName } from "../layers/basic.js";
import type { Folder } from "../platform/folder.js";
import { Tensor } from "../tensor/tensor.js";
import { KlAutoencoder } from "./kl-autoencoder.js";
import { decoderBlocks, encoderBlocks } from "./kl-coder.js";
import { type ModelOptions, openModel } from "./model.js";

const FOUR_LEVELS = [128, 256, 512, 512];
const of4 = <Type>(type: Type): Type[] => FOUR_LEVELS.map(() => type);

const schema = v.object({
  /** Channels of the pictures that are encoded; 3 by default. */
  inChannels: v.nullish(count, 3),
  /** Channels of the decoded pictures; 3 by default. */
  outChannels: v.nullish(count, 3),
  /**
   * The encoder's blocks, the finest first: "DownEncoderBlock2D", or "AttnDownEncoderBlock2D" with attention; four of the first by default.
   */
  downBlockTypes: v.nullish(encoderBlocks.wrapped, of4("DownEncoderBlock2D" as const)),
  /**
   * The decoder's blocks, the coarsest first: "UpDecoderBlock2D", or "AttnUpDecoderBlock2D" with attention; four of the first by default.
   */
  upBlockTypes: v.nullish(decoderBlocks.wrapped, of4("UpDecoderBlock2D" as const)),
  /** Channels of the encoder's levels, the finest first; [128, 256, 512, 512] by default. */
  blockOutChannels: v.nullish(blocks(count), FOUR_LEVELS),
  /** Channels of the decoder's levels, the finest first; those of the encoder's by default. */
  decoderBlockOutChannels: v.nullish(blocks(count)),
  /** Resnet blocks in each block of the encoder; the decoder's have one more; 2 by default. */
  layersPerBlock: v.nullish(depth, 2),
  /** The activation function of resnet blocks: "silu", "swish", "gelu", "mish" or "relu"; "silu" by default. */
  actFn: v.nullish(activationName, "silu"),
  /** Channels of latents; 32 by default. */
  latentChannels: v.nullish(count, 32),
  /** Groups of the group norms; 32 by default. */
  normNumGroups: v.nullish(count, 32),
  /** Size of the pictures that the network was trained on, in pixels: one number or [height, width]; 1024 by default. */
  sampleSize: v.nullish(v.union([side, v.tuple([side, side])]), 1024),
  /** Half precision overflows in this network, so it is computed in float32 in "fast" mode, too; true by default. */
  forceUpcast: v.nullish(v.boolean(), true),
  /** End the encoder with a 1 x 1 convolution; true by default. */
  useQuantConv: v.nullish(v.boolean(), true),
  /** Begin the decoder with a 1 x 1 convolution; true by default. */
  usePostQuantConv: v.nullish(v.boolean(), true),
  /** Put attention into the middle blocks of encoder and decoder; true by default. */
  midBlockAddAttention: v.nullish(v.boolean(), true),
  /** Added to the variances of latents before their roots are taken; 1e-4 by default. */
  batchNormEps: v.nullish(v.number(), 1e-4),
  /** Height and width of the squares of latents that have statistics together; [2, 2] by default. */
  patchSize: v.nullish(v.tuple([count, count]), [2, 2]),
  /** Latents are not scaled by one number: pipelines normalise them by `latentStatistics`; 1 by default. */
  scalingFactor: v.nullish(v.number(), 1),
});

/** `config.json` of an AutoencoderKLFlux2, with diffusers' defaults. @interface */
export type AutoencoderKLFlux2Config = v.InferOutput<typeof schema>;

/** Mean and standard deviation of each number of a square of latents. */
export interface LatentStatistics {
  /** [latent_channels * patch height * patch width] */
  readonly mean: Tensor;
  /** [latent_channels * patch height * patch width] */
  readonly std: Tensor;
}

/**
 * The autoencoder of FLUX.2, whose latents are normalised square by square with the statistics of a batch norm. Matches diffusers'
 * AutoencoderKLFlux2.
 */
export class AutoencoderKLFlux2 extends KlAutoencoder<AutoencoderKLFlux2Config> {
  private statistics: Promise<LatentStatistics> | undefined;

  /** @throws CheckpointError, ConfigError, DeviceError */
  static async fromPretrained(source: string | Folder, options: ModelOptions = {}): Promise<AutoencoderKLFlux2> {
    return new AutoencoderKLFlux2(await openModel("AutoencoderKLFlux2", schema, source, options, checkConfig));
  }

  /** The statistics by which pipelines normalise latents: subtract `mean`, divide by `std`. Read once. */
  latentStatistics(): Promise<LatentStatistics> {
    this.statistics ??= this.readStatistics();
    return this.statistics;
  }

  private async readStatistics(): Promise<LatentStatistics> {
    const { latentChannels, patchSize, batchNormEps } = this.config;
    const shape = [latentChannels * patchSize[0] * patchSize[1]];
    const epsilon = Tensor.from([batchNormEps]);
    return this.run("statistics", { epsilon }, (inputs, w) => {
      const variance = add(w.tensor("bn.running_var", shape, shape, "float32"), inputs.epsilon);
      const mean = w.tensor("bn.running_mean", shape, shape, "float32");
      return { mean, std: variance.graph.node("Sqrt", [variance], { shape }) };
    });
  }
}

function checkConfig(owner: string, config: AutoencoderKLFlux2Config): void {
  checkPerBlock(owner, config, "downBlockTypes", ["upBlockTypes", "blockOutChannels", "decoderBlockOutChannels"]);
  if (String(config.patchSize) !== "2,2") throw new ConfigError(`${owner}: patch_size is [${config.patchSize}]; expected [2, 2]`);
}
