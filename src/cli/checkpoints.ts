import { existsSync } from "node:fs";
import { openFolder } from "#platform";
import type { Folder } from "../checkpoint/folder.js";
import { readModelIndex } from "../checkpoint/model-index.js";
import { ArgumentError } from "../errors.js";
import type { WantedFiles } from "../hub/choose-files.js";
import { openCheckpoint, type SourceOptions } from "../hub/open-checkpoint.js";
import { chooseWay, expectRefiner } from "./families.js";
import { isRemote, locateAdapters, type OpenAdapters, openAdapters } from "./find-adapters.js";
import type { GenerateRequest } from "./generate-request.js";
import type { Progress } from "./progress.js";
import type { Way } from "./ways.js";

/** Everything a request names, opened once: what is on the hub has been downloaded. */
export interface Checkpoints {
  /** How the model is worked with. */
  readonly way: Way;
  readonly model: Folder;
  readonly refiner: Folder | undefined;
  readonly vae: Folder | undefined;
  /** The ControlNets, in the order they were given in. */
  readonly controls: readonly Folder[];
  readonly adapters: OpenAdapters;
}

/** Who hears of downloads, and who may stop them. */
export interface OpenOptions {
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

/** Parts that a refiner takes from the base: the text encoder they have in common, with the tokenizer that feeds it, and the autoencoder. */
const SHARED_WITH_REFINER = ["text_encoder_2", "tokenizer_2", "vae"];

/**
 * Opens what a request names. What can be known without the network is checked before anything is downloaded, and what kind of checkpoint the model
 * is before its networks are.
 * @throws ArgumentError for what the checkpoint cannot do; CheckpointError, ConfigError, HubError; the signal's reason
 */
export async function openCheckpoints(request: GenerateRequest, { signal, progress }: OpenOptions): Promise<Checkpoints> {
  const { model, refiner, vae, start, variant, revision, cacheDir, offline } = request;
  const located = await locateAdapters(request);
  const controls = start.kind === "control" ? start.controls.map(({ folder }) => folder) : [];
  for (const source of [model, refiner?.folder, vae, ...controls, ...located.loras, ...located.embeddings]) await expectThere(source);
  if (revision !== undefined && !isRemote(model)) {
    throw new ArgumentError(`--revision is of no effect on ${model}, which is on this machine`, {
      hint: "leave it out, or give a hub id as --model",
    });
  }

  let isDownloading = false;
  const from = (source: string): SourceOptions => {
    const show = progress.download(source);
    const onProgress: SourceOptions["onProgress"] = (state) => {
      isDownloading = true;
      show(state);
    };
    return { cacheDir, localFilesOnly: offline, signal, onProgress };
  };
  const open = (source: string, wanted: WantedFiles & Pick<SourceOptions, "revision">) =>
    openCheckpoint(source, { variant, ...from(source), ...wanted });
  const openPart = async (source: string | undefined) => (source === undefined ? undefined : open(source, { only: "" }));

  try {
    const base = await open(model, {
      revision,
      without: vae === undefined ? [] : ["vae"],
      accept: (index) => void chooseWay(request, index),
    });
    const way = chooseWay(request, await readModelIndex(base));
    const second =
      refiner && (await open(refiner.folder, { without: SHARED_WITH_REFINER, accept: (index) => expectRefiner(refiner, index) }));
    if (refiner && second) expectRefiner(refiner, await readModelIndex(second));
    const nets: Folder[] = [];
    for (const control of controls) nets.push(await open(control, { only: "" }));
    return { way, model: base, refiner: second, vae: await openPart(vae), controls: nets, adapters: await openAdapters(located, from) };
  } catch (error) {
    if (signal.aborted && isDownloading) progress.note("what was downloaded is kept; the same command goes on where this one stopped");
    throw error;
  }
}

/** @throws CheckpointError for a path that is not there, which a download of hours should not come before. */
async function expectThere(source: string | { readonly source: string } | undefined): Promise<void> {
  if (source === undefined) return;
  const path = typeof source === "string" ? source : source.source;
  if (!isRemote(path) && !existsSync(path)) await openFolder(path).check();
}
