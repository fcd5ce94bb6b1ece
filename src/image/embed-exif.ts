import { join, latin1 } from "./bytes.js";
import { EXIF_PREFIX } from "./exif.js";

/** The most bytes in a segment of a JPEG file, without the two bytes of its length. */
const LARGEST_SEGMENT = 65533;

/** The most bytes of an EXIF block in a JPEG file. */
export const LARGEST_JPEG_EXIF = LARGEST_SEGMENT - EXIF_PREFIX.length;

/** Adds an EXIF block of at most {@link LARGEST_JPEG_EXIF} bytes to a JPEG file. */
export function embedInJpeg(jpeg: Uint8Array, exif: Uint8Array): Uint8Array {
  const head = new Uint8Array(4);
  // The marker APP1, and the segment's length with its own two bytes.
  new DataView(head.buffer).setUint32(0, 0xffe10000 + 2 + EXIF_PREFIX.length + exif.length);
  // The first two bytes are the marker "start of image".
  return join([jpeg.subarray(0, 2), head, EXIF_PREFIX, exif, jpeg.subarray(2)]);
}

/**
 * Adds an EXIF block to a WebP file. Specification: https://developers.google.com/speed/webp/docs/riff_container
 * @param webp a file with a single chunk, the picture.
 */
export function embedInWebp(webp: Uint8Array, exif: Uint8Array, { width, height }: { readonly width: number; readonly height: number }) {
  const header = new Uint8Array(10);
  const view = new DataView(header.buffer);
  // The flag for EXIF, and no other.
  header[0] = 8;
  // Width and height minus one, in 24 bits each.
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
