/** The file formats that pictures can be written in. */
export const PICTURE_FORMATS = ["png", "jpeg", "webp"] as const;

/** A file format that pictures can be written in. */
export type PictureFormat = (typeof PICTURE_FORMATS)[number];

/** The supported endings of file names, for messages. */
export const PICTURE_ENDINGS = ".png, .jpg, .jpeg or .webp";

const FORMATS: Readonly<Record<string, PictureFormat>> = { png: "png", jpg: "jpeg", jpeg: "jpeg", webp: "webp" };

/** The format for the ending of a file name, in upper or lower case; undefined for any other ending, or none. */
export function formatOfName(path: string): PictureFormat | undefined {
  return formatIn(FORMATS, path);
}

/** The format among `formats`, by ending in lower case, for the ending of a file name. */
export function formatIn<Format>(formats: Readonly<Record<string, Format>>, path: string): Format | undefined {
  const [, ending = ""] = /[^/\\]\.(\w+)$/.exec(path) ?? [];
  return Object.hasOwn(formats, ending.toLowerCase()) ? formats[ending.toLowerCase()] : undefined;
}
