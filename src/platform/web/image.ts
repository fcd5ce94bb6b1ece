import { decode } from "fast-png";
import { ArgumentError } from "../../errors.js";
import { messageOf } from "../../message-of.js";
import { contextOf, imageDataOf } from "../page-pictures.js";
import type { DecodedImage, FrameOptions, ImageHeader } from "../pictures.js";
import { animatedWebp } from "./animated-webp.js";
import { hasChunk, onlyPixels, readMetadata } from "./image-metadata.js";
import { fetchOrFail } from "./web-file.js";

/** The bytes of the image file at an address. @throws ArgumentError if it cannot be read. */
export async function readPath(path: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await (await fetchOrFail(path, path)).arrayBuffer());
  } catch (cause) {
    throw new ArgumentError(`image ${path} cannot be read: ${messageOf(cause)}`, { hint: "check the address", cause });
  }
}

/** Decodes an image file. @throws ArgumentError with the browser's reason. */
export async function decodeImage(bytes: Uint8Array): Promise<DecodedImage> {
  return decodePng(bytes) ?? decodeByBrowser(bytes);
}

/** Reads the header of an image file. @throws ArgumentError with the browser's reason. */
export async function readImageHeader(bytes: Uint8Array): Promise<ImageHeader> {
  const bitmap = await toBitmap(bytes);
  const { width, height } = bitmap;
  bitmap.close();
  return { width, height, ...readMetadata(bytes) };
}

/** Largest side of a picture, in pixels, by format. */
const LARGEST_SIDE = { jpeg: 65535, webp: 16383 } as const;

/**
 * An image file of 8-bit RGB pixels, without metadata, by the browser's encoder.
 * @param quality 1 to 100.
 * @throws ArgumentError if the picture is larger than the format allows, or if the browser does not write the format.
 */
export async function encodeImage(
  { width, height, data }: Omit<DecodedImage, "channels">,
  format: "jpeg" | "webp",
  quality: number,
): Promise<Uint8Array> {
  const largest = LARGEST_SIDE[format];
  if (Math.max(width, height) > largest) {
    throw new ArgumentError(`the picture is ${width}x${height}; a ${format} file takes at most ${largest} pixels a side`, {
      hint: "save it as PNG",
    });
  }
  const canvas = new OffscreenCanvas(width, height);
  contextOf(canvas).putImageData(imageDataOf({ width, height, data }), 0, 0);
  const blob = await canvas.convertToBlob({ type: `image/${format}`, quality: quality / 100 });
  const file = new Uint8Array(await blob.arrayBuffer());
  if (blob.type === `image/${format}`) return format === "webp" ? onlyPixels(file) : file;
  throw new ArgumentError(`this browser writes no ${format} files`, { hint: "save the picture as PNG or JPEG" });
}

/** Animated WebP, of frames that the browser encodes. Browsers write no GIF. @throws ArgumentError as {@link encodeImage}, and for GIF */
export async function encodeFrames(
  { width, height, data }: Omit<DecodedImage, "channels">,
  format: "gif" | "webp",
  options: FrameOptions,
): Promise<Uint8Array> {
  if (format === "gif") {
    throw new ArgumentError("a browser writes no animated GIF files", { hint: "save the animation as WebP or PNG" });
  }
  const size = width * height * 3;
  const frames: Uint8Array[] = [];
  for (let start = 0; start < data.length; start += size) {
    frames.push(await encodeImage({ width, height, data: data.subarray(start, start + size) }, "webp", options.quality));
  }
  return animatedWebp(frames, { width, height }, options);
}

/**
 * A PNG file, to the bit: a canvas would multiply colours by their opacity. Undefined for other files, and for PNG files with a colour
 * profile or an orientation, which the browser applies.
 */
function decodePng(bytes: Uint8Array): DecodedImage | undefined {
  if (![0x89, 0x50, 0x4e, 0x47].every((byte, i) => bytes[i] === byte)) return undefined;
  try {
    const { width, height, data, depth, channels, palette, transparency, iccEmbeddedProfile } = decode(bytes);
    if (iccEmbeddedProfile || hasChunk(bytes, "eXIf") || (transparency && !palette)) return undefined;
    if (palette) {
      const opaque = palette.every((colour) => colour.length === 3);
      const count = opaque ? 3 : 4;
      const pixels = new Uint8Array(width * height * count);
      const indices = depth === 8 ? data : unpacked(data, width, height, depth);
      indices.forEach((index, i) => {
        const colour = palette[index] ?? [0, 0, 0];
        for (let c = 0; c < count; c++) pixels[i * count + c] = colour[c] ?? 255;
      });
      return { width, height, channels: count, data: pixels };
    }
    if (depth < 8) {
      const scale = 255 / (2 ** depth - 1);
      return { width, height, channels, data: Uint8Array.from(unpacked(data, width, height, depth), (value) => value * scale) };
    }
    const numbers = depth === 16 ? Uint8Array.from(data, (value) => value >> 8) : new Uint8Array(data.buffer, data.byteOffset, data.length);
    return { width, height, channels, data: numbers };
  } catch {
    // The browser says why, or is more forgiving.
    return undefined;
  }
}

/** Numbers of less than 8 bits; each row begins with a new byte. */
function unpacked(packed: ArrayLike<number>, width: number, height: number, depth: number): Uint8Array {
  const perByte = 8 / depth;
  const rowBytes = Math.ceil(width / perByte);
  return Uint8Array.from({ length: width * height }, (_, i) => {
    const [row, column] = [Math.floor(i / width), i % width];
    const byte = packed[row * rowBytes + Math.floor(column / perByte)] as number;
    return (byte >> (8 - depth * ((column % perByte) + 1))) & (2 ** depth - 1);
  });
}

async function decodeByBrowser(bytes: Uint8Array): Promise<DecodedImage> {
  const bitmap = await toBitmap(bytes);
  const { width, height } = bitmap;
  const context = contextOf(new OffscreenCanvas(width, height));
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return { width, height, channels: 4, data: new Uint8Array(context.getImageData(0, 0, width, height).data.buffer) };
}

async function toBitmap(bytes: Uint8Array): Promise<ImageBitmap> {
  try {
    return await createImageBitmap(new Blob([bytes as Uint8Array<ArrayBuffer>]), {
      premultiplyAlpha: "none",
      imageOrientation: "from-image",
    });
  } catch (cause) {
    throw new ArgumentError(messageOf(cause), { cause });
  }
}
