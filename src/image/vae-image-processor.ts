import { ArgumentError } from "../errors.js";
import { checkOptions } from "../options/check-options.js";
import { type Fields, field, flag, oneOf, whole } from "../options/fields.js";
import { concat, Tensor } from "../tensor/tensor.js";
import { warn } from "../warnings.js";
import { gaussianBlur } from "./blur.js";
import { crop, paste } from "./crop.js";
import { type AnyPicture, channelsOf, expectPicture, GrayPicture, toGray, toRgb } from "./gray-picture.js";
import { overlay } from "./overlay.js";
import { Picture } from "./picture.js";
import { type Box, RESAMPLINGS, type Resampling, resize } from "./resize.js";
import { resizeTensorNearest } from "./resize-tensor.js";

/** Settings of a {@link VaeImageProcessor}, with the names and defaults of diffusers' VaeImageProcessor. */
export interface VaeImageProcessorOptions {
  /** Resize pictures to a size that the VAE takes; true by default. */
  readonly doResize?: boolean | undefined;
  /** Both sides become multiples of it. */
  readonly vaeScaleFactor?: number | undefined;
  /** A tensor with this many channels holds latents and is left as it is. */
  readonly vaeLatentChannels?: number | undefined;
  /** The filter that pictures are resized with; "lanczos" by default. */
  readonly resample?: Resampling | undefined;
  /** Convert 0..1 to -1..1; true by default. */
  readonly doNormalize?: boolean | undefined;
  /** Make values below 0.5 0 and others 1, for masks; false by default. */
  readonly doBinarize?: boolean | undefined;
  /** Convert pictures to three channels; false by default. */
  readonly doConvertRgb?: boolean | undefined;
  /** Convert pictures to one channel; false by default. */
  readonly doConvertGrayscale?: boolean | undefined;
}

const FIELDS: Fields<VaeImageProcessorOptions> = {
  doResize: flag,
  vaeScaleFactor: whole(1),
  vaeLatentChannels: whole(1),
  resample: oneOf(...RESAMPLINGS),
  doNormalize: flag,
  doBinarize: flag,
  doConvertRgb: flag,
  doConvertGrayscale: flag,
};

/** The settings for the mask of inpainting. */
export const MASK_OPTIONS = { doNormalize: false, doBinarize: true, doConvertGrayscale: true } as const;

/** The settings for the control image of ControlNets. */
export const CONTROL_OPTIONS = { doNormalize: false, doConvertRgb: true } as const;

/** How a picture of other proportions is resized: stretched, fitted in with its edges repeated, or cropped to fill the size. */
export type ResizeMode = "default" | "fill" | "crop";

/** A picture, or a tensor [batch, channels, height, width] of values in 0..1, or latents. */
export type ProcessorInput = AnyPicture | Tensor;

/** Options of {@link VaeImageProcessor.preprocess}. */
export interface PreprocessOptions {
  /** The height in pixels; by default the picture's own, rounded to a multiple of the VAE's factor. */
  readonly height?: number | undefined;
  /** The width in pixels; see `height`. */
  readonly width?: number | undefined;
  /** How pictures of other proportions are resized; not for tensors. */
  readonly resizeMode?: ResizeMode | undefined;
  /** The part of each picture to use, before it is resized; see {@link cropRegion}. */
  readonly cropsCoords?: Box | undefined;
}

const PREPROCESS_FIELDS: Fields<PreprocessOptions> = {
  height: whole(1),
  width: whole(1),
  resizeMode: oneOf("default", "fill", "crop"),
  cropsCoords: field<Box>(
    (value) => Array.isArray(value) && value.length === 4 && value.every(Number.isFinite),
    "four numbers: left, top, right, bottom",
  ),
};

/**
 * Turns pictures into the input of a VAE, and masks into the weights of inpainting. Gives the same pixels as diffusers' VaeImageProcessor.
 */
export class VaeImageProcessor {
  /** The settings, with defaults filled in. */
  readonly options: Required<VaeImageProcessorOptions>;

  /** @throws ArgumentError if both conversions are given. */
  constructor(options: VaeImageProcessorOptions = {}) {
    this.options = {
      doResize: true,
      vaeScaleFactor: 8,
      vaeLatentChannels: 4,
      resample: "lanczos",
      doNormalize: true,
      doBinarize: false,
      doConvertRgb: false,
      doConvertGrayscale: false,
      ...checkOptions(options, FIELDS, { call: "new VaeImageProcessor" }),
    };
    if (this.options.doConvertRgb && this.options.doConvertGrayscale) {
      throw new ArgumentError("doConvertRgb and doConvertGrayscale were both given; a picture can become only one of them", {
        argument: "doConvertGrayscale",
      });
    }
  }

