import { ArgumentError } from "../../errors.js";
import { type ImageSource, isImageSource, loadImage, loadMask } from "../../image/load-image.js";
import type { Picture } from "../../image/picture.js";
import { CONTROL_OPTIONS, cropRegion, MASK_OPTIONS, VaeImageProcessor } from "../../image/vae-image-processor.js";
import type { Autoencoder } from "../../models/autoencoder.js";
import { type Fields, field, isListOf, needed, tensor, whole } from "../../options/fields.js";
import { Tensor } from "../../tensor/tensor.js";
import type { SizeOptions } from "../latent-diffusion-request.js";
import { expectInteger, type Size } from "./arguments.js";
import type { Denoised } from "./call.js";
import { latentsOf } from "./missing-parts.js";

/** An image in any form, or a list with one for each prompt. A tensor is [batch, channels, height, width] with values in 0..1, or latents. */
export type ImageInput = ImageSource | Tensor | readonly (ImageSource | Tensor)[];

const IMAGE = "a path, a URL, a Buffer, a Blob, raw pixels, a Picture or a Tensor, or a list of them";

export const imageInput = field<ImageInput>((value) => isImage(value) || isListOf(value, isImage), IMAGE);

function isImage(value: unknown): boolean {
  return value instanceof Tensor || isImageSource(value);
}

/** The pictures an inpainting call works on. */
export interface InpaintImages {
  /** The picture to repaint in, or a list with one for each prompt; brought to the result's size. */
  readonly image: ImageInput;
  /** White (above half) where it is repainted, black where it stays; brought to the same size. */
  readonly maskImage: ImageInput;
  /** Instead of what the autoencoder makes of the masked picture: latents [n, channels, height / factor, width / factor]. */
  readonly maskedImageLatents?: Tensor | undefined;
  /**
   * Works only on the part around the mask, this many pixels wider on every side, at the full size asked for, and puts it back: fine detail in large
   * pictures. For one picture and one mask.
   */
  readonly paddingMaskCrop?: number | undefined;
  /** Noise to start from [batch, channels, height / factor, width / factor], of unit variance. */
  readonly latents?: Tensor | undefined;
}

export const INPAINT_FIELDS: Fields<InpaintImages> = {
  image: needed(imageInput, "image is the picture to repaint in"),
  maskImage: needed(imageInput, "maskImage is white where the picture is repainted"),
  maskedImageLatents: tensor,
  paddingMaskCrop: whole(0),
  latents: tensor,
};

/** Pictures as the autoencoder takes them, [n, 3, height, width] in -1..1, both sides multiples of its factor; latents are left as they are. */
export async function readImages(image: ImageInput, vae: Autoencoder | null): Promise<Tensor> {
  return processorOf(vae).preprocess(await loadAll(image));
}

/** Pictures as a ControlNet takes them, [n, 3, height, width] in 0..1. */
export async function readControlImages(image: ImageInput, { height, width }: SizeOptions, vae: Autoencoder | null): Promise<Tensor> {
  return processorOf(vae, CONTROL_OPTIONS).preprocess(await loadAll(image), { height, width });
}

/** Picture and mask of an inpainting call, brought to its size, and what puts a crop back into the whole. */
export async function readInpaintImages(
  { image, maskImage, paddingMaskCrop, outputType = "image" }: InpaintImages & { readonly outputType?: string },
  size: Size,
  vae: Autoencoder | null,
): Promise<{ readonly image: Tensor; readonly mask: Tensor; readonly retouch: Denoised["retouch"] }> {
  const [images, masks] = await Promise.all([loadAll(image), loadAll(maskImage, loadMask)]);
  const processor = processorOf(vae);
  const maskProcessor = processorOf(vae, MASK_OPTIONS);
  if (paddingMaskCrop === undefined) {
    return { image: processor.preprocess(images, size), mask: maskProcessor.preprocess(masks, size), retouch: undefined };
  }
  expectInteger("paddingMaskCrop", paddingMaskCrop, 0);
  const [original, mask] = [onlyPicture("image", images), onlyPicture("maskImage", masks)];
  if (outputType !== "image")
    throw new ArgumentError(`outputType is ${outputType}; with paddingMaskCrop only image is possible`, { argument: "outputType" });
  const cropsCoords = cropRegion(mask, size.width, size.height, paddingMaskCrop);
  const options = { ...size, cropsCoords, resizeMode: "fill" } as const;
  return {
    image: processor.preprocess(original, options),
    mask: maskProcessor.preprocess(mask, options),
    retouch: (picture) => processor.applyOverlay(mask, original, picture, cropsCoords),
  };
}

function processorOf(vae: Autoencoder | null, options = {}): VaeImageProcessor {
  const { scaleFactor, latentChannels } = latentsOf(vae);
  return new VaeImageProcessor({ vaeScaleFactor: scaleFactor, vaeLatentChannels: latentChannels, ...options });
}

function loadAll(image: ImageInput, load = loadImage): Promise<(Picture | Tensor)[]> {
  const images = (Array.isArray(image) ? image : [image]) as readonly (ImageSource | Tensor)[];
  return Promise.all(images.map((one) => (one instanceof Tensor ? one : load(one))));
}

function onlyPicture(name: string, images: readonly (Picture | Tensor)[]): Picture {
  const [picture] = images;
  if (picture && images.length === 1 && !(picture instanceof Tensor)) return picture;
  throw new ArgumentError(`paddingMaskCrop needs one picture as ${name}; ${images.length} images or a tensor were given`, {
    argument: name,
  });
}
