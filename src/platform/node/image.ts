import { readFile } from "node:fs/promises";
import { ArgumentError, DarkroomError } from "../../errors.js";
import { messageOf } from "../../message-of.js";
import type { DecodedImage, FrameOptions, ImageHeader } from "../pictures.js";

/** The bytes of the image file at `path`. @throws ArgumentError if it cannot be read. */
export async function readPath(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const reason = code === "ENOENT" ? "it does not exist" : code === "EISDIR" ? "it is a folder" : messageOf(cause);
    throw new ArgumentError(`image ${path} cannot be read: ${reason}`, { hint: "check the path", cause });
  }
}

/** sharp is only loaded when it is needed: text to image decodes nothing. It is an optional dependency. */
async function loadSharp(): Promise<typeof import("sharp").default> {
  try {
    return (await import("sharp")).default;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw cause;
    throw new DarkroomError("images can only be read, or written as other files than PNG, with the package sharp, which is not installed", {
      hint: "npm install sharp",
      cause,
    });
  }
}

/** Decodes an image file. @throws ArgumentError with libvips's reason. */
export async function decodeImage(bytes: Uint8Array): Promise<DecodedImage> {
  const sharp = await loadSharp();
  try {
    const { data, info } = await sharp(bytes).autoOrient().raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true });
    return { width: info.width, height: info.height, channels: info.channels, data };
  } catch (cause) {
    throw unreadable(cause);
  }
}

/** Reads the header of an image file. @throws ArgumentError with libvips's reason. */
export async function readImageHeader(bytes: Uint8Array): Promise<ImageHeader> {
  const sharp = await loadSharp();
  try {
    const { width, height, exif, xmp } = await sharp(bytes).metadata();
    return { width, height, exif, xmp };
  } catch (cause) {
    throw unreadable(cause);
  }
}

/** The first line of libvips's message: the lines below repeat it. */
function unreadable(cause: unknown): ArgumentError {
  const [reason = ""] = messageOf(cause).split("\n", 1);
  return new ArgumentError(reason, { cause });
}

/** Largest side of a picture, in pixels, by format. */
const LARGEST_SIDE = { gif: 65535, jpeg: 65535, webp: 16383 } as const;

/** From this quality on, JPEG files keep the full resolution of colours (4:4:4), as cjpeg does. */
const FULL_COLOUR = 90;

/**
 * An image file of 8-bit RGB pixels, without metadata.
 * @param quality 1 to 100.
 * @throws ArgumentError if the picture is larger than the format allows.
 */
export async function encodeImage(
  { width, height, data }: Omit<DecodedImage, "channels">,
  format: "jpeg" | "webp",
  quality: number,
): Promise<Uint8Array> {
  expectSides(width, height, format);
  const sharp = await loadSharp();
  const image = sharp(data, { raw: { width, height, channels: 3 } });
  const encoded =
    format === "webp" ? image.webp({ quality }) : image.jpeg({ quality, chromaSubsampling: quality < FULL_COLOUR ? "4:2:0" : "4:4:4" });
  return encoded.toBuffer();
}

/**
 * An animated image file. `data` has the 8-bit RGB pixels of all frames one after another.
 * @throws ArgumentError if the frames are larger than the format allows.
 */
export async function encodeFrames(
  { width, height, data }: Omit<DecodedImage, "channels">,
  format: "gif" | "webp",
  { delay, loop, quality }: FrameOptions,
): Promise<Uint8Array> {
  expectSides(width, height, format);
  const sharp = await loadSharp();
  const count = data.length / (3 * width * height);
  const image = sharp(data, { raw: { width, height: height * count, channels: 3, pageHeight: height } });
  const animation = { loop, delay: Array.from({ length: count }, () => delay) };
  return (format === "gif" ? image.gif(animation) : image.webp({ ...animation, quality })).toBuffer();
}

/** @throws ArgumentError if a picture is larger than the format allows. */
function expectSides(width: number, height: number, format: keyof typeof LARGEST_SIDE): void {
  const largest = LARGEST_SIDE[format];
  if (Math.max(width, height) <= largest) return;
  throw new ArgumentError(`the picture is ${width}x${height}; a ${format} file takes at most ${largest} pixels a side`, {
    hint: "save it as PNG",
  });
}
