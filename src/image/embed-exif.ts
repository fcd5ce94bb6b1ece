import { join, latin1 } from "./bytes.js";
import { EXIF_PREFIX } from "./exif.js";

/** Bytes a segment of a JPEG file may have, without the two that say how many it has. */
const LARGEST_SEGMENT = 65533;

/** Bytes an EXIF block may have in a JPEG file. */
export const LARGEST_JPEG_EXIF = LARGEST_SEGMENT - EXIF_PREFIX.length;

/** A JPEG file with an EXIF block of at most {@link LARGEST_JPEG_EXIF} bytes. */
export function embedInJpeg(jpeg: Uint8Array, exif: Uint8Array): Uint8Array {
  const head = new Uint8Array(4);
  // The marker of an application's segment, and its length with these two bytes.
  new DataView(head.buffer).setUint32(0, 0xffe10000 + 2 + EXIF_PREFIX.length + exif.length);
  // The first two bytes are the start of the image.
  return join([jpeg.subarray(0, 2), head, EXIF_PREFIX, exif, jpeg.subarray(2)]);
}

/**
 * A WebP file with an EXIF block. Specification: https://developers.google.com/speed/webp/docs/riff_container
 * @param webp a file of one chunk that holds the picture.
 */
export function embedInWebp(webp: Uint8Array, exif: Uint8Array, { width, height }: { readonly width: number; readonly height: number }) {
  const header = new Uint8Array(10);
  const view = new DataView(header.buffer);
  // The one flag: there is EXIF.
  header[0] = 8;
  // Both sides less one, in 24 bits each.
  view.setUint32(4, width - 1, true);
  view.setUint16(7, (height - 1) & 0xffff, true);
  view.setUint8(9, (height - 1) >> 16);
  const body = join([latin1("WEBP"), chunk("VP8X", header), webp.subarray(12), chunk("EXIF", exif)]);
  return chunk("RIFF", body);
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const head = new Uint8Array(8);
  head.set(latin1(type));
  new DataView(head.buffer).setUint32(4, data.length, true);
  return join([head, data, new Uint8Array(data.length % 2)]);
}