  /**
   * The batch [batch, channels, height, width] of one picture, of several pictures (all get the size of the first), or of tensors.
   * @throws ArgumentError for pictures mixed with tensors, for tensors of different sizes, or for a resize mode with tensors.
   */
  preprocess(image: ProcessorInput | readonly ProcessorInput[], given: PreprocessOptions = {}): Tensor {
    const options = checkOptions(given, PREPROCESS_FIELDS, { call: "preprocess" });
    const images: readonly ProcessorInput[] = Array.isArray(image) ? image : [image as ProcessorInput];
    const { doConvertGrayscale, vaeLatentChannels } = this.options;
    const tensors = images.filter((one) => one instanceof Tensor);
    if (images.length === 0) throw new ArgumentError("no image was given", { argument: "image" });
    for (const one of images) if (!(one instanceof Tensor)) expectPicture(one);
    if (tensors.length === 0) return this.finish(concat(this.fromPictures(images as readonly AnyPicture[], options)));

    if (tensors.length < images.length) throw new ArgumentError("pictures and tensors were given together; give one kind");
    const { resizeMode = "default" } = options;
    if (resizeMode !== "default")
      throw new ArgumentError(`resizeMode ${resizeMode} applies to pictures; tensors can only be stretched`, { argument: "resizeMode" });
    const batch = concat(
      tensors.map((tensor) => {
        if (tensor.shape.length === 4) return tensor;
        const [first = 1, height = 0, width = 0] = tensor.shape;
        if (tensor.shape.length !== 3)
          throw new ArgumentError(`an image tensor is [${tensor.shape}]; expected [batch, channels, height, width]`);
        return tensor.reshape(doConvertGrayscale ? [first, 1, height, width] : [1, first, height, width]);
      }),
    );
    const [, channels, fullHeight = 0, fullWidth = 0] = batch.shape;
    if (channels === vaeLatentChannels) return batch;
    const [height, width] = this.size(fullHeight, fullWidth, options);
    return this.finish(this.options.doResize ? resizeTensorNearest(batch, height, width) : batch);
  }

  /** A picture in another size, resized as `resizeMode` says. */
  resize(picture: AnyPicture, width: number, height: number, resizeMode: ResizeMode = "default"): AnyPicture {
    const resampling = this.options.resample;
    if (resizeMode === "default") return resize(picture, width, height, { resampling });
    return resizeMode === "fill"
      ? fitWithEdges(toRgb(picture), width, height, resampling)
      : fitAndCut(toRgb(picture), width, height, resampling);
  }

  /** A mask with soft edges. Matches diffusers' `blur`: PIL's GaussianBlur. */
  blur<P extends AnyPicture>(picture: P, blurFactor = 4): P {
    return gaussianBlur(picture, blurFactor);
  }

  /**
   * `initImage` with `image` where `mask` is white. `image` covers all of it, or the rectangle `cropCoords` of it.
   * @throws ArgumentError if the sizes differ.
   */
  applyOverlay(mask: AnyPicture, initImage: Picture, image: Picture, cropCoords?: Box): Picture {
    const { width, height } = initImage;
    let painted = image;
    if (cropCoords) {
      const [left, top, right, bottom] = cropCoords;
      const part = toRgb(this.resize(image, right - left, bottom - top, "crop"));
      painted = paste(new Picture(width, height, new Uint8Array(width * height * 3)), part, left, top);
    }
    return overlay(initImage, painted, toGray(mask));
  }

  private fromPictures(pictures: readonly AnyPicture[], options: PreprocessOptions): Tensor[] {
    const { doResize, doConvertRgb, doConvertGrayscale } = this.options;
    const { cropsCoords, resizeMode } = options;
    const cropped = cropsCoords ? pictures.map((picture) => crop(picture, cropsCoords)) : pictures;
    const [first] = cropped as [AnyPicture];
    const [height, width] = this.size(first.height, first.width, options);
    return cropped.map((picture) => {
      const resized = doResize ? this.resize(picture, width, height, resizeMode) : picture;
      return toTensor(doConvertRgb ? toRgb(resized) : doConvertGrayscale ? toGray(resized) : resized);
    });
  }

  private size(fullHeight: number, fullWidth: number, { height = fullHeight, width = fullWidth }: PreprocessOptions): [number, number] {
    const factor = this.options.vaeScaleFactor;
    const size: [number, number] = [height - (height % factor), width - (width % factor)];
    if (!size.includes(0)) return size;
    // diffusers fails here, too: PIL does.
    throw new ArgumentError(`the image is ${width}x${height} pixels; expected at least ${factor}x${factor}`, {
      hint: `the autoencoder needs sides that are multiples of ${factor}: give a larger image`,
    });
  }

  private finish(image: Tensor): Tensor {
    const { doNormalize, doBinarize } = this.options;
    let result = image;
    if (doNormalize) {
      if (image.data.some((value) => value < 0)) warn("an image tensor has values below 0: it is read as -1..1, but 0..1 is expected");
      else result = image.map((value) => 2 * value - 1);
    }
    return doBinarize ? result.map((value) => (value < 0.5 ? 0 : 1)) : result;
  }
}

