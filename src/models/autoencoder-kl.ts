import * as v from "valibot";
import { blocks, checkPerBlock, count, depth, side } from "../checkpoint/schema.js";
import { activationName } from "../layers/basic.js";
import type { Folder } from "../platform/folder.js";
import { KlAutoencoder } from "./kl-autoencoder.js";
import { decoderBlocks, encoderBlocks } from "./kl-coder.js";
import { type ModelOptions, openModel, type SingleFileModelOptions, singleFileModel } from "./model.js";

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
export class AutoencoderKL extends KlAutoencoder<AutoencoderKLConfig> {
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
}
