import { ArgumentError } from "../../errors.js";
import { type Autoencoder, retrieveLatents } from "../../models/autoencoder.js";
import type { Scheduler } from "../../schedulers/shared/scheduler.js";
import { type Generator, randnPerImage } from "../../tensor/random.js";
import { concat, type Shape, Tensor } from "../../tensor/tensor.js";
import type { Size } from "./arguments.js";
import { expectVae, latentsOf } from "./missing-parts.js";

/** One generator for all pictures, or one for each. */
export type Generators = Generator | readonly Generator[];

/** The values of an autoencoder's config that scale latents. */
export type LatentScale = Pick<Autoencoder["config"], "scalingFactor" | "shiftFactor" | "latentsMean" | "latentsStd">;

/** Latents as the denoising network takes them, with about unit variance, from the latents that the autoencoder encoded. */
export function scaleLatents(encoded: Tensor, scale: LatentScale): Tensor {
  const shifted = scale.shiftFactor ? encoded.sub(scale.shiftFactor) : encoded;
  const scaled = shifted.mul(scale.scalingFactor);
  return perChannel(scaled, scale, (value, mean, deviation) => (value - mean) / deviation);
}

/** The opposite of {@link scaleLatents}: latents that the autoencoder can decode. */
export function unscaleLatents(latents: Tensor, scale: LatentScale): Tensor {
  const scaled = perChannel(latents, scale, (value, mean, deviation) => value * deviation + mean);
  const shifted = scaled.div(scale.scalingFactor);
  return scale.shiftFactor ? shifted.add(scale.shiftFactor) : shifted;
}

/** Changes scaled latents by the mean and the standard deviation of their channels; no change if the autoencoder has none. */
function perChannel(
  latents: Tensor,
  { latentsMean, latentsStd, scalingFactor }: LatentScale,
  change: (value: number, mean: number, deviation: number) => number,
): Tensor {
  if (!latentsMean || !latentsStd) return latents;
  const [, channels = 0, ...sides] = latents.shape;
  const plane = sides.reduce((product, side) => product * side, 1);
  const data = latents.data.map((value, i) => {
    const channel = Math.floor(i / plane) % channels;
    return change(value, (latentsMean[channel] ?? 0) * scalingFactor, latentsStd[channel] ?? 1);
  });
  return new Tensor("float32", latents.shape, data);
}

/**
 * Noise of `shape`, given or drawn, with the standard deviation that the scheduler starts from. @throws ArgumentError if the given noise
 * has another shape.
 */
export function initialLatents(shape: Shape, given: Tensor | undefined, generator: Generators, scheduler: Scheduler): Tensor {
  if (given && String(given.shape) !== String(shape))
    throw new ArgumentError(`latents are [${given.shape}]; expected [${shape}]`, { argument: "latents" });
  return (given ?? randnPerImage(shape, generator)).mul(scheduler.initNoiseSigma);
}

/**
 * Scaled latents [pictures, channels, height / factor, width / factor] of pictures [pictures, 3, height, width] in -1..1, drawn from the
 * autoencoder's distribution. With a list of generators each picture is drawn from its own, as in diffusers.
 */
export async function encodeImages(
  given: Autoencoder | null,
  images: Tensor,
  generator: Generators,
  scaled: (encoded: Tensor, scale: LatentScale) => Tensor = scaleLatents,
): Promise<Tensor> {
  const vae = expectVae(given, "give latents in place of pictures");
  const own = Array.isArray(generator) ? generator.slice(0, images.shape[0]) : generator;
  return scaled(retrieveLatents(await vae.encode(images), own as Generators), vae.config);
}

/**
 * Scaled latents of the pictures that a call starts from, one for each picture of its `batch`. `images` [n, 3, height, width] in -1..1 are
 * encoded; [n, latent channels, ...] are latents already.
 */
export async function startingLatents(vae: Autoencoder | null, images: Tensor, batch: number, generator: Generators): Promise<Tensor> {
  if (isLatent(vae, images)) return repeatToBatch("image", images, batch);
  // Each picture of the batch is drawn from its own generator, so each is encoded.
  if (Array.isArray(generator)) return encodeImages(vae, repeatToBatch("image", images, batch), generator);
  return repeatToBatch("image", await encodeImages(vae, images, generator), batch);
}

/**
 * As {@link startingLatents}, for pipelines with a transformer: each given picture is drawn once, from its own generator if there is a
 * list, also if several results start from it.
 */
export async function givenStart(vae: Autoencoder | null, images: Tensor, batch: number, generator: Generators): Promise<Tensor> {
  return repeatToBatch("image", isLatent(vae, images) ? images : await encodeImages(vae, images, generator), batch);
}

/**
 * Latents of the pictures that a network sees beside the noisy ones, one for each picture of `batch`: the mode of the autoencoder's
 * distribution, not scaled as others are but times `scale`. Nothing is drawn. Latents given in place of pictures are taken as they are.
 */
export async function pictureLatents(vae: Autoencoder | null, images: Tensor, batch: number, scale = 1): Promise<Tensor> {
  const encode = async () => retrieveLatents(await expectVae(vae, "give latents in place of pictures").encode(images));
  const encoded = isLatent(vae, images) ? images : await encode();
  const repeated = repeatToBatch("image", encoded, batch);
  return scale === 1 ? repeated : repeated.mul(scale);
}

/** `latents` with fresh noise for `timestep`. */
export function addInitialNoise(latents: Tensor, generator: Generators, scheduler: Scheduler, timestep: number): Tensor {
  return scheduler.addNoise(latents, randnPerImage(latents.shape, generator), [timestep]);
}

/** Height and width in pixels of images [n, 3, height, width], or of the pictures that latents stand for. */
export function sizeOfImages(vae: Autoencoder | null, images: Tensor): Size {
  const [, , height = 0, width = 0] = images.shape;
  const factor = isLatent(vae, images) ? latentsOf(vae).scaleFactor : 1;
  return { height: height * factor, width: width * factor };
}

/** Whether a tensor given as an image is latents already. */
export function isLatent(vae: Autoencoder | null, images: Tensor): boolean {
  const { latentChannels } = latentsOf(vae);
  return images.shape[1] === latentChannels && latentChannels !== 3;
}

/** `images` repeated as a whole until there are `batch`. @throws ArgumentError unless `batch` is a multiple of their number. */
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
