import { readFile } from "node:fs/promises";
import { ArgumentError } from "../errors.js";

/** Pixels of a decoded image: 8-bit, row-major, `channels` bytes each. */
export interface DecodedImage {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly data: Uint8Array;
}

/** The bytes of the image file at `path`. @throws ArgumentError if it cannot be read. */
export async function readPath(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new ArgumentError(`image ${path} cannot be read: ${messageOf(cause)}`, { hint: "check the path", cause });
  }
}

/**
 * Decodes PNG, JPEG, WebP, GIF, TIFF or AVIF, upright as its EXIF orientation says; grey stays grey, transparency is kept as a channel.
 * @throws ArgumentError if `bytes` are no such image; `name` is how the message calls them.
 */
export async function decodeImage(bytes: Uint8Array, name: string): Promise<DecodedImage> {
  // Loaded when needed: text to picture never decodes anything.
  const { default: sharp } = await import("sharp");
  try {
    const { data, info } = await sharp(bytes).autoOrient().raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true });
    return { width: info.width, height: info.height, channels: info.channels, data };
  } catch (cause) {
    throw new ArgumentError(`${name} is not an image that can be read: ${messageOf(cause)}`, {
      hint: "PNG, JPEG, WebP, GIF, TIFF and AVIF can be read",
      cause,
    });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
