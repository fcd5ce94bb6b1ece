import { ArgumentError } from "../errors.js";
import type { Autoencoder } from "../models/autoencoder.js";
import { AutoencoderKL } from "../models/autoencoder-kl.js";
import type { Scheduler } from "../schedulers/scheduler.js";
import { randnPerImage } from "../tensor/random.js";
import { concat, Tensor } from "../tensor/tensor.js";
import { encodeImages, type Generators, isLatent, repeatToBatch } from "./image-latents.js";

/** What repainting part of a picture starts from. */
export interface InpaintingInput {
  readonly vae: Autoencoder;
  /** Channels the UNet takes: those of the latents, or those of latents, mask and masked latents together. */
  readonly unetChannels: number;
  readonly scheduler: Scheduler;
  readonly timesteps: readonly number[];
  readonly generator: Generators;
  readonly batch: number;
  readonly isGuided: boolean;
  /** Pictures [n, 3, height, width] in -1..1, or their latents. */
  readonly image: Tensor;
  /** [n, 1, height, width]: 1 where the picture is repainted, 0 where it stays. */
  readonly mask: Tensor;
  /** Instead of what the autoencoder makes of the masked picture [n, channels, ...]. */
  readonly maskedImageLatents: Tensor | undefined;
  /** Noise to start from. */
  readonly latents: Tensor | undefined;
  /** Height and width of the latents. */
  readonly latentSize: readonly [number, number];
  /** Start from pure noise (strength 1) or from the noised picture. */
  readonly startsFromNoise: boolean;
  /** The picture's latents already hold the right amount of noise (an ensemble's second half). */
  readonly isNoised?: boolean;
}

/** What the denoising loop needs of it. */
export interface Inpainting {
  readonly latents: Tensor;
  /** Further channels of the UNet's input; none for an ordinary UNet. */
  readonly channels: readonly Tensor[];
  /** For an ordinary UNet: puts back, after each step, what the mask keeps. */
  readonly afterStep: ((latents: Tensor, index: number) => Tensor) | undefined;
}

/**
 * Prepares inpainting for an ordinary UNet, which repaints everything and has the kept part put back at every step, or for one with nine input
 * channels, which sees the mask and the masked picture. Draws random numbers in diffusers' order.
 * @throws ArgumentError if the UNet has neither number of channels.
 */
export async function prepareInpainting(input: InpaintingInput): Promise<Inpainting> {
  const { vae, unetChannels, scheduler, timesteps, generator, batch, isGuided, image, startsFromNoise, isNoised = false } = input;
  const { latentChannels } = vae.config;
  const isOrdinary = unetChannels === latentChannels;
  if (!isOrdinary && unetChannels !== 2 * latentChannels + 1) {
    throw new ArgumentError(
      `this UNet takes ${unetChannels} channels; inpainting needs ${latentChannels}, or ${2 * latentChannels + 1} for one that sees the mask`,
    );
  }
  const shape = [batch, latentChannels, ...input.latentSize];
  const needsImage = isOrdinary || isNoised || isLatent(vae, image) || (!input.latents && !startsFromNoise);
  const encoded = needsImage ? (isLatent(vae, image) ? image : await encodeImages(vae, image, generator)) : undefined;
  const imageLatents = encoded && repeatToBatch("image", encoded, batch);

  const noise = input.latents ?? randnPerImage(shape, generator);
  const start = () => {
    if (isNoised && imageLatents) return imageLatents;
    if (input.latents || startsFromNoise || !imageLatents) return noise.mul(scheduler.initNoiseSigma);
    return scheduler.addNoise(imageLatents, noise, [timesteps[0] ?? 0]);
  };
  const latents = start();

  const mask = repeatToBatch("maskImage", resizeMask(input.mask, input.latentSize), batch);
  if (isOrdinary) {
    // diffusers encodes the masked picture here as well and leaves it unused; only its draw from the generator matters.
    if (vae instanceof AutoencoderKL && !input.maskedImageLatents && !isLatent(vae, image)) {
      const drawn = image.shape[0] ?? 1;
      randnPerImage(
        [drawn, latentChannels, ...input.latentSize],
        (Array.isArray(generator) ? generator.slice(0, drawn) : generator) as Generators,
      );
    }
    const kept = imageLatents as Tensor;
    const afterStep = (denoised: Tensor, index: number) => {
      const next = timesteps[index + 1];
      return blend(mask, denoised, next === undefined ? kept : scheduler.addNoise(kept, noise, [next]));
    };
    return { latents, channels: [], afterStep };
  }
  const masked = repeatToBatch(
    "maskedImageLatents",
    input.maskedImageLatents ?? (await encodeImages(vae, blackOut(image, input.mask), generator)),
    batch,
  );
  const doubled = (tensor: Tensor) => (isGuided ? concat([tensor, tensor]) : tensor);
  return { latents, channels: [doubled(mask), doubled(masked)], afterStep: undefined };
}

/** The mask at the latents' size, nearest neighbours as torch's interpolate takes them. */
function resizeMask(mask: Tensor, [height, width]: readonly [number, number]): Tensor {
  const [count = 0, , fromHeight = 0, fromWidth = 0] = mask.shape;
  const data = new Float32Array(count * height * width);
  for (let i = 0; i < data.length; i++) {
    const [x, y, n] = [i % width, Math.floor(i / width) % height, Math.floor(i / (width * height))];
    const from = Math.floor((y * fromHeight) / height) * fromWidth + Math.floor((x * fromWidth) / width);
    data[i] = mask.data[n * fromHeight * fromWidth + from] as number;
  }
  return new Tensor("float32", [count, 1, height, width], data);
}

/** `painted` where the mask is 1, `kept` where it is 0. */
function blend(mask: Tensor, painted: Tensor, kept: Tensor): Tensor {
  return perPixel(painted, mask, (value, share, i) => (1 - share) * (kept.data[i] as number) + share * value);
}

/** The image with what the mask covers set to 0, mid-grey. */
function blackOut(image: Tensor, mask: Tensor): Tensor {
  return perPixel(image, mask, (value, share) => (share < 0.5 ? value : 0));
}

/** Applies `fn` to every number of [n, channels, height, width] and the number of the mask [n or 1, 1, height, width] at its pixel. */
function perPixel(tensor: Tensor, mask: Tensor, fn: (value: number, share: number, i: number) => number): Tensor {
  const [, channels = 1, height = 1, width = 1] = tensor.shape;
  const plane = height * width;
  const masks = mask.shape[0] ?? 1;
  const at = (i: number) => (Math.floor(i / (plane * channels)) % masks) * plane + (i % plane);
  return new Tensor(
    "float32",
    tensor.shape,
    tensor.data.map((value, i) => fn(value, mask.data[at(i)] as number, i)),
  );
}
