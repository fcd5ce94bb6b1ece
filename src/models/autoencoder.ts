import type { Generator } from "../tensor/random.js";
import type { Tensor } from "../tensor/tensor.js";
import type { DiagonalGaussianDistribution } from "./autoencoder-kl.js";
import type { MemorySaving } from "./tiling.js";

/** What pipelines use of an autoencoder, whichever it is: AutoencoderKL or AutoencoderTiny. */
export interface Autoencoder extends AsyncDisposable {
  /** The fields of its config that pipelines read. */
  readonly config: {
    /** Latents times this have about unit variance: pipelines multiply after encode and divide before decode. */
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
  /** Pixels to one latent, along each side. */
  readonly scaleFactor: number;
  /** Latents, or their distribution, of pictures [batch, channels, height, width] in -1..1. */
  encode(image: Tensor): Promise<EncodedImage>;
  /** Pictures, about -1..1, of latents already unscaled. */
  decode(latents: Tensor): Promise<{
    /** The pictures. */
    sample: Tensor;
  }>;
  /** Frees its memory. */
  dispose(): Promise<void>;
}

/** What encoding gives: a distribution to draw from, or the latents themselves. */
export type EncodedImage =
  | {
      /** The distribution. */
      readonly latentDist: DiagonalGaussianDistribution;
    }
  | {
      /** The latents. */
      readonly latents: Tensor;
    };

/** The latents of an encoded picture: drawn with `generator` where there is a distribution, its likeliest ones without. Matches diffusers' retrieve_latents. */
export function retrieveLatents(encoded: EncodedImage, generator?: Generator | readonly Generator[]): Tensor {
  if ("latents" in encoded) return encoded.latents;
  return generator ? encoded.latentDist.sample(generator) : encoded.latentDist.mode();
}
