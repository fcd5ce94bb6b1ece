import { encodeFrames, writeFileAtomically } from "#platform";
import { ArgumentError } from "../errors.js";
import { wrongArgument } from "../given.js";
import { checkOptions } from "../options/check-options.js";
import { type Fields, flag, real, whole } from "../options/fields.js";
import { encodeApng } from "./apng.js";
import { join } from "./bytes.js";
import { Picture } from "./picture.js";
import { formatIn } from "./picture-format.js";

/** The file formats of animations. */
export const ANIMATION_FORMATS = ["webp", "gif", "png"] as const;

/** A file format of animations. "png" is animated PNG (APNG). */
export type AnimationFormat = (typeof ANIMATION_FORMATS)[number];

const FORMATS: Readonly<Record<string, AnimationFormat>> = { webp: "webp", gif: "gif", png: "png", apng: "png" };
const ENDINGS = ".webp, .gif, .png or .apng";

/** Options of {@link encodeAnimation}. */
export interface AnimationOptions {
  /** Frames per second, 0.1 to 50; 8 by default, as AnimateDiff's videos were trained. */
  readonly fps?: number | undefined;
  /** How often the animation is shown; 0, the default, is for ever. */
  readonly loop?: number | undefined;
  /** Quality of WebP: a whole number from 1 (small file) to 100 (best picture); 90 by default. GIF has 256 colours; PNG is lossless. */
  readonly quality?: number | undefined;
}

/** Options of {@link saveAnimation}. */
export interface SaveAnimationOptions extends AnimationOptions {
  /** Whether an existing file is replaced (default) or refused with an OutputError. */
  readonly overwrite?: boolean | undefined;
}

const ENCODE_FIELDS: Fields<AnimationOptions> = { fps: real(0.1, 50), loop: whole(0, 65535), quality: whole(1, 100) };
const SAVE_FIELDS: Fields<SaveAnimationOptions> = { ...ENCODE_FIELDS, overwrite: flag };

/** As for pictures. */
const DEFAULT_QUALITY = 90;
const DEFAULT_FPS = 8;

/**
 * The bytes of an animated image file of the frames. All frames have one size.
 * @throws ArgumentError for no frames, frames of several sizes, an unknown format, or `quality` without WebP.
 */
export async function encodeAnimation(
  frames: readonly Picture[],
  format: AnimationFormat,
  options: AnimationOptions = {},
): Promise<Uint8Array> {
  const { fps = DEFAULT_FPS, loop = 0, quality } = checkOptions(options, ENCODE_FIELDS, { call: "encodeAnimation" });
  if (!ANIMATION_FORMATS.includes(format))
    throw wrongArgument("format", format, `one of ${ANIMATION_FORMATS.join(", ")}`, { type: "string" });
  if (quality !== undefined && format !== "webp") {
    throw new ArgumentError(`quality was given for ${format === "gif" ? "GIF" : "PNG"}; it applies to WebP`, { argument: "quality" });
  }
  const { width, height } = expectFrames(frames);
  const delay = Math.round(1000 / fps);
  if (format === "png") return encodeApng(frames, delay, loop);
  const data = join(frames.map((frame) => frame.data));
  return encodeFrames({ width, height, data }, format, { delay, loop, quality: quality ?? DEFAULT_QUALITY });
}

/**
 * Writes an animated image file of the frames in the format of the name's ending: `.webp`, `.gif`, `.png` or `.apng`. The write is atomic:
 * the file is complete, or does not appear. Stands for diffusers' export_to_gif.
 * @throws ArgumentError for another ending, and as {@link encodeAnimation} does; OutputError if the file cannot be written, or exists and
 * `overwrite` is false.
 */
export async function saveAnimation(frames: readonly Picture[], path: string, options: SaveAnimationOptions = {}): Promise<void> {
  if (typeof path !== "string") throw wrongArgument("path", path, "the name of a file, such as fox.webp");
  const { overwrite = true, ...encoding } = checkOptions(options, SAVE_FIELDS, { call: "saveAnimation" });
  const format = animationFormatOfName(path);
  if (!format) {
    throw new ArgumentError(`cannot tell the format of the animation ${path}; supported names end in ${ENDINGS}`, {
      hint: `give a name such as ${path.replace(/\.[^./\\]*$/, "")}.webp`,
    });
  }
  await writeFileAtomically(path, await encodeAnimation(frames, format, encoding), { overwrite });
}

/** The format for the ending of a file name, in upper or lower case; undefined for any other ending, or none. */
export function animationFormatOfName(path: string): AnimationFormat | undefined {
  return formatIn(FORMATS, path);
}

/** The first of the frames. @throws ArgumentError unless they are pictures of one size. */
function expectFrames(frames: readonly Picture[]): Picture {
  const [first] = Array.isArray(frames) ? frames : [];
  if (!first || !frames.every((frame) => frame instanceof Picture))
    throw wrongArgument("frames", frames, "a list of pictures, such as the frames of a video");
  const other = frames.findIndex(({ width, height }) => width !== first.width || height !== first.height);
  if (other < 0) return first;
  const { width = 0, height = 0 } = frames[other] ?? {};
  throw new ArgumentError(`frame ${other} is ${width}x${height}, and frame 0 is ${first.width}x${first.height}; expected one size`, {
    argument: "frames",
  });
}
