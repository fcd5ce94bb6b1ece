import { ArgumentError } from "../errors.js";
import { wrongArgument } from "../given.js";
import { abortSignal, callback, type Fields, field, flag, oneOf, text } from "../options/fields.js";
import type { FolderWriter, WriteFolderOptions } from "../platform/output-folder.js";

/** The version of diffusers whose files are written. */
export const DIFFUSERS_VERSION = "0.42.1";

const DTYPES = ["float16", "bfloat16", "float32"] as const;

/** A type that saved weights can be converted to. */
export type SavedDType = (typeof DTYPES)[number];

/** Progress of a save. */
export interface SaveProgress {
  /** The file that was written last, by its path in the folder. */
  readonly file: string;
  /** Bytes of weights that are written. */
  readonly written: number;
  /** Bytes of all weights. */
  readonly total: number;
}

/** How networks are saved. */
export interface SavePretrainedOptions {
  /** Added to the names of weight files: "fp16" writes `diffusion_pytorch_model.fp16.safetensors`. None by default. */
  readonly variant?: string | undefined;
  /**
   * The most bytes of a weight file, as a number or as text with a unit of 1000: "500MB", "10GB". Larger networks are written in several
   * files, with an index. A single larger tensor gets a file of its own. By default 10 GB, as in diffusers.
   */
  readonly maxShardSize?: number | string | undefined;
  /** The type of the saved weights. By default, weights are copied as the checkpoint has them. */
  readonly dtype?: SavedDType | undefined;
  /** Whether the folder may hold files already; those of the same names are replaced. True by default, as in diffusers. */
  readonly overwrite?: boolean | undefined;
  /** Called after each part of a weight file. */
  readonly onProgress?: ((progress: SaveProgress) => void) | undefined;
  /** Stops saving; nothing remains in the folder. The call throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

export const SAVE_FIELDS: Fields<SavePretrainedOptions> = {
  variant: text,
  maxShardSize: field<number | string>(
    (value) => typeof value === "string" || (Number.isSafeInteger(value) && (value as number) > 0),
    'a number of bytes, or a text such as "10GB"',
    "number",
  ),
  dtype: oneOf(...DTYPES),
  overwrite: flag,
  onProgress: callback(),
  signal: abortSignal,
};

const UNITS: Readonly<Record<string, number>> = { KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 };

/** The bytes of `maxShardSize`. @throws ArgumentError for a text that is not a number with a unit. */
export function shardBytes(size: number | string = "10GB"): number {
  if (typeof size === "number") return size;
  const [, number = "", unit = ""] = /^\s*([\d.]+)\s*([KMGT]B)\s*$/i.exec(size) ?? [];
  const bytes = Math.trunc(Number(number) * (UNITS[unit.toUpperCase()] ?? Number.NaN));
  if (bytes > 0) return bytes;
  throw new ArgumentError(
    (name) => `${name("maxShardSize")} is ${JSON.stringify(size)}; expected a number with a unit: KB, MB, GB or TB, such as "5GB"`,
    {
      argument: "maxShardSize",
    },
  );
}

/** @throws ArgumentError unless `variant` can be a part of a file's name. */
export function expectVariant(variant: string | undefined): void {
  if (variant === undefined || /^[^./\\\s]+$/.test(variant)) return;
  throw wrongArgument("variant", variant, 'a word without dots and slashes, such as "fp16"');
}

let writeFolder: FolderWriter = async (path) => {
  throw new ArgumentError(`${path} cannot be written: the module that writes folders is not loaded`, {
    hint: 'import "darkroom/from-pretrained", which loads it',
  });
};

/** Sets the function that writes folders. src/hub calls it when it is loaded, so that schedulers do not import a platform. */
export function useFolderWriter(writer: FolderWriter): void {
  writeFolder = writer;
}

/** Writes a folder whole or not at all. @throws ArgumentError, OutputError, the signal's reason */
export const writeTo: FolderWriter = async (path, fill, options: WriteFolderOptions = {}) => {
  if (typeof path !== "string" || path === "") throw wrongArgument("folder", path, "the path of a folder");
  await writeFolder(path, fill, options);
};

/** Counts written bytes of weights for `onProgress`. */
export function progressOf(total: number, onProgress: SavePretrainedOptions["onProgress"]): WriteFolderOptions["onBytes"] {
  if (!onProgress) return undefined;
  let written = 0;
  return (file, bytes) => {
    if (!file.endsWith(".safetensors")) return;
    written = Math.min(written + bytes, total);
    onProgress({ file, written, total });
  };
}
