import { ArgumentError } from "../../errors.js";
import { type Autoencoder, retrieveLatents } from "../../models/autoencoder.js";
import type { Scheduler } from "../../schedulers/shared/scheduler.js";
import { type Generator, randnPerImage } from "../../tensor/random.js";
import { concat, type Tensor } from "../../tensor/tensor.js";
import { expectVae, latentsOf } from "./missing-parts.js";

/** One generator for all pictures, or one for each. */
export type Generators = Generator | readonly Generator[];

/**
 * Scaled latents [pictures, channels, height / factor, width / factor] of pictures [pictures, 3, height, width] in -1..1, drawn from what the
 * autoencoder gives; with a list of generators each picture is drawn from its own, as diffusers does.
 */
export async function encodeImages(given: Autoencoder | null, images: Tensor, generator: Generators): Promise<Tensor> {
  const vae = expectVae(given, "give latents in place of pictures");
  const own = Array.isArray(generator) ? generator.slice(0, images.shape[0]) : generator;
  return retrieveLatents(await vae.encode(images), own as Generators).mul(vae.config.scalingFactor);
}

/**
 * Scaled latents of the pictures a call starts from, one for each of its `batch`. `images` [n, 3, height, width] in -1..1 are encoded;
 * [n, latent channels, ...] are taken for latents.
 */
export async function startingLatents(vae: Autoencoder | null, images: Tensor, batch: number, generator: Generators): Promise<Tensor> {
  if (isLatent(vae, images)) return repeatToBatch("image", images, batch);
  // Each picture of the batch has a generator of its own to be drawn from, so each is encoded.
  if (Array.isArray(generator)) return encodeImages(vae, repeatToBatch("image", images, batch), generator);
  return repeatToBatch("image", await encodeImages(vae, images, generator), batch);
}

/** `latents` with fresh noise for `timestep`. */
export function addInitialNoise(latents: Tensor, generator: Generators, scheduler: Scheduler, timestep: number): Tensor {
  return scheduler.addNoise(latents, randnPerImage(latents.shape, generator), [timestep]);
}

/** Whether a tensor given as an image is latents already. */
export function isLatent(vae: Autoencoder | null, images: Tensor): boolean {
  const { latentChannels } = latentsOf(vae);
  return images.shape[1] === latentChannels && latentChannels !== 3;
}

/** The whole of `images` again and again until there are `batch`. @throws ArgumentError if that does not come out even. */
export function repeatToBatch(name: string, images: Tensor, batch: number): Tensor {
  const count = images.shape[0] ?? 0;
  if (count === 0 || batch % count !== 0) {
    throw new ArgumentError(
      `${count} were given as ${name} for ${batch} pictures; expected one, or a number that ${batch} is a multiple of`,
      { argument: name },
    );
  }
  return count === batch ? images : concat(Array.from({ length: batch / count }, () => images));
}
