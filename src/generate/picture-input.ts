import * as v from "valibot";
import type { Picture } from "../image/picture.js";
import { field, hasMethods, withJson } from "../options/fields.js";
import { isPagePicture, type PagePicture } from "../platform/page-pictures.js";

/**
 * A picture: the bytes of an image file, the file itself, its base64 text or data URL, or a finished picture; in a browser also
 * ImageData, an ImageBitmap, a canvas or an <img>. No paths and no web addresses.
 */
export type PictureInput = Uint8Array | ArrayBuffer | Blob | string | Picture | PagePicture;

/** A picture of a request. */
export const picture = withJson(
  v.string(),
  field<PictureInput>(isPicture, "the bytes of an image file, its base64 text or data URL, or a Picture"),
);

function isPicture(value: unknown): boolean {
  if (typeof value === "string") return /^data:/i.test(value) || /^[A-Za-z0-9+/_-]+[=\s]*$/.test(value);
  // A Picture is recognised by its methods, so that this file need not import the class and its codecs.
  if ([Uint8Array, ArrayBuffer, Blob].some((type) => value instanceof type) || hasMethods(value, "encode", "toTensor")) return true;
  return typeof value === "object" && value !== null && isPagePicture(value);
}
