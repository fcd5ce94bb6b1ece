import { ArgumentError } from "../../errors.js";
import { type ImageSource, isImageSource, loadImage, loadMask } from "../../image/load-image.js";
import type { Picture } from "../../image/picture.js";
import type { Box } from "../../image/resize.js";
import { CONTROL_OPTIONS, cropRegion, MASK_OPTIONS, VaeImageProcessor } from "../../image/vae-image-processor.js";
import type { Autoencoder } from "../../models/autoencoder.js";
import { type Fields, field, isListOf, needed, tensor, whole } from "../../options/fields.js";
import { Tensor } from "../../tensor/tensor.js";
import { expectInteger, type Size, type SizeOptions } from "./arguments.js";
import type { Denoised } from "./call.js";
import type { ControlFit } from "./control.js";
import { sizeOfImages } from "./latents.js";
import { latentsOf } from "./missing-parts.js";

/**
 * An image in any form, or a list with one for each prompt. A tensor is [batch, channels, height, width] with values in 0..1, or latents.
 */
export type ImageInput = ImageSource | Tensor | readonly (ImageSource | Tensor)[];

const IMAGE = "a path, a URL, a Buffer, a Blob, raw pixels, a Picture or a Tensor, or a list of them";

export const imageInput = field<ImageInput>(isImageInput, IMAGE);

/** Whether a value can be an image, or a list of images. */
export function isImageInput(value: unknown): boolean {
  return isImage(value) || isListOf(value, isImage);
}

function isImage(value: unknown): boolean {
  return value instanceof Tensor || isImageSource(value);
}

/** The pictures of an inpainting call. */
export interface InpaintImages {
  /** The picture to repaint, or a list with one for each prompt. It is resized to the result's size. */
  readonly image: ImageInput;
  /** White (above one half) in the part that is repainted, black in the part that stays. It is resized to the same size. */
  readonly maskImage: ImageInput;
  /** Latents of the masked picture [n, channels, height / factor, width / factor]. By default the autoencoder makes them. */
  readonly maskedImageLatents?: Tensor | undefined;
  /**
   * Repaints only the part around the mask, this many pixels wider on every side. The part is computed at the full size of the result and
   * put back, which gives fine detail in large pictures. For one picture and one mask.
   */
  readonly paddingMaskCrop?: number | undefined;
  /** Noise to start from [batch, channels, height / factor, width / factor], of unit variance. */
  readonly latents?: Tensor | undefined;
}

export const INPAINT_FIELDS: Fields<InpaintImages> = {
  image: needed(imageInput, "image is the picture to repaint"),
  maskImage: needed(imageInput, "maskImage is white in the part that is repainted"),
  maskedImageLatents: tensor,
  paddingMaskCrop: whole(0),
  latents: tensor,
};

/** How pictures are read. */
export interface ReadImagesOptions extends SizeOptions {
  /** The filter that pictures are resized with. */
  readonly resample?: "lanczos" | "bicubic";
  /** Both sides are multiples of it; by default of the autoencoder's factor. */
  readonly multiple?: number;
}

/**
 * Pictures as the autoencoder takes them, [n, 3, height, width] in -1..1, with sides that are multiples of its factor: their own or the
 * given ones. Latents are returned unchanged.
 */
export async function readImages(
  image: ImageInput,
  vae: Autoencoder | null,
  { height, width, resample = "lanczos", multiple }: ReadImagesOptions = {},
): Promise<Tensor> {
  const processor = processorOf(vae, { resample, ...(multiple !== undefined && { vaeScaleFactor: multiple }) });
  return processor.preprocess(await loadImages(image), { height, width });
}

/** Pictures as a ControlNet takes them, [n, 3, height, width] in 0..1. */
export async function readControlImages(image: ImageInput, fit: ControlFit, vae: Autoencoder | null): Promise<Tensor> {
  const { height, width, crop } = fit;
  const cropping = crop && ({ cropsCoords: crop, resizeMode: "fill" } as const);
  return processorOf(vae, CONTROL_OPTIONS).preprocess(await loadImages(image), { height, width, ...cropping });
}

/** The pictures of an inpainting call as its networks take them. */
export interface ReadInpaintImages {
  /** [n, 3, height, width] in -1..1, or latents. */
  readonly image: Tensor;
  /** [n, 1, height, width], 1 where the picture is repainted. */
  readonly mask: Tensor;
  readonly size: Size;
  /** The part of the whole picture that is worked on; undefined: all of it. */
  readonly crop: Box | undefined;
  /** Puts a crop back into the whole picture. */
  readonly retouch: Denoised["retouch"];
}

/**
 * Picture and mask of an inpainting call, resized to the wanted size, by default the picture's own. Sides are rounded down to a multiple of
 * `multiple` pixels, those of one latent by default.
 */
export async function readInpaintImages(
  { image, maskImage, paddingMaskCrop, outputType = "image" }: InpaintImages & { readonly outputType?: string },
  wanted: SizeOptions,
  vae: Autoencoder | null,
  multiple?: number,
): Promise<ReadInpaintImages> {
  const [images, masks] = await Promise.all([loadImages(image), loadImages(maskImage, loadMask)]);
  const sides = multiple !== undefined && { vaeScaleFactor: multiple };
  const processor = processorOf(vae, { ...sides });
  const maskProcessor = processorOf(vae, { ...MASK_OPTIONS, ...sides });
  if (paddingMaskCrop === undefined) {
    const read = processor.preprocess(images, { height: wanted.height, width: wanted.width });
    const size = sizeOfImages(vae, read);
    return { image: read, mask: maskProcessor.preprocess(masks, size), size, crop: undefined, retouch: undefined };
  }
  expectInteger("paddingMaskCrop", paddingMaskCrop, 0);
  const [original, mask] = [onlyPicture("image", images), onlyPicture("maskImage", masks)];
  if (outputType !== "image")
    throw new ArgumentError(`outputType is ${outputType}; with paddingMaskCrop only image is possible`, { argument: "outputType" });
  const floor = (side: number) => side - (side % (multiple ?? latentsOf(vae).scaleFactor));
  const size = { height: floor(wanted.height ?? original.height), width: floor(wanted.width ?? original.width) };
  const cropsCoords = cropRegion(mask, size.width, size.height, paddingMaskCrop);
  const options = { ...size, cropsCoords, resizeMode: "fill" } as const;
  return {
    image: processor.preprocess(original, options),
    mask: maskProcessor.preprocess(mask, options),
    size,
    crop: cropsCoords,
    retouch: (picture) => processor.applyOverlay(mask, original, picture, cropsCoords),
  };
}

function processorOf(vae: Autoencoder | null, options = {}): VaeImageProcessor {
  const { scaleFactor, latentChannels } = latentsOf(vae);
  return new VaeImageProcessor({ vaeScaleFactor: scaleFactor, vaeLatentChannels: latentChannels, ...options });
}

/** The images of an input, decoded. */
export function loadImages(image: ImageInput, load = loadImage): Promise<(Picture | Tensor)[]> {
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
