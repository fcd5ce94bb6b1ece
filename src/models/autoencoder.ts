import type { Generator } from "../tensor/random.js";
import type { Tensor } from "../tensor/tensor.js";
import type { DiagonalGaussianDistribution } from "./diagonal-gaussian.js";
import type { MemorySaving } from "./tiling.js";

/** The interface of autoencoders that pipelines use: an AutoencoderKL, an AsymmetricAutoencoderKL or an AutoencoderTiny. */
export interface Autoencoder extends AsyncDisposable {
  /** The fields of its config that pipelines read. */
  readonly config: {
    /** Latents times this have about unit variance: pipelines multiply by it after encoding and divide by it before decoding. */
    readonly scalingFactor: number;
    /** Subtracted from latents before they are scaled. */
    readonly shiftFactor?: number | null | undefined;
    /** Mean of each latent channel, subtracted before latents are scaled. */
    readonly latentsMean?: readonly number[] | null | undefined;
    /** Standard deviation of each latent channel, which latents are divided by. */
    readonly latentsStd?: readonly number[] | null | undefined;
    /** Channels of latents. */
    readonly latentChannels: number;
    /** Half precision overflows in this network. */
    readonly forceUpcast: boolean;
  };
  /** Ways to need less memory. */
  readonly memory: MemorySaving;
  /** Pixels for each latent, along a side. */
  readonly scaleFactor: number;
  /** The latents of pictures [batch, channels, height, width] in -1..1, or their distribution. */
  encode(image: Tensor): Promise<EncodedImage>;
  /** Pictures, about -1..1, of unscaled latents. */
  decode(latents: Tensor): Promise<{
    /** The pictures. */
    sample: Tensor;
  }>;
  /** Frees its memory. */
  dispose(): Promise<void>;
}

/** The result of encoding: a distribution to draw latents from, or latents. */
export type EncodedImage =
  | {
      /** The distribution. */
      readonly latentDist: DiagonalGaussianDistribution;
    }
  | {
      /** The latents. */
      readonly latents: Tensor;
    };

/**
 * The latents of an encoded picture. From a distribution they are drawn with `generator`; without one they are its likeliest. Matches
 * diffusers' retrieve_latents.
 */
export function retrieveLatents(encoded: EncodedImage, generator?: Generator | readonly Generator[]): Tensor {
  if ("latents" in encoded) return encoded.latents;
  return generator ? encoded.latentDist.sample(generator) : encoded.latentDist.mode();
}
