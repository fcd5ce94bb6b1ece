import { readHeader } from "../decode.js";
import { readExif } from "../exif.js";
import { isPng, readPngExif, readPngSize, readPngText } from "../png.js";

/** Texts that programs write into pictures, by keyword or EXIF tag. */
export type Texts = Readonly<Record<string, string>>;

/** The size and the texts of an image file. */
export interface PictureTexts {
  readonly width: number;
  readonly height: number;
  readonly texts: Texts;
}

/** The PNG keyword of XMP packets. */
const XMP = "XML:com.adobe.xmp";

/**
 * The texts of an image file: PNG texts by keyword, EXIF texts by tag (ImageDescription, Make, Model, Software, UserComment), and the
 * UserComment of an XMP packet.
 * @throws ArgumentError if `bytes` are not an image file, or are a damaged PNG file.
 */
export async function readPictureTexts(bytes: Uint8Array): Promise<PictureTexts> {
  const { width, height, texts, xmp } = isPng(bytes) ? await readPng(bytes) : await readOther(bytes);
  const comment = texts.UserComment ?? (xmp === undefined ? undefined : xmpUserComment(xmp));
  return { width, height, texts: comment === undefined ? texts : { ...texts, UserComment: comment } };
}

async function readPng(bytes: Uint8Array): Promise<PictureTexts & { readonly xmp: string | undefined }> {
  const { [XMP]: xmp, ...texts } = await readPngText(bytes);
  return { ...readPngSize(bytes), texts: { ...readPngExif(bytes), ...texts }, xmp };
}

async function readOther(bytes: Uint8Array): Promise<PictureTexts & { readonly xmp: string | undefined }> {
  const { width, height, exif, xmp } = await readHeader(bytes);
  return { width, height, texts: exif ? readExif(exif) : {}, xmp: xmp && new TextDecoder().decode(xmp) };
}

/** The UserComment of an XMP packet: the first item of a list. Only this text is needed, so no XML parser is used. */
function xmpUserComment(xmp: string): string | undefined {
  const start = xmp.indexOf("<exif:UserComment");
  const end = xmp.indexOf("</exif:UserComment>", start);
  if (start < 0 || end < 0) return undefined;
  const [, text] = /<rdf:li[^<>]*>([^<]*)<\/rdf:li>/.exec(xmp.slice(start, end)) ?? [];
  return text?.replace(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|(\w{2,4}));/gi, (entity, decimal, hex, name) => {
    const code = decimal ? Number(decimal) : Number.parseInt(hex, 16);
    return name === undefined && code <= 0x10ffff ? String.fromCodePoint(code) : (ENTITIES[name] ?? entity);
  });
}

const ENTITIES: Readonly<Record<string, string>> = { amp: "&", apos: "'", gt: ">", lt: "<", quot: '"' };
