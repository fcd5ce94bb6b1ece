import { readPath } from "#platform";
import { ArgumentError } from "../errors.js";
import { wrongArgument } from "../given.js";
import { messageOf } from "../message-of.js";
import { isPagePicture, type PagePicture, pixelsOf } from "../platform/page-pictures.js";
import { warn } from "../warnings.js";
import { decode } from "./decode.js";
import { type AnyPicture, GrayPicture, toRgb } from "./gray-picture.js";
import { Picture } from "./picture.js";

/** Decoded pixels: 8-bit, row-major, with 1 (grey), 3 (RGB) or 4 (RGBA) bytes each. */
export interface RawImage {
  /** Width in pixels. */
  readonly width: number;
  /** Height in pixels. */
  readonly height: number;
  /** 1 for grey, 3 for RGB, 4 for RGBA. */
  readonly channels: 1 | 3 | 4;
  /** The pixels row by row, channels last, 8 bits each. */
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** Decoded or raw, 8-bit, row-major, `channels` bytes each. */
interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly data: ArrayLike<number>;
}

/**
 * An image in any form: a path, a web address, the bytes of an image file, raw pixels, or a picture, also a gray one; in a browser also
 * what a page has: ImageData, an ImageBitmap, a canvas, an <img>.
 */
export type ImageSource = string | URL | Uint8Array | ArrayBuffer | Blob | RawImage | AnyPicture | PagePicture;

/** Whether a value can be an image. */
export function isImageSource(value: unknown): value is ImageSource {
  if (typeof value === "string") return value !== "";
  if (typeof value !== "object" || value === null) return false;
  const isFile = [URL, Uint8Array, ArrayBuffer, Blob].some((type) => value instanceof type);
  return isPicture(value) || isFile || isRaw(value) || isPagePicture(value);
}

/**
 * The image as RGB pixels. Transparency is dropped, as by diffusers' `convert("RGB")`, and EXIF orientation is applied, as by its
 * `load_image`.
 * @throws ArgumentError if it cannot be read, fetched or decoded.
 */
export async function loadImage(source: ImageSource): Promise<Picture> {
  return isPicture(source) ? toRgb(source) : toPicture(await readPixels(source));
}

/**
 * Reads a mask like {@link loadImage}. Warns of transparent pixels: many programs draw masks with transparency, but diffusers ignores it.
 */
export async function loadMask(source: ImageSource): Promise<Picture> {
  if (isPicture(source)) return toRgb(source);
  const pixels = await readPixels(source);
  if (isTransparent(pixels)) {
    const name = nameOf(source);
    warn(
      `the mask${name === undefined ? "" : ` ${name}`} has transparent pixels, but transparency is ignored: white is repainted, black is kept`,
    );
  }
  return toPicture(pixels);
}

/**
 * The image file at a path or web address, which is also its name. It is not decoded yet. @throws ArgumentError if it cannot be
 * read
 */
export async function readImageFile(source: string | URL): Promise<File> {
  const { bytes } = await readSource(source);
  // Never a SharedArrayBuffer: these bytes come from a file or an answer.
  return new File([bytes as Uint8Array<ArrayBuffer>], String(source));
}

function nameOf(source: Exclude<ImageSource, AnyPicture>): string | undefined {
  if (source instanceof File) return source.name || undefined;
  return typeof source === "string" && !source.startsWith("data:") ? source : undefined;
}

async function readPixels(source: Exclude<ImageSource, AnyPicture>): Promise<Pixels> {
  if (!isImageSource(source)) {
    throw wrongArgument("source", source, "a path, a URL, a Buffer, a Blob, raw pixels { width, height, channels, data } or a Picture");
  }
  if (typeof source === "object" && isRaw(source)) return source;
  if (typeof source === "object" && isPagePicture(source)) return pixelsOf(source);
  const { bytes, name } = await readSource(source);
  return decode(bytes, name);
}

/** With two or four channels, the last one is the opacity. */
function isTransparent({ channels, data }: Pixels): boolean {
  if (channels % 2 !== 0) return false;
  for (let i = channels - 1; i < data.length; i += channels) if (data[i] !== 255) return true;
  return false;
}

async function readSource(source: Exclude<ImageSource, RawImage | AnyPicture | PagePicture>): Promise<{ bytes: Uint8Array; name: string }> {
  if (source instanceof Uint8Array) return { bytes: source, name: "the given buffer" };
  if (source instanceof ArrayBuffer) return { bytes: new Uint8Array(source), name: "the given buffer" };
  if (source instanceof Blob) return { bytes: new Uint8Array(await source.arrayBuffer()), name: nameOf(source) ?? "the given blob" };
  if (typeof source === "string" && !/^(https?|data):/i.test(source)) return { bytes: await readPath(source), name: source };
  const name = String(source).slice(0, 100);
  return { bytes: await fetchBytes(source, name), name };
}

async function fetchBytes(url: string | URL, name: string): Promise<Uint8Array> {
  if (new URL(url).protocol === "file:") return readPath(decodeURIComponent(new URL(url).pathname));
  const response = await fetch(url).catch((cause: unknown) => {
    const problem = /^data:/i.test(name) ? "is not a valid data URL" : `cannot be fetched: ${messageOf(cause)}`;
    throw new ArgumentError(`image ${name} ${problem}`, { cause });
  });
  if (!response.ok)
    throw new ArgumentError(`image ${name} cannot be fetched: the server answered ${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
}

function toPicture({ width, height, channels, data }: Pixels): Picture {
  const isWhole = [width, height].every((side) => Number.isSafeInteger(side) && side > 0) && [1, 2, 3, 4].includes(channels);
  if (!isWhole || data?.length !== width * height * channels) {
    throw new ArgumentError(
      `an image of ${width}x${height} with ${channels} channels needs ${width * height * channels} bytes; ${data?.length} were given`,
    );
  }
  const pixels = new Uint8Array(width * height * 3);
  // With one or two channels, the first is grey and becomes all three.
  const isColour = channels >= 3;
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) pixels[i * 3 + c] = data[i * channels + (isColour ? c : 0)] as number;
  }
  return new Picture(width, height, pixels);
}

function isPicture(source: unknown): source is AnyPicture {
  return source instanceof Picture || source instanceof GrayPicture;
}

function isRaw(source: object): source is RawImage {
  return "width" in source && "data" in source && "channels" in source;
}
