import { ArgumentError } from "../errors.js";
import { wrongArgument } from "../given.js";
import { expectField } from "../options/check-options.js";
import { whole } from "../options/fields.js";
import { Picture } from "./picture.js";

const EXTENT = whole(1);

/** A picture of one channel, such as a mask: 8 bit, row-major `[height, width]`. */
export class GrayPicture {
  /** @throws ArgumentError if `data` is not `height * width` bytes. */
  constructor(
    /** Width in pixels. */
    readonly width: number,
    /** Height in pixels. */
    readonly height: number,
    /** The pixels row by row, one byte each. */
    readonly data: Uint8Array,
  ) {
    expectField("width", width, EXTENT);
    expectField("height", height, EXTENT);
    if (data?.length !== width * height) {
      throw new ArgumentError(`a gray picture of ${width}x${height} needs ${width * height} bytes; ${data?.length} were given`);
    }
  }
}

/** A picture with one channel or three. */
export type AnyPicture = Picture | GrayPicture;

/** The brightness of a picture (ITU-R 601-2 luma), as PIL's `convert("L")` rounds it. */
export function toGray(picture: AnyPicture): GrayPicture {
  expectPicture(picture);
  if (picture instanceof GrayPicture) return picture;
  const { width, height, data } = picture;
  const gray = new Uint8Array(width * height);
  for (let i = 0; i < gray.length; i++) {
    const [red, green, blue] = [data[3 * i] as number, data[3 * i + 1] as number, data[3 * i + 2] as number];
    gray[i] = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
  }
  return new GrayPicture(width, height, gray);
}

/** A gray picture with its channel repeated three times; a colour picture unchanged. */
export function toRgb(picture: AnyPicture): Picture {
  expectPicture(picture);
  if (picture instanceof Picture) return picture;
  const { width, height, data } = picture;
  const rgb = new Uint8Array(data?.length * 3);
  for (let i = 0; i < rgb.length; i++) rgb[i] = data[Math.floor(i / 3)] as number;
  return new Picture(width, height, rgb);
}

/** Bytes per pixel. */
export function channelsOf(picture: AnyPicture): 1 | 3 {
  return picture instanceof GrayPicture ? 1 : 3;
}

/** A picture of the same kind with other pixels. */
export function pictureLike<P extends AnyPicture>(picture: P, width: number, height: number, data: Uint8Array): P {
  return (picture instanceof GrayPicture ? new GrayPicture(width, height, data) : new Picture(width, height, data)) as P;
}

/** @throws ArgumentError unless the value is a picture. */
export function expectPicture(value: unknown): asserts value is AnyPicture {
  if (!(value instanceof Picture || value instanceof GrayPicture)) throw wrongArgument("picture", value, "a Picture or a GrayPicture");
}
