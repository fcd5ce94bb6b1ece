import { encode } from "fast-png";
import { ArgumentError } from "../errors.js";
import { wrongArgument } from "../given.js";
import { showsPage } from "../page-turn.js";
import { fromLatin1, join, latin1 } from "./bytes.js";
import { readExif } from "./exif.js";

// Text chunks are written and read here, not by fast-png: it has only tEXt, decodes it as windows-1252, and writes it after the pixels,
// where PIL's `Image.open(f).info` does not find it. Specification: https://www.w3.org/TR/png-3/#11textinfo

/** How a PNG file begins. */
export const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
/** The signature, then IHDR: length, type, 13 bytes, CRC. */
const AFTER_HEADER = 8 + 4 + 4 + 13 + 4;
/** The most bytes of an unpacked text, against deflate bombs; PIL's `PngImagePlugin.MAX_TEXT_CHUNK`. */
const MAX_TEXT = 1024 * 1024;
/** The most bytes of all texts together; PIL's `PngImagePlugin.MAX_TEXT_MEMORY`. */
const MAX_ALL_TEXTS = 64 * MAX_TEXT;

/** A chunk of a PNG file. */
export interface Chunk {
  readonly type: string;
  readonly data: Uint8Array;
}

/** 8-bit RGB pixels, row-major. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/**
 * A PNG file of the pixels, with one text chunk per entry of `text`: tEXt if the text is Latin-1, else iTXt (UTF-8).
 * @throws ArgumentError if a keyword is not 1 to 79 Latin-1 characters.
 */
export function encodePng({ width, height, data }: Pixels, text: Readonly<Record<string, string>> = {}): Uint8Array {
  const png = encode({ width, height, data, channels: 3, depth: 8 }, { zlib: { level: 6 } });
  const chunks = Object.entries(text).map(([keyword, value]) => writeChunk(textChunk(keyword, value)));
  return join([png.subarray(0, AFTER_HEADER), ...chunks, png.subarray(AFTER_HEADER)]);
}

/** As {@link encodePng}. In a page, the browser compresses the pixels while the page goes on. */
export async function encodePngAside(pixels: Pixels, text: Readonly<Record<string, string>> = {}): Promise<Uint8Array> {
  if (!showsPage) return encodePng(pixels, text);
  const { width, height, data } = pixels;
  const row = 3 * width;
  const lines = new Uint8Array(height * (1 + row));
  // Each line begins with the number of its filter: 0, none.
  for (let y = 0; y < height; y++) lines.set(data.subarray(y * row, (y + 1) * row), y * (1 + row) + 1);
  const packed = await deflate(lines);
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, width);
  header.setUint32(4, height);
  // 8 bits, and three colours.
  header.setUint16(8, 0x0802);
  const chunks: readonly Chunk[] = [
    { type: "IHDR", data: new Uint8Array(header.buffer) },
    ...Object.entries(text).map(([keyword, value]) => textChunk(keyword, value)),
    { type: "IDAT", data: packed },
    { type: "IEND", data: new Uint8Array() },
  ];
  return join([SIGNATURE, ...chunks.map(writeChunk)]);
}

/**
 * The texts of a PNG file by keyword (tEXt, zTXt and iTXt). If a keyword occurs twice, the last one counts, as in PIL.
 * @throws ArgumentError if `bytes` are not a PNG file, are cut short, or hold a text that is broken or unpacks to more than 1 MiB, or more
 * than 64 MiB of texts.
 */
export async function readPngText(bytes: Uint8Array): Promise<Record<string, string>> {
  if (!(bytes instanceof Uint8Array)) throw wrongArgument("bytes", bytes, "the bytes of a PNG file: await readFile(path)");
  const texts = new Map<string, string>();
  let size = 0;
  for (const chunk of readChunks(bytes)) {
    const entry = await readTextChunk(chunk);
    if (!entry) continue;
    size += entry.size;
    if (size > MAX_ALL_TEXTS) throw new ArgumentError(`the PNG file holds more than ${MAX_ALL_TEXTS} bytes of texts`);
    texts.set(entry.keyword, entry.text);
  }
  return Object.fromEntries(texts);
}

/** The texts of a PNG file's EXIF block, if it has one; see {@link readExif}. */
export function readPngExif(bytes: Uint8Array): Record<string, string> {
  for (const { type, data } of readChunks(bytes)) if (type === "eXIf") return readExif(data);
  return {};
}

/** Width and height from a PNG file's header. */
export function readPngSize(bytes: Uint8Array): { width: number; height: number } {
  for (const { type, data } of readChunks(bytes)) {
    if (type !== "IHDR" || data.length !== 13) break;
    const view = new DataView(data.buffer, data.byteOffset);
    return { width: view.getUint32(0), height: view.getUint32(4) };
  }
  throw new ArgumentError("the PNG file does not begin with a header of 13 bytes");
}

