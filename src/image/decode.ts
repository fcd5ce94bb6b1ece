import { decodeImage, readImageHeader } from "#platform";
import { recogniseNoPicture } from "../checkpoint/foreign-file.js";
import { ArgumentError } from "../errors.js";
import type { DecodedImage, ImageHeader } from "../platform/pictures.js";

/** Decodes an image file, which messages call `name`. @throws ArgumentError if the bytes are not an image; it says what they are. */
export async function decode(bytes: Uint8Array, name: string): Promise<DecodedImage> {
  return decodeImage(bytes).catch((cause: unknown) => {
    throw unreadable(`${name} is not an image that can be read`, bytes, cause);
  });
}

/** Reads the header of an image file. @throws ArgumentError if the bytes are not an image; it says what they are. */
export async function readHeader(bytes: Uint8Array): Promise<ImageHeader> {
  return readImageHeader(bytes).catch((cause: unknown) => {
    throw unreadable("not an image file that can be read", bytes, cause);
  });
}

function unreadable(problem: string, bytes: Uint8Array, cause: unknown): unknown {
  // Any other error, such as a missing decoder, does not depend on the bytes.
  if (!(cause instanceof ArgumentError)) return cause;
  const { what, hint } = recogniseNoPicture(bytes, cause.message);
  return new ArgumentError(`${problem}: ${what}`, { hint, cause });
}
