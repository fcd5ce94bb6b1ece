import { type AnyPicture, GrayPicture } from "../../src/image/gray-picture.js";
import { Picture } from "../../src/image/picture.js";
import type { DType } from "../../src/tensor/dtype.js";
import type { Tensor } from "../../src/tensor/tensor.js";

/** The picture that a fixture holds as bytes [height, width, channels]. */
export function pictureOf({ shape, data }: Tensor<DType>): AnyPicture {
  const [height = 0, width = 0, channels] = shape;
  return channels === 1 ? new GrayPicture(width, height, data as Uint8Array) : new Picture(width, height, data as Uint8Array);
}
