import { readConfig } from "../checkpoint/config.js";
import { MODEL_INDEX, readModelIndex } from "../checkpoint/model-index.js";
import { CHECKPOINT_CONVERSION } from "../checkpoint/pickles.js";
import type { SourceOptions } from "../checkpoint/source.js";
import { ArgumentError, CheckpointError } from "../errors.js";
import { type ExistingSource, expectThere, findSource } from "../hub/find-source.js";
import { type OpenCheckpointOptions, openCheckpoint } from "../hub/open-checkpoint.js";
import { refusePickle } from "../hub/refuse-pickle.js";
import type { Folder } from "../platform/folder.js";
import { chooseWay, expectRefiner } from "./families.js";
import { locateAdapters, type OpenAdapters, openAdapters } from "./find-adapters.js";
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

/** Callbacks for downloads, and the signal that stops them. */
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
  const { refiner, start, variant, revision, cacheDir, offline, prediction } = request;
  const located = await locateAdapters(request);
  const model = await expectCheckpoint(request.model);
  expectEffect(request, model);
  const config = await expectIfGiven(request.config);
  const refinerSource = await expectIfGiven(refiner?.folder);
  const controls: ExistingSource[] = [];
  for (const { folder } of start.kind === "control" ? start.controls : []) controls.push(await expectCheckpoint(folder));
  const vae = await expectIfGiven(request.vae);
  for (const { source } of [...located.loras, ...located.embeddings]) await expectThere(await findSource(source));

  let isDownloading = false;
  const from = (source: string): SourceOptions => {
    const show = progress.download(source);
    const onProgress: SourceOptions["onProgress"] = (state) => {
      isDownloading = true;
      show(state);
    };
    return { cacheDir, localFilesOnly: offline, signal, onProgress };
  };
  const open = (source: ExistingSource, options: OpenCheckpointOptions) =>
    openCheckpoint(source, { variant, ...from(source.name), ...options });

  try {
    // They are small: whatever is wrong with one is known before the large downloads.
    const adapters = await openAdapters(located, from);
    const configs = config === undefined ? undefined : await open(config, { wanted: { kind: "configs" } });
    const base = await open(model, {
      revision,
      config: configs,
      predictionType: prediction,
      wanted: {
        kind: "pipeline",
        without: vae?.kind === "folder" ? ["vae"] : [],
        withoutWeights: vae?.kind === "file" ? ["vae"] : [],
        accept: (index) => void chooseWay(request, index),
      },
    });
    const way = chooseWay(request, await readModelIndex(base));
    const second =
      refiner &&
      refinerSource &&
      (await open(refinerSource, {
        wanted: { kind: "pipeline", without: SHARED_WITH_REFINER, accept: (index) => expectRefiner(refiner, index) },
      }));
    if (refiner && second) expectRefiner(refiner, await readModelIndex(second));
    const own = vae?.kind === "file" ? await vaeConfigOf(base) : undefined;
    const other = vae === undefined ? undefined : await open(vae, { wanted: { kind: "network", network: "vae" }, config: own });
    if (other) await expectNetwork(other, "vae");
    const nets: Folder[] = [];
    for (const control of controls) nets.push(await open(control, { wanted: { kind: "network", network: "controlnet" } }));
    for (const net of nets) await expectNetwork(net, "controlnet");
    return { way, model: base, refiner: second, vae: other, controls: nets, adapters };
  } catch (error) {
    if (signal.aborted && isDownloading) progress.note("what was downloaded is kept; the same command goes on where this one stopped");
    throw error;
  }
}

/** @throws ArgumentError for an option that has no effect on this model. */
function expectEffect({ revision, config }: GenerateRequest, { kind, place, name }: ExistingSource): void {
  if (revision !== undefined && place !== "hub") {
    throw new ArgumentError(`--revision has no effect on ${name}, which is on this machine`, {
      hint: "leave it out, or give a hub id as --model",
    });
  }
  if (config !== undefined && kind !== "file") {
    throw new ArgumentError(`--config has no effect on ${name}, which is not a single file`, {
      hint: "leave it out: a folder has its own configs",
    });
  }
}

/** Parses a source. Called for all sources before the first download, which can take hours. @throws CheckpointError for a pickle or a path that does not exist. */
async function expectCheckpoint(source: string): Promise<ExistingSource> {
  const found = await findSource(source);
  await refusePickle(found, CHECKPOINT_CONVERSION);
  return expectThere(found);
}

async function expectIfGiven(source: string | undefined): Promise<ExistingSource | undefined> {
  return source === undefined ? undefined : expectCheckpoint(source);
}

/** @throws CheckpointError for the folder of a whole checkpoint, whose networks are in folders of their own. */
async function expectNetwork(folder: Folder, subfolder: string): Promise<void> {
  if ((await folder.has("config.json")) || !(await folder.has(MODEL_INDEX))) return;
  throw new CheckpointError(`${folder.name} is a whole checkpoint; one network was expected`, {
    hint: (await folder.open(subfolder).has("config.json"))
      ? `give ${folder.name}/${subfolder}`
      : `it has no ${subfolder}; give the folder of one`,
  });
}

/** By what an autoencoder in a single file, which does not say it, is taken to scale its latents: as the model does, for whose sake they are scaled. */
async function vaeConfigOf(model: Folder): Promise<Folder | undefined> {
  const vae = model.open("vae");
  if (!(await vae.has("config.json"))) return undefined;
  const { _className: className } = await readConfig(vae, "config.json");
  return className === "AutoencoderKL" ? vae : undefined;
}