/**
 * The rectangle around the white part of a mask, with a margin of `pad` pixels on every side. It is enlarged to the proportions of `width`
 * x `height`, but not beyond the picture. Matches diffusers' `get_crop_region`.
 * @throws ArgumentError if the mask is all black.
 */
export function cropRegion(mask: AnyPicture, width: number, height: number, pad = 0): Box {
  const gray = toGray(mask);
  const { width: fullWidth, height: fullHeight } = gray;
  const covered = { left: fullWidth, top: fullHeight, right: 0, bottom: 0 };
  for (const [i, value] of gray.data.entries()) {
    if (value === 0) continue;
    const [x, y] = [i % fullWidth, Math.floor(i / fullWidth)];
    covered.left = Math.min(covered.left, x);
    covered.right = Math.max(covered.right, x + 1);
    covered.top = Math.min(covered.top, y);
    covered.bottom = Math.max(covered.bottom, y + 1);
  }
  if (covered.right === 0) throw new ArgumentError("the mask is black everywhere; there is nothing to paint", { argument: "maskImage" });
  const x1 = Math.max(covered.left - pad, 0);
  const y1 = Math.max(covered.top - pad, 0);
  const x2 = Math.min(covered.right + pad, fullWidth);
  const y2 = Math.min(covered.bottom + pad, fullHeight);
  const proportions = width / height;
  if ((x2 - x1) / (y2 - y1) > proportions) {
    const [top, bottom] = grow(y1, y2, Math.trunc((x2 - x1) / proportions - (y2 - y1)), fullHeight);
    return [x1, top, x2, bottom];
  }
  const [left, right] = grow(x1, x2, Math.trunc((y2 - y1) * proportions - (x2 - x1)), fullWidth);
  return [left, y1, right, y2];
}

/** A range made longer by `more` around its middle, then moved and cut so that it stays inside the picture. */
function grow(start: number, end: number, more: number, size: number): [number, number] {
  let from = start - Math.floor(more / 2);
  let to = end + more - Math.floor(more / 2);
  if (to >= size) {
    from -= to - size;
    to = size;
  }
  if (from < 0) {
    to -= from;
    from = 0;
  }
  return [from, Math.min(to, size)];
}

/** The picture in the middle, as large as it fits, with its outer rows or columns repeated around it. */
function fitWithEdges(picture: Picture, width: number, height: number, resampling: Resampling): Picture {
  const isWider = width / height < picture.width / picture.height;
  const inner = isWider ? width : Math.floor((picture.width * height) / picture.height);
  const innerHeight = width / height >= picture.width / picture.height ? height : Math.floor((picture.height * width) / picture.width);
  const resized = resize(picture, inner, innerHeight, { resampling });
  const left = Math.floor(width / 2) - Math.floor(inner / 2);
  const top = Math.floor(height / 2) - Math.floor(innerHeight / 2);
  const canvas = paste(black(width, height), resized, left, top);
  // A box without area is an edge, stretched.
  if (isWider && top > 0) {
    const above = resize(resized, width, top, { box: [0, 0, width, 0] });
    const below = resize(resized, width, top, { box: [0, innerHeight, width, innerHeight] });
    return paste(paste(canvas, above, 0, 0), below, 0, top + innerHeight);
  }
  if (!isWider && left > 0) {
    const before = resize(resized, left, height, { box: [0, 0, 0, height] });
    const after = resize(resized, left, height, { box: [inner, 0, inner, height] });
    return paste(paste(canvas, before, 0, 0), after, left + inner, 0);
  }
  return canvas;
}

/** The middle of the picture, cropped after resizing so that it fills the size. */
function fitAndCut(picture: Picture, width: number, height: number, resampling: Resampling): Picture {
  const isNarrower = width / height > picture.width / picture.height;
  const outer = isNarrower ? width : Math.floor((picture.width * height) / picture.height);
  const outerHeight = isNarrower ? Math.floor((picture.height * width) / picture.width) : height;
  const resized = resize(picture, outer, outerHeight, { resampling });
  return paste(
    black(width, height),
    resized,
    Math.floor(width / 2) - Math.floor(outer / 2),
    Math.floor(height / 2) - Math.floor(outerHeight / 2),
  );
}

function black(width: number, height: number): Picture {
  return new Picture(width, height, new Uint8Array(width * height * 3));
}

/** A picture as [1, channels, height, width] of values in 0..1. */
function toTensor(picture: AnyPicture): Tensor {
  const { width, height, data } = picture;
  if (!(picture instanceof GrayPicture)) return picture.toTensor().reshape([1, channelsOf(picture), height, width]);
  return Tensor.from(
    Array.from(data, (value) => value / 255),
    [1, 1, height, width],
  );
}
