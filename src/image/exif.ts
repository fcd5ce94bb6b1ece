import { latin1 } from "./bytes.js";

// Reads the few EXIF tags that hold a picture's settings. EXIF libraries read every tag, which takes minutes for a malicious file.
// Specification: CIPA DC-008 (EXIF 2.32), TIFF 6.0.

const USER_COMMENT = 0x9286;
/** The tag that holds the offset of the directory with EXIF's own tags. */
const EXIF_DIRECTORY = 0x8769;

/** Tags that hold text. */
const TEXT_TAGS: Readonly<Record<number, string>> = {
  270: "ImageDescription",
  271: "Make",
  272: "Model",
  305: "Software",
  [USER_COMMENT]: "UserComment",
};

/** Value types of one byte: BYTE, ASCII, UNDEFINED, UTF-8. */
const BYTE_TYPES = [1, 2, 7, 129];
const UNDEFINED = 7;
const LONG = 4;

/** The bytes before an EXIF block in JPEG files. Some programs write them in other formats, too. */
export const EXIF_PREFIX = latin1("Exif\0\0");

/** Bytes of a directory with one entry: the number of entries, the entry, the offset of the next directory. */
const DIRECTORY = 2 + 12 + 4;

/**
 * An EXIF block (without `Exif\0\0` before it) whose only text is the UserComment, in big-endian UTF-16, as AUTOMATIC1111 writes it with
 * piexif.
 */
export function writeExif(userComment: string): Uint8Array {
  const text = latin1(`UNICODE\0${utf16(userComment)}`);
  const [first, second] = [8, 8 + DIRECTORY];
  const start = second + DIRECTORY;
  const bytes = new Uint8Array(start + text.length);
  const view = new DataView(bytes.buffer);
  // MM: big-endian.
  view.setUint32(0, 0x4d4d002a);
  view.setUint32(4, first);
  const directory = (at: number, tag: number, type: number, count: number, value: number) => {
    view.setUint16(at, 1);
    view.setUint16(at + 2, tag);
    view.setUint16(at + 4, type);
    view.setUint32(at + 6, count);
    view.setUint32(at + 10, value);
  };
  directory(first, EXIF_DIRECTORY, LONG, 1, second);
  directory(second, USER_COMMENT, UNDEFINED, text.length, start);
  bytes.set(text, start);
  return bytes;
}

/** The texts of an EXIF block by tag: ImageDescription, Make, Model, Software, UserComment. Damaged entries are left out. */
export function readExif(bytes: Uint8Array): Record<string, string> {
  const tiff = EXIF_PREFIX.every((byte, i) => bytes[i] === byte) ? bytes.subarray(EXIF_PREFIX.length) : bytes;
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.byteLength);
  const isLittleEndian = tiff[0] === 0x49;
  if (tiff.length < 8 || view.getUint16(2, isLittleEndian) !== 42) return {};
  const texts = new Map<string, string>();
  const main = readDirectory(view, view.getUint32(4, isLittleEndian), isLittleEndian, texts);
  if (main !== undefined) readDirectory(view, main, isLittleEndian, texts);
  return Object.fromEntries(texts);
}

/** Adds a directory's texts to `texts`; the first of each tag counts. Returns the offset of EXIF's own directory if this one has it. */
function readDirectory(view: DataView, start: number, isLittleEndian: boolean, texts: Map<string, string>): number | undefined {
  if (start + 2 > view.byteLength) return undefined;
  const count = view.getUint16(start, isLittleEndian);
  let exif: number | undefined;
  for (let at = start + 2; at < start + 2 + 12 * count && at + 12 <= view.byteLength; at += 12) {
    const tag = view.getUint16(at, isLittleEndian);
    if (tag === EXIF_DIRECTORY) exif = view.getUint32(at + 8, isLittleEndian);
    const name = TEXT_TAGS[tag];
    if (name === undefined || texts.has(name) || !BYTE_TYPES.includes(view.getUint16(at + 2, isLittleEndian))) continue;
    const length = view.getUint32(at + 4, isLittleEndian);
    const from = length <= 4 ? at + 8 : view.getUint32(at + 8, isLittleEndian);
    if (from + length > view.byteLength) continue;
    const value = new Uint8Array(view.buffer, view.byteOffset + from, length);
    texts.set(name, tag === USER_COMMENT ? decodeUserComment(value, isLittleEndian) : decodeText(value));
  }
  return exif;
}

/** Decodes a UserComment. Its first eight bytes name the encoding, but many programs leave them out or name the wrong one. */
function decodeUserComment(bytes: Uint8Array, isLittleEndian: boolean): string {
  const [code = ""] = String.fromCharCode(...bytes.subarray(0, 8)).split("\0");
  const isMarked = ["ASCII", "UNICODE", "JIS"].includes(code) || bytes.subarray(0, 8).every((byte) => byte === 0);
  const text = isMarked ? bytes.subarray(8) : bytes;
  if (code === "JIS") return trimEnd(new TextDecoder("iso-2022-jp").decode(text));
  // Latin letters in UTF-16 have a zero byte, which no other encoding has.
  const isWide =
    text
      .subarray(
        0,
        text.findLastIndex((byte) => byte !== 0),
      )
      .includes(0) ||
    (code === "UNICODE" && !isUtf8(text));
  return isWide ? decodeUtf16(text, isLittleEndian) : decodeText(text);
}

/** Decodes UTF-16. The byte order mark decides the byte order, else the zero bytes, else the order of the whole block. */
function decodeUtf16(bytes: Uint8Array, isLittleEndian: boolean): string {
  const mark = ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0);
  const zeros = [0, 0] as [number, number];
  for (let i = 0; i < bytes.length; i++) if (bytes[i] === 0) zeros[i % 2 === 0 ? 0 : 1]++;
  const isLittle = mark === 0xfffe || (mark !== 0xfeff && (zeros[0] === zeros[1] ? isLittleEndian : zeros[1] > zeros[0]));
  return trimEnd(new TextDecoder(isLittle ? "utf-16le" : "utf-16be").decode(bytes));
}

/** Decodes UTF-8, or Latin-1 if the bytes are not valid UTF-8. */
function decodeText(bytes: Uint8Array): string {
  return trimEnd(new TextDecoder(isUtf8(bytes) ? "utf-8" : "latin1").decode(bytes));
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** A text in big-endian UTF-16, with one character for each byte. */
function utf16(text: string): string {
  const pairs = Array.from({ length: text.length }, (_, i) => String.fromCharCode(text.charCodeAt(i) >> 8, text.charCodeAt(i) & 255));
  return pairs.join("");
}

function trimEnd(text: string): string {
  return text.replace(/\0+$/, "");
}
