import { ArgumentError } from "../../errors.js";
import { resizeTensorNearest } from "../../image/resize-tensor.js";
import { AsymmetricAutoencoderKL } from "../../models/asymmetric-autoencoder-kl.js";
import type { Autoencoder } from "../../models/autoencoder.js";
import { AutoencoderKL } from "../../models/autoencoder-kl.js";
import { randnPerImage } from "../../tensor/random.js";
import { Tensor } from "../../tensor/tensor.js";
import type { Size } from "./arguments.js";
import type { Call } from "./call.js";
import type { InpaintImages } from "./image-inputs.js";
import { encodeImages, type Generators, isLatent, repeatToBatch, scaleLatents } from "./latents.js";
import { latentsOf } from "./missing-parts.js";
import { ReplaceableTensors, type Steerable } from "./steering.js";

/** The inputs of inpainting. */
export interface InpaintingInput {
  readonly vae: Autoencoder | null;
  /** Channels that the network takes: those of latents, or those of latents, mask and masked latents together. */
  readonly inChannels: number;
  readonly call: Call<Pick<InpaintImages, "maskedImageLatents" | "latents">>;
  readonly timesteps: readonly number[];
  /** Pictures [n, 3, height, width] in -1..1, or their latents. */
  readonly image: Tensor;
  /** [n, 1, height, width]: 1 in the part that is repainted, 0 in the part that stays. */
  readonly mask: Tensor;
  /** Height and width of the result in pixels. */
  readonly size: Size;
  /** 1 starts from pure noise; below 1 the picture with noise is the start. */
  readonly strength: number;
  /** Whether the picture's latents have their noise already (the second half of an ensemble). */
  readonly isNoised?: boolean | undefined;
}

/** The start of the denoising loop, and how the loop uses the mask. */
export interface Inpainting {
  readonly latents: Tensor;
  /** Further channels of the network's input at the next turn; none for an ordinary network. */
  readonly channels: () => readonly Tensor[];
  /** For an ordinary network: puts back, after each step, the part that the mask keeps. */
  readonly afterStep: ((latents: Tensor, index: number) => Tensor) | undefined;
  /** The mask and the masked picture, which `onStepEnd` may replace. */
  readonly steerable: Steerable;
}

/**
 * Prepares inpainting. An ordinary network repaints everything, and each step puts back the part that the mask keeps. A network with nine
 * input channels takes the mask and the masked picture as inputs. Draws random numbers in diffusers' order.
 * @throws ArgumentError if the network takes another number of channels.
 */
export async function prepareInpainting(input: InpaintingInput): Promise<Inpainting> {
  const { vae, inChannels, call, timesteps, image, size, strength, isNoised = false } = input;
  const { request, scheduler, generator, batch } = call;
  const { latentChannels, scaleFactor } = latentsOf(vae);
  const isOrdinary = inChannels === latentChannels;
  if (!isOrdinary && inChannels !== 2 * latentChannels + 1) {
    throw new ArgumentError(
      `this UNet takes ${inChannels} channels; inpainting needs ${latentChannels}, or ${2 * latentChannels + 1} for one that sees the mask`,
    );
  }
  // diffusers leaves out the autoencoder's mean and standard deviation here, but not when it decodes.
  const encode = (pictures: Tensor) =>
    encodeImages(vae, pictures, generator, (encoded, { scalingFactor, shiftFactor }) =>
      scaleLatents(encoded, { scalingFactor, shiftFactor }),
    );
  const [height, width] = [size.height / scaleFactor, size.width / scaleFactor];
  const shape = [batch, latentChannels, height, width];
  const startsFromNoise = strength === 1;
  const needsImage = isOrdinary || isNoised || isLatent(vae, image) || (!request.latents && !startsFromNoise);
  const encoded = needsImage ? (isLatent(vae, image) ? image : await encode(image)) : undefined;
  const imageLatents = encoded && repeatToBatch("image", encoded, batch);

  const noise = request.latents ?? randnPerImage(shape, generator);
  const start = () => {
    if (isNoised && imageLatents) return imageLatents;
    if (request.latents || startsFromNoise || !imageLatents) return noise.mul(scheduler.initNoiseSigma);
    return scheduler.addNoise(imageLatents, noise, [timesteps[0] ?? 0]);
  };
  const latents = start();

  const mask = repeatToBatch("maskImage", resizeTensorNearest(input.mask, height, width), batch);
  if (isOrdinary) {
    // diffusers encodes the masked picture here, too, and does not use it. Only its draw from the generator matters.
    if ((vae instanceof AutoencoderKL || vae instanceof AsymmetricAutoencoderKL) && !request.maskedImageLatents && !isLatent(vae, image)) {
      const drawn = image.shape[0] ?? 1;
      randnPerImage(
        [drawn, latentChannels, height, width],
        (Array.isArray(generator) ? generator.slice(0, drawn) : generator) as Generators,
      );
    }
    const kept = imageLatents as Tensor;
    /** The latents that the mask keeps, with the noise that is left after the step. */
    const keptAfter = (index: number) => {
      const next = timesteps[index + 1];
      return next === undefined ? kept : scheduler.addNoise(kept, noise, [next]);
    };
    const parts = new ReplaceableTensors({ mask });
    return {
      latents,
      channels: () => [],
      afterStep: (painted, index) => blend(parts.current.mask, painted, keptAfter(index)),
      steerable: parts,
    };
  }
  const masked = repeatToBatch("maskedImageLatents", request.maskedImageLatents ?? (await encode(blackOut(image, input.mask))), batch);
  const parts = new ReplaceableTensors({ mask, maskedImageLatents: masked });
  return { latents, channels: () => [parts.current.mask, parts.current.maskedImageLatents], afterStep: undefined, steerable: parts };
}

/** `painted` where the mask is 1, `kept` where it is 0. */
function blend(mask: Tensor, painted: Tensor, kept: Tensor): Tensor {
  return perPixel(painted, mask, (value, share, i) => (1 - share) * (kept.data[i] as number) + share * value);
}

/** The image with the masked part set to 0, mid-grey. */
function blackOut(image: Tensor, mask: Tensor): Tensor {
  return perPixel(image, mask, (value, share) => (share < 0.5 ? value : 0));
}

/**
 * Applies `fn` to every value of [n, channels, height, width] and the mask's value at its pixel; the mask is [n or 1, 1, height, width].
 */
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
