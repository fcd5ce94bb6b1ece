import { openTokenizerFiles } from "#platform";
import type { Folder } from "../checkpoint/folder.js";
import { useSourceOpener } from "../checkpoint/open-part.js";
import { CHECKPOINT_CONVERSION } from "../checkpoint/pickles.js";
import { expectSource, refuseConfig, type SourceOptions } from "../checkpoint/source.js";
import type { PredictionType } from "../families/prediction-types.js";
import { expectKind } from "../recognise/expect-kind.js";
import type { WantedFiles } from "./choose-files.js";
import { expectThere, findSource, openFound } from "./find-source.js";
import { openFile } from "./open-file.js";
import { openRepository } from "./open-repository.js";
import { refusePickle } from "./refuse-pickle.js";

/** What a caller knows about a single file that the file may not state. No effect on folders: their configs state it. */
export interface KnownOfCheckpoint {
  /** What the UNet predicts. */
  readonly predictionType?: PredictionType | undefined;
}

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

// From here on, `fromPretrained` of every class opens paths and hub ids.
useSourceOpener((source, { part, subfolder }, options) => openCheckpoint(source, { ...options, only: subfolder, kind: part }));
