import { ArgumentError } from "../../errors.js";
import { crop } from "../../image/crop.js";
import type { ImageSource } from "../../image/load-image.js";
import { loadImage } from "../../image/load-image.js";
import type { Picture } from "../../image/picture.js";
import { resize } from "../../image/resize.js";
import { Tensor } from "../../tensor/tensor.js";
import type { ImageInput } from "./image-inputs.js";

/** The smallest side of a picture, and the largest ratio of its sides. */
const SMALLEST = 64;
const LONGEST = 8;
/** Larger pictures become as large as a square with this side. */
const LARGEST = 1024;

/**
 * Pictures that a network sees beside the noise: at most 1024 x 1024 pixels in all, and with sides that are multiples of `multiple`, to
 * which they are cropped around their centre. Matches diffusers' Flux2ImageProcessor.
 * @throws ArgumentError for a picture that is too small or too long
 */
export async function readReferences(image: ImageInput, multiple: number): Promise<Picture[]> {
  const list = (Array.isArray(image) ? image : [image]) as readonly (ImageSource | Tensor)[];
  return Promise.all(
    list.map(async (each) => {
      if (each instanceof Tensor) {
        throw new ArgumentError("image is a Tensor; reference pictures are pictures, since they have sizes of their own", {
          argument: "image",
          hint: "give a Picture, a path or bytes",
        });
      }
      return cropped(shrunk(expectProportions(await loadImage(each))), multiple);
    }),
  );
}

function expectProportions(picture: Picture): Picture {
  const { width, height } = picture;
  if (Math.min(width, height) < SMALLEST) {
    throw new ArgumentError(`image is ${width}x${height} pixels; expected at least ${SMALLEST} along each side`, { argument: "image" });
  }
  if (Math.max(width / height, height / width) > LONGEST) {
    throw new ArgumentError(`image is ${width}x${height} pixels; expected sides of which one is at most ${LONGEST} times the other`, {
      argument: "image",
    });
  }
  return picture;
}

function shrunk(picture: Picture): Picture {
  const { width, height } = picture;
  if (width * height <= LARGEST ** 2) return picture;
  const scale = Math.sqrt(LARGEST ** 2 / (width * height));
  return resize(picture, Math.trunc(width * scale), Math.trunc(height * scale), { resampling: "lanczos" });
}

function cropped(picture: Picture, multiple: number): Picture {
  const floor = (side: number) => Math.floor(side / multiple) * multiple;
  const [width, height] = [floor(picture.width), floor(picture.height)];
  const [left, top] = [Math.floor((picture.width - width) / 2), Math.floor((picture.height - height) / 2)];
  return crop(picture, [left, top, left + width, top + height]);
}

/** A picture as the autoencoder takes it: [1, 3, height, width] in -1..1. */
export function pictureTensor({ width, height, data }: Picture): Tensor {
  const channels = data.length / (width * height);
  const values = new Float32Array(3 * width * height);
  for (let pixel = 0; pixel < width * height; pixel++) {
    for (let channel = 0; channel < 3; channel++) {
      values[channel * width * height + pixel] = Math.fround(2 * Math.fround((data[pixel * channels + channel] ?? 0) / 255)) - 1;
    }
  }
  return Tensor.from(values, [1, 3, height, width]);
}
