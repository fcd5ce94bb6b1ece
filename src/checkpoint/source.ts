import { ArgumentError } from "../errors.js";
import { wrongArgument } from "../given.js";
import { abortSignal, callback, type Fields, field, flag, hasMethods, text } from "../options/fields.js";
import type { Folder } from "../platform/folder.js";

/** Progress of a download. */
export interface DownloadProgress {
  /** The file whose bytes came last, by its path in the repository. */
  readonly file: string;
  /** Bytes of the whole download that are on disk, over all its files. Bytes of an earlier, interrupted download count. */
  readonly loaded: number;
  /** Bytes of all files of the download. */
  readonly total: number;
  /** Speed over the last seconds. */
  readonly bytesPerSecond: number;
  /** Seconds left at that speed; Infinity while nothing arrives. */
  readonly secondsLeft: number;
  /** Progress in files. */
  readonly files: {
    /** Files downloaded completely. */
    readonly done: number;
    /** Files of the download. */
    readonly total: number;
  };
}

/**
 * How a checkpoint is opened. All options but `variant` and `config` are about checkpoints on the hub. They have no effect on local
 * folders.
 */
export interface SourceOptions {
  /** Which weight files, for example "fp16". If there are none of this variant, the full ones are used, with a warning. */
  readonly variant?: string | undefined;
  /**
   * For a checkpoint in a single file: a folder or hub id in diffusers' layout. Its configs, scheduler and tokenizer replace those that the
   * file suggests.
   */
  readonly config?: string | Folder | undefined;
  /** Branch, tag or commit; "main" by default. */
  readonly revision?: string | undefined;
  /**
   * Replaces HF_TOKEN and the token that `hf auth login` saved. It is sent to the hub only, never to an address that the hub redirects to.
   */
  readonly token?: string | undefined;
  /** The address of a hub with the protocol of Hugging Face. It replaces HF_ENDPOINT and https://huggingface.co. */
  readonly endpoint?: string | undefined;
  /**
   * Replaces HF_HUB_CACHE, HF_HOME/hub and ~/.cache/huggingface/hub. In a browser: a folder of the origin's private file system, "darkroom"
   * by default.
   */
  readonly cacheDir?: string | undefined;
  /** Uses the cache only and never the network, as HF_HUB_OFFLINE=1 does. */
  readonly localFilesOnly?: boolean | undefined;
  /**
   * Called several times a second during a download, and when a file is complete. Not called if nothing is downloaded. In a page also for
   * weights on other servers than a hub; then `total` grows while they are found.
   */
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** Stops a download, which can be resumed later. */
  readonly signal?: AbortSignal | undefined;
}

const ENDPOINT = "the address of a hub, such as https://huggingface.co";

export const SOURCE_FIELDS: Fields<SourceOptions> = {
  variant: text,
  config: field(isSource, "a folder or hub id, or a Folder"),
  revision: text,
  token: text,
  endpoint: field((value) => typeof value === "string" && /^https?:\/\//.test(value) && URL.canParse(value), ENDPOINT, "string"),
  cacheDir: text,
  localFilesOnly: flag,
  onProgress: callback(),
  signal: abortSignal,
};

/** Whether a value can name a checkpoint or a file of one. */
export function isSource(value: unknown): value is string | Folder | File {
  if (typeof value === "string") return value !== "";
  return value instanceof File || hasMethods(value, "list", "read");
}

/** @throws ArgumentError unless the value can name a checkpoint or a file of one. */
export function expectSource(value: unknown, argument = "path"): asserts value is string | Folder | File {
  if (!isSource(value)) throw wrongArgument(argument, value, "the path of a folder or file, or a hub id (owner/name)");
}

/** @throws ArgumentError if `config` is given for a source that is not a single file. */
export function refuseConfig(name: string, { config }: SourceOptions): void {
  if (config === undefined) return;
  throw new ArgumentError((option) => `${option("config")} was given, but ${name} is not a single file`, {
    argument: "config",
    hint: "leave it out: a folder has its own configs",
  });
}
