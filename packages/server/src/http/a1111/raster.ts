import sharp, { type Sharp } from "sharp";
import type { Limits, Size } from "../limits.js";
import { checkPicture } from "../picture-file.js";

// Everything here runs in sharp's threads: the HTTP process goes on answering.

/** A decoded picture: RGB, or a mask of one channel. */
export interface Raster extends Size {
  readonly data: Buffer;
  readonly channels: 1 | 3;
}

/** How a picture of other proportions is brought to a size: stretched, filling and cut off, or fitted in with its edges drawn out. */
export type Fit = "stretch" | "crop" | "fill";

/**
 * A picture of a request. Transparent parts become white, as in AUTOMATIC1111.
 * @throws ArgumentError if it is none, or larger than the server takes
 */
export async function readPicture(value: unknown, field: string, limits: Limits): Promise<Raster> {
  const { bytes } = await checkPicture(value, field, limits);
  return decode(bytes);
}

/** The pixels of an image file. */
export function decode(bytes: Uint8Array): Promise<Raster> {
  return toRaster(sharp(bytes).autoOrient().flatten({ background: "white" }), 3);
}

/**
 * A mask of a request: what is painted over is white. As in AUTOMATIC1111, a mask with transparent parts is its opacity, other masks are
 * their brightness.
 * @throws ArgumentError
 */
export async function readMask(value: unknown, field: string, limits: Limits): Promise<Raster> {
  const { bytes } = await checkPicture(value, field, limits);
  const { isOpaque } = await sharp(bytes).stats();
  if (isOpaque) return toRaster(sharp(bytes).autoOrient(), 1);
  const { data, info } = await sharp(bytes).autoOrient().extractChannel("alpha").raw().toBuffer({ resolveWithObject: true });
  return toRaster(open({ data, width: info.width, height: info.height, channels: 1 }).threshold(129), 1);
}

/** How new pixels come from old ones. */
export type Kernel = "lanczos3" | "nearest";

/** The picture in another size. */
export async function resized(picture: Raster, size: Size, fit: Fit = "stretch", kernel: Kernel = "lanczos3"): Promise<Raster> {
  const { width, height } = size;
  if (picture.width === width && picture.height === height) return picture;
  if (fit !== "fill")
    return toRaster(open(picture).resize(width, height, { fit: fit === "crop" ? "cover" : "fill", kernel }), picture.channels);
  const inner = await toRaster(open(picture).resize(width, height, { fit: "inside" }), picture.channels);
  const [left, top] = [Math.floor((width - inner.width) / 2), Math.floor((height - inner.height) / 2)];
  const edges = { left, top, right: width - inner.width - left, bottom: height - inner.height - top };
  return toRaster(open(inner).extend({ ...edges, extendWith: "copy" }), picture.channels);
}

/** White for black. */
export function inverted(mask: Raster): Promise<Raster> {
  return toRaster(open(mask).negate(), mask.channels);
}

/** The mask with soft edges. */
export function blurred(mask: Raster, radius: number): Promise<Raster> {
  // sharp's least is 0.3, which changes next to nothing.
  return radius < 0.3 ? Promise.resolve(mask) : toRaster(open(mask).blur(radius), mask.channels);
}

/** The picture in grey, with one channel. */
export function greyOf(picture: Raster): Promise<Raster> {
  return picture.channels === 1 ? Promise.resolve(picture) : toRaster(open(picture), 1);
}

/** The picture with three channels. */
export function toColour(picture: Raster): Promise<Raster> {
  return picture.channels === 3 ? Promise.resolve(picture) : toRaster(open(picture), 3);
}

/** The picture as a job's request holds it: a PNG file in base64. */
export async function toBase64(picture: Raster): Promise<string> {
  return (await open(picture).png({ compressionLevel: 2 }).toBuffer()).toString("base64");
}

function open({ data, width, height, channels }: Raster): Sharp {
  return sharp(data, { raw: { width, height, channels } });
}

async function toRaster(image: Sharp, channels: 1 | 3): Promise<Raster> {
  const flat = channels === 1 ? image.removeAlpha().toColourspace("b-w") : image.removeAlpha().toColourspace("srgb");
  const { data, info } = await flat.raw().toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height, channels };
}
