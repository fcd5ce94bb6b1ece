import type { ImageHeader } from "../pictures.js";

/** The EXIF block and the XMP packet of a JPEG or WebP file. Damaged files have none. */
export function readMetadata(bytes: Uint8Array): Pick<ImageHeader, "exif" | "xmp"> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts = bytes[0] === 0xff && bytes[1] === 0xd8 ? jpegParts(view) : text(view, 8, 4) === "WEBP" ? webpParts(view) : [];
  let exif: Uint8Array | undefined;
  let xmp: Uint8Array | undefined;
  for (const { kind, start, end } of parts) {
    if (kind === "exif") exif ??= bytes.subarray(start, end);
    else xmp ??= bytes.subarray(start, end);
  }
  return { exif, xmp };
}

/** Whether a PNG file has a chunk of this type. */
export function hasChunk(bytes: Uint8Array, type: string): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 8; at + 8 <= bytes.length; at += 12 + view.getUint32(at)) if (text(view, at + 4, 4) === type) return true;
  return false;
}

interface Part {
  readonly kind: "exif" | "xmp";
  readonly start: number;
  readonly end: number;
}

const EXIF = "Exif\0\0";
const XMP = "http://ns.adobe.com/xap/1.0/\0";

/** Segments of a JPEG file up to its pixels: a marker, two bytes of length, data. */
function* jpegParts(view: DataView): Generator<Part> {
  for (let at = 2; at + 4 <= view.byteLength && view.getUint8(at) === 0xff; ) {
    const marker = view.getUint8(at + 1);
    const [start, end] = [at + 4, at + 2 + view.getUint16(at + 2)];
    if (marker === 0xda || end > view.byteLength || end < start) return;
    if (marker === 0xe1 && text(view, start, EXIF.length) === EXIF) yield { kind: "exif", start, end };
    if (marker === 0xe1 && text(view, start, XMP.length) === XMP) yield { kind: "xmp", start: start + XMP.length, end };
    at = end;
  }
}

function* webpParts(view: DataView): Generator<Part> {
  for (const { name, start, end } of webpChunks(view)) {
    if (name === "EXIF") yield { kind: "exif", start, end };
    if (name === "XMP ") yield { kind: "xmp", start, end };
  }
}

/** Chunks of a WebP file: a name, four bytes of length, data of an even length. */
function* webpChunks(view: DataView): Generator<{ readonly name: string; readonly start: number; readonly end: number }> {
  for (let at = 12; at + 8 <= view.byteLength; ) {
    const [name, start, length] = [text(view, at, 4), at + 8, view.getUint32(at + 4, true)];
    const end = start + length;
    if (end > view.byteLength) return;
    yield { name, start, end };
    at = end + (length % 2);
  }
}

/** A WebP file of an opaque picture with nothing but its pixels: Chromium adds a profile of sRGB. */
export function onlyPixels(webp: Uint8Array): Uint8Array {
  const view = new DataView(webp.buffer, webp.byteOffset, webp.byteLength);
  for (const { name, start, end } of webpChunks(view)) {
    if (name !== "VP8 " && name !== "VP8L") continue;
    const size = end - start + ((end - start) % 2);
    const bytes = new Uint8Array(20 + size);
    bytes.set(webp.subarray(0, 12));
    bytes.set(webp.subarray(start - 8, end), 12);
    new DataView(bytes.buffer).setUint32(4, 12 + size, true);
    return bytes;
  }
  return webp;
}

function text(view: DataView, at: number, length: number): string {
  if (at + length > view.byteLength) return "";
  return String.fromCharCode(...new Uint8Array(view.buffer, view.byteOffset + at, length));
}
