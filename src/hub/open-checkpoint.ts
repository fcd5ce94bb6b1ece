import { openTokenizerFiles, writeFolder } from "#platform";
import { useSourceOpener } from "../checkpoint/open-part.js";
import { CHECKPOINT_CONVERSION } from "../checkpoint/pickles.js";
import { useFolderWriter } from "../checkpoint/saving.js";
import { expectSource, refuseConfig, type SourceOptions } from "../checkpoint/source.js";
import { HubError } from "../errors.js";
import type { PredictionType } from "../families/prediction-types.js";
import type { Folder } from "../platform/folder.js";
import type { WantedKind } from "../recognise/expect-kind.js";
import { followed } from "./download-meter.js";
import { expectThere, type FileSource, type FoundSource, findSource, isFound } from "./find-source.js";
import { openFile } from "./open-file.js";
import { openRepository } from "./open-repository.js";
import { refusePickle } from "./refuse-pickle.js";
import { type WantedFiles, WHOLE_PIPELINE } from "./wanted-files.js";

/** How a checkpoint is opened, and which of its files are needed. */
export interface OpenCheckpointOptions extends SourceOptions {
  /** The whole pipeline by default. */
  readonly wanted?: WantedFiles;
  /** What the UNet predicts. For single files, which may not state it. No effect on folders, whose configs state it. */
  readonly predictionType?: PredictionType | undefined;
}

/**
 * Opens a checkpoint as a folder of files. The source is one of these: a folder on disk; the name of the embedded checkpoint; a single file
 * in the original layout, here or on the hub (its address, or `owner/name/file`); a hub id (`owner/name`). A single file is shown as the
 * folder that it corresponds to. Files on the hub are downloaded into the standard Hugging Face cache unless they are there already. An
 * existing path wins over an id.
 * @throws CheckpointError, ConfigError, HubError; ArgumentError if `config` is given for a source that has its own configs; the signal's
 * reason
 */
export async function openCheckpoint(source: string | Folder | File | FoundSource, options: OpenCheckpointOptions = {}): Promise<Folder> {
  if (!isFound(source)) expectSource(source);
  const found = await findSource(source);
  if (found.kind === "file") return openSingle(found, options);
  const { wanted = WHOLE_PIPELINE, predictionType: _, ...from } = options;
  const folder = await expectThere(found);
  refuseConfig(folder.name, from);
  return folder.place === "hub" ? openRepository(folder.id, wanted, from) : followed(folder.folder, from);
}

async function openSingle(source: FileSource, options: OpenCheckpointOptions): Promise<Folder> {
  await refusePickle(source, CHECKPOINT_CONVERSION);
  const { config, wanted = WHOLE_PIPELINE, predictionType, ...from } = options;
  // Imported when they are needed, so that a page that opens folders only does not load them.
  const [{ openSingleFile, usualConfigOf }, { originalConfigName }, { expectKind }] = await Promise.all([
    import("../checkpoint/single-file/open-single-file.js"),
    import("../checkpoint/single-file/original-config.js"),
    import("../recognise/expect-kind.js"),
  ]);
  // The configs come first: if their download fails, gigabytes of weights were not downloaded in vain.
  const configs = config === undefined ? undefined : await openConfigs(config, from);
  const { folder, path } = await openFile(source, { ...from, companions: (name) => [originalConfigName(name)] });
  const network = wanted.kind === "network" ? wanted.network : undefined;
  await expectKind(network === undefined ? "checkpoint" : (KINDS[network] ?? "checkpoint"), folder, path);
  // A caller that does not say what it wants takes the file as it is.
  const usual = configs || options.wanted?.kind !== "pipeline" ? undefined : await usualConfigOf(folder, path);
  const root = await openSingleFile(folder, path, {
    tokenizer: openTokenizerFiles(),
    config: usual === undefined ? configs : await openUsual(usual, path, from),
    isUsual: usual !== undefined,
    brought: wanted.kind === "pipeline" ? wanted.without : undefined,
    predictionType,
    // A caller that needs less than the pipeline, or brings a scheduler, does not use the scheduler that the warnings are about.
    warns: wanted.kind === "pipeline" && !wanted.without?.includes("scheduler"),
  });
  return network === undefined || (await root.has("config.json")) ? root : root.open(network);
}

/** The folder of configs for a single file. The options `variant` and `revision` are about the file, not about the configs. */
async function openConfigs(config: string | Folder, { variant: _, revision: __, ...from }: SourceOptions): Promise<Folder> {
  return openCheckpoint(config, { ...from, wanted: { kind: "configs" } });
}

/** The configs of the checkpoint that a transformer alone belongs to. @throws HubError with what to do about it */
async function openUsual(repository: string, file: string, from: SourceOptions): Promise<Folder> {
  try {
    return await openConfigs(repository, { ...from, onProgress: undefined });
  } catch (error) {
    if (!(error instanceof HubError)) throw error;
    const { message, problem } = error;
    throw new HubError(`${file} needs the configs and tokenizers of ${repository}, a few megabytes: ${message}`, {
      problem,
      hint: (name) => `give ${name("config")}: a folder with them, as the repository has it without its weights, or another hub id`,
      cause: error,
    });
  }
}

/** The kind of file that holds a network of this name alone. */
const KINDS: Readonly<Record<string, WantedKind>> = {
  unet: "unet",
  vae: "vae",
  text_encoder: "checkpoint",
  controlnet: "controlnet",
  controlnet_union: "controlnet",
  adapter: "controlnet",
  motion_adapter: "motion",
};

// From here on, `fromPretrained` of every class opens paths and hub ids.
useSourceOpener((source, wanted, options) => openCheckpoint(source, { ...options, wanted }));
// And `saveConfig` and `savePretrained` write folders.
useFolderWriter(writeFolder);
