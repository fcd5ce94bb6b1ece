import { openTokenizerFiles } from "#platform";
import type { Folder } from "../checkpoint/folder.js";
import { CHECKPOINT_CONVERSION } from "../checkpoint/pickles.js";
import type { PredictionType } from "../checkpoint/prediction-types.js";
import { ArgumentError } from "../errors.js";
import { abortSignal, callback, type Fields, field, flag, text } from "../options/fields.js";
import { expectKind } from "../recognise/expect-kind.js";
import type { WantedFiles } from "./choose-files.js";
import type { DownloadProgress } from "./download-meter.js";
import { expectSource, expectThere, findSource, isSource, openFound } from "./find-source.js";
import { openFile } from "./open-file.js";
import { openRepository } from "./open-repository.js";
import { refusePickle } from "./refuse-pickle.js";

/** Where a checkpoint may be taken from, and how. All but `variant` and `config` is about checkpoints of the hub, and of no effect for folders. */
export interface SourceOptions {
  /** Which weight files, e.g. "fp16"; the full ones are taken, with a warning, where the variant is missing. */
  readonly variant?: string | undefined;
  /**
   * For a checkpoint in a single file: a folder or hub id in diffusers' layout, whose configs, scheduler and tokenizer are taken in place of those that
   * the file suggests.
   */
  readonly config?: string | Folder | undefined;
  /** Branch, tag or commit; "main" where none is named. */
  readonly revision?: string | undefined;
  /** In place of HF_TOKEN and of what `hf auth login` left. It is sent to the hub alone, never to where the hub redirects. */
  readonly token?: string | undefined;
  /** In place of HF_HUB_CACHE, HF_HOME/hub or ~/.cache/huggingface/hub. */
  readonly cacheDir?: string | undefined;
  /** Uses what is in the cache and never the network, as HF_HUB_OFFLINE=1 does. */
  readonly localFilesOnly?: boolean | undefined;
  /** Told of a download several times a second, and when a file is whole; not called when nothing is downloaded. */
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** Stops a download, which can be resumed later. */
  readonly signal?: AbortSignal | undefined;
}

/** What a caller knows about a single file that the file may not state. No effect on folders: their configs state it. */
export interface KnownOfCheckpoint {
  /** What the UNet predicts. */
  readonly predictionType?: PredictionType | undefined;
}

export const SOURCE_FIELDS: Fields<SourceOptions> = {
  variant: text,
  config: field(isSource, "a folder or hub id, or a Folder"),
  revision: text,
  token: text,
  cacheDir: text,
  localFilesOnly: flag,
  onProgress: callback(),
  signal: abortSignal,
};

/**
 * The files of a checkpoint: a folder on disk; the embedded checkpoint by its name; a single file in the original layout, seen as the folder it would be, here or on
 * the hub (its address, or `owner/name/file`); or a hub id (`owner/name`). What is on the hub is downloaded into the standard Hugging Face cache as far
 * as it is not there. A path that exists wins over an id.
 * @throws CheckpointError, ConfigError, HubError; ArgumentError for a `config` beside what has configs of its own; the signal's reason once it aborts.
 */
export async function openCheckpoint(
  source: string | Folder,
  options: SourceOptions & WantedFiles & KnownOfCheckpoint = {},
): Promise<Folder> {
  expectSource(source);
  if (typeof source !== "string") {
    refuseConfig(source.name, options);
    return source;
  }
  const { kind, place } = await findSource(source);
  if (kind === "file") return openSingle(source, options);
  if (place === "nowhere") await expectThere(source);
  refuseConfig(source, options);
  return place === "hub" ? openRepository(source, options) : openFound(source, place);
}

function refuseConfig(name: string, { config }: SourceOptions): void {
  if (config === undefined) return;
  throw new ArgumentError((option) => `${option("config")} was given, but ${name} is not a single file`, {
    argument: "config",
    hint: "leave it out: a folder has its own configs",
  });
}

async function openSingle(source: string, options: SourceOptions & WantedFiles & KnownOfCheckpoint): Promise<Folder> {
  await refusePickle(source, CHECKPOINT_CONVERSION);
  const { config, weights = true, without = [], only, network, predictionType } = options;
  const [{ openSingleFile }, { originalConfigName }] = await Promise.all([
    import("../checkpoint/single-file/open-single-file.js"),
    import("../checkpoint/single-file/original-config.js"),
  ]);
  // Before a download of gigabytes, that of the configs may fail.
  const configs = config === undefined ? undefined : await openConfigs(config, options);
  const { folder, path } = await openFile(source, { ...options, companions: (name) => [originalConfigName(name)] });
  await expectKind(network === "unet" || network === "vae" || network === "controlnet" ? network : "checkpoint", folder, path);
  const root = await openSingleFile(folder, path, {
    tokenizer: openTokenizerFiles(),
    config: configs,
    predictionType,
    // Who asks for the configs alone will come again for the weights.
    warns: weights && only === undefined && !without.includes("scheduler"),
  });
  return network === undefined || (await root.has("config.json")) ? root : root.open(network);
}

/** The folder of configs for a single file; a revision is that file's. */
async function openConfigs(
  config: string | Folder,
  { token, cacheDir, localFilesOnly, onProgress, signal }: SourceOptions,
): Promise<Folder> {
  return openCheckpoint(config, { token, cacheDir, localFilesOnly, onProgress, signal, weights: false });
}