/** Whether a file begins as PNG files do. */
export function isPng(bytes: Uint8Array): boolean {
  return SIGNATURE.every((byte, i) => bytes[i] === byte);
}

/** The chunks of a PNG file. @throws ArgumentError if `bytes` are not a PNG file, or are cut short. */
export function* readChunks(bytes: Uint8Array): Generator<Chunk> {
  if (!isPng(bytes)) throw new ArgumentError("not a PNG file");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = SIGNATURE.length; ; ) {
    if (at + 12 > bytes.length) throw new ArgumentError("the PNG file is cut short");
    const end = at + 8 + view.getUint32(at);
    if (end + 4 > bytes.length) throw new ArgumentError("the PNG file is cut short");
    const type = fromLatin1(bytes.subarray(at + 4, at + 8));
    yield { type, data: bytes.subarray(at + 8, end) };
    if (type === "IEND") return;
    at = end + 4;
  }
}

interface TextEntry {
  readonly keyword: string;
  readonly text: string;
  /** Bytes of both, unpacked. */
  readonly size: number;
}

async function readTextChunk({ type, data }: Chunk): Promise<TextEntry | undefined> {
  if (type !== "tEXt" && type !== "zTXt" && type !== "iTXt") return undefined;
  if (data.length > MAX_ALL_TEXTS) throw new ArgumentError(`the PNG file holds a text of ${data.length} bytes`);
  const [keyword, rest] = splitAtZero(data);
  const entry = (bytes: Uint8Array, decode = fromLatin1) => ({
    keyword: fromLatin1(keyword),
    text: decode(bytes),
    size: keyword.length + bytes.length,
  });
  if (type === "tEXt") return entry(rest);
  // After zTXt's keyword comes the compression method, always 0 (zlib).
  if (type === "zTXt") return entry(await inflate(rest.subarray(1)));
  const compressed = rest[0] === 1;
  const [, afterLanguage] = splitAtZero(rest.subarray(2));
  const [, text] = splitAtZero(afterLanguage);
  return entry(compressed ? await inflate(text) : text, (bytes) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes));
}

function textChunk(keyword: string, text: string): Chunk {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: Latin-1 without its control characters, as the specification has it
  if (!/^[^\u0000-\u001f\u007f-\u009f]{1,79}$/.test(keyword) || !isLatin1(keyword)) {
    throw new ArgumentError(`PNG keyword ${JSON.stringify(keyword)} is not 1 to 79 printable Latin-1 characters`);
  }
  // The specification forbids zero bytes. The last field does not end at one, but readers differ.
  const clean = text.replaceAll("\0", "");
  if (isLatin1(clean)) return { type: "tEXt", data: latin1(`${keyword}\0${clean}`) };
  // Keyword, then: not compressed, method 0, no language, no translated keyword.
  return { type: "iTXt", data: join([latin1(`${keyword}\0\0\0\0\0`), new TextEncoder().encode(clean)]) };
}

/** The bytes of a chunk. */
export function writeChunk({ type, data }: Chunk): Uint8Array {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(latin1(type), 4);
  bytes.set(data, 8);
  view.setUint32(8 + data.length, crc32(bytes.subarray(4, 8 + data.length)));
  return bytes;
}

/** The CRC of ISO 3309 at the end of a chunk. fast-png does not export its own. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) crc = (crc >>> 8) ^ (CRCS[(crc ^ (bytes[i] as number)) & 0xff] as number);
  return ~crc >>> 0;
}

/** The CRC of each byte. */
const CRCS = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

async function deflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const packed = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(packed).arrayBuffer());
}

async function inflate(bytes: Uint8Array): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const part of new Blob([bytes.slice()]).stream().pipeThrough(new DecompressionStream("deflate"))) {
      size += part.length;
      if (size > MAX_TEXT) break;
      parts.push(part);
    }
  } catch (cause) {
    throw new ArgumentError("the PNG file has a broken compressed text", { cause });
  }
  if (size > MAX_TEXT) throw new ArgumentError(`the PNG file holds a compressed text of more than ${MAX_TEXT} bytes`);
  return join(parts);
}

function splitAtZero(bytes: Uint8Array): [before: Uint8Array, after: Uint8Array] {
  const zero = bytes.indexOf(0);
  if (zero < 0) throw new ArgumentError("the PNG file has a text chunk whose keyword does not end");
  return [bytes.subarray(0, zero), bytes.subarray(zero + 1)];
}

function isLatin1(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the whole of Latin-1
  return /^[\u0000-\u00ff]*$/.test(text);
}
