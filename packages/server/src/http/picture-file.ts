import { ArgumentError } from "darkroom";
import sharp from "sharp";
import { atMost, type Limits, type Size } from "./limits.js";

/** A picture in a request: checked, not decoded. */
export interface PictureFile extends Size {
  readonly bytes: Uint8Array;
  readonly base64: string;
}

/** The first bytes of the formats that are taken, with what follows them where that tells formats apart. */
const FORMATS: readonly (readonly [start: string, offset: number])[] = [
  ["\x89PNG\r\n\x1a\n", 0],
  ["\xff\xd8\xff", 0],
  ["GIF8", 0],
  ["WEBPVP8", 8],
  ["ftypavif", 4],
];

/**
 * Checks a picture of a request: base64 text, data URL or bytes. Its format is that of its bytes, whatever the request calls it, and its
 * size is read from its header: a small file can hold a picture that fills the memory.
 * @throws ArgumentError
 */
export async function checkPicture(value: unknown, option: string, limits: Limits): Promise<PictureFile> {
  const bytes = pictureBytes(value, option);
  const start = Buffer.from(bytes.subarray(0, 32)).toString("latin1");
  if (!FORMATS.some(([magic, offset]) => start.startsWith(magic, offset))) throw noPicture(option);
  const { width, height } = await headerOf(bytes, option);
  if (width * height > limits.maxPicturePixels) {
    throw new ArgumentError((name) => `${name(option)} is a picture of ${width}x${height} pixels; ${atMost("maxPicturePixels", limits)}`, {
      argument: option,
    });
  }
  return { width, height, bytes, base64: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64") };
}

async function headerOf(bytes: Uint8Array, option: string): Promise<Size> {
  try {
    // The limit is ours; sharp's would say less.
    const { autoOrient } = await sharp(bytes, { limitInputPixels: false }).metadata();
    return autoOrient;
  } catch (cause) {
    throw noPicture(option, cause);
  }
}

function pictureBytes(value: unknown, option: string): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (typeof value !== "string") throw noPicture(option);
  if (/^\s*(?!data:)[a-z][a-z0-9+.-]*:/i.test(value)) {
    throw new ArgumentError((name) => `${name(option)} is an address; the server reads no files and calls no other servers for a request`, {
      argument: option,
      hint: "send the picture itself, in base64",
    });
  }
  const comma = /^\s*data:/i.test(value) ? value.indexOf(",") : -1;
  if (comma >= 0 && !/;base64\s*$/i.test(value.slice(0, comma))) throw noPicture(option);
  return Buffer.from(value.slice(comma + 1), "base64");
}

function noPicture(option: string, cause?: unknown): ArgumentError {
  return new ArgumentError((name) => `${name(option)} is not a picture that can be read`, {
    argument: option,
    hint: "send a PNG, JPEG, WebP, GIF or AVIF file, in base64 or as a data URL in JSON",
    cause,
  });
}
