import { readConfig } from "../checkpoint/config.js";
import { MODEL_INDEX, type ModelIndex, readModelIndex } from "../checkpoint/model-index.js";
import { CHECKPOINT_CONVERSION } from "../checkpoint/pickles.js";
import { UNION_EMBEDDING } from "../checkpoint/single-file/parts.js";
import { VirtualFolder } from "../checkpoint/single-file/virtual-folder.js";
import type { DownloadProgress, SourceOptions } from "../checkpoint/source.js";
import { findWeights, openWeights, weightsIn } from "../checkpoint/weights.js";
import { ArgumentError, CheckpointError } from "../errors.js";
import type { ControlName } from "../families/family.js";
import { embeddedCheckpointPath } from "../hub/embedded.js";
import { type ExistingSource, expectFile, expectThere, type FileSource, findSource, isFileName } from "../hub/find-source.js";
import { type OpenCheckpointOptions, openCheckpoint } from "../hub/open-checkpoint.js";
import { openUpscaler } from "../hub/open-upscaler.js";
import { refusePickle } from "../hub/refuse-pickle.js";
import type { Folder } from "../platform/folder.js";
import type { LocatedAdapters } from "./adapter-library.js";
import { checkControlKind } from "./check-controls.js";
import { CONTROL_NAMES, expectRefiner, familyOf, type KnownFamily } from "./families.js";
import { HIRES_UPSCALERS } from "./hires-request.js";
import { listOf } from "./list-of.js";
import { findAdapters, type OpenAdapters, openAdapters } from "./load-adapters.js";
import { findIPAdapters, type OpenIPAdapters, openIPAdapters } from "./load-ip-adapters.js";
import type { ModelSource } from "./model-source.js";
import { pathOf } from "./name-of.js";
import type { OpenRequest } from "./open-request.js";
import { expectTinyFits, expectTinyVae, isTinyVae } from "./tiny-vae.js";

/** The files of everything that a request names. Files on the hub have been downloaded. */
export interface OpenFiles {
  readonly index: ModelIndex;
  /** Whether the model is the checkpoint in the package. */
  readonly isEmbedded: boolean;
  readonly family: KnownFamily;
  readonly model: Folder;
  readonly refiner: Folder | undefined;
  readonly vae: Folder | undefined;
  readonly upscaler: Folder | undefined;
  readonly hiresUpscaler: Folder | undefined;
  /** The networks that steer, in the order in which they were given. */
  readonly controls: readonly Folder[];
  /** Their kind; undefined without any. */
  readonly control: ControlName | undefined;
  readonly adapters: OpenAdapters;
  /** Undefined without any. */
  readonly ipAdapters: OpenIPAdapters | undefined;
}

/** Autoencoders whose files do not say how latents are scaled. */
const CONFIGURED_VAES = ["AutoencoderKL", "AutoencoderKLFlux2", "AutoencoderKLQwenImage"];

/** Folders of text encoders, which files of a transformer may lack. */
const TEXT_ENCODERS = ["text_encoder", "text_encoder_2", "text_encoder_3"];

/** Where files may come from, and callbacks. */
export interface FileOptions extends Pick<SourceOptions, "cacheDir" | "localFilesOnly" | "token" | "signal"> {
  /** Called several times a second during a download, with what is downloaded. */
  readonly onDownload?: ((progress: DownloadProgress, source: string) => void) | undefined;
  /** Called with the kind of the checkpoint before its weights are downloaded. Throws to prevent the download. */
  readonly accept: (family: KnownFamily, index: ModelIndex) => void;
}

/** Parts that the refiner shares with the base: the second text encoder with its tokenizer, and the autoencoder. */
const SHARED_WITH_REFINER = ["text_encoder_2", "tokenizer_2", "vae"];

/**
 * Opens what a request names. Everything that can be checked without a download is checked first. Then the kind of the checkpoint is
 * checked, and then its weights are downloaded.
 * @throws ArgumentError for what the checkpoint cannot do; CheckpointError, ConfigError, HubError; the signal's reason
 */
export async function openFiles(
  request: OpenRequest & { readonly model: ModelSource },
  located: LocatedAdapters,
  { onDownload, accept, ...from }: FileOptions,
): Promise<OpenFiles> {
  const { revision, variant, predictionType } = request;
  const model = await expectCheckpoint(request.model);
  expectEffect(request, model);
  const config = await expectIfGiven(request.config);
  const refiner = await expectIfGiven(request.refiner);
  const controls: ExistingSource[] = [];
  for (const source of listOf(request.controlnet)) controls.push(await expectCheckpoint(source));
  const isTiny = await isTinyVae(request.vae);
  const given = isTiny ? undefined : await expectIfGiven(request.vae);
  const encoders: ExistingSource[] = [];
  for (const source of listOf(request.textEncoder)) encoders.push(await expectCheckpoint(source));
  const upscaler = request.upscaler === undefined ? undefined : await expectFile(pathOf(request.upscaler));
  const hiresUpscaler = request.hiresUpscaler === undefined ? undefined : await expectHiresUpscaler(pathOf(request.hiresUpscaler));
  const foundAdapters = await findAdapters(located);
  const foundIPAdapters = await findIPAdapters(request.ipAdapters ?? []);

  const sourceOptions = (source: ModelSource): SourceOptions => ({
    ...from,
    onProgress: onDownload && ((progress) => onDownload(progress, pathOf(source))),
  });
  const open = (source: ExistingSource, options: OpenCheckpointOptions) =>
    openCheckpoint(source, { variant, ...sourceOptions(source.name), ...options });
  const check = (index: ModelIndex) => {
    const family = familyOf(model.name, index);
    accept(family, index);
    if (isTiny) expectTinyVae(family);
    return family;
  };

  // Adapters are small, so they come before the large downloads: a mistake is found early.
  const adapters = await openAdapters(foundAdapters, sourceOptions);
  const ipAdapters = await openIPAdapters(foundIPAdapters, sourceOptions);
  const larger = upscaler && (await openUpscaler(upscaler, sourceOptions(upscaler.name)));
  const between = hiresUpscaler && (await openUpscaler(hiresUpscaler, sourceOptions(hiresUpscaler.name)));
  const configs = config === undefined ? undefined : await open(config, { wanted: { kind: "configs" } });
  const opened: Folder[] = [];
  for (const encoder of encoders) opened.push(await open(encoder, { wanted: { kind: "network", network: "text_encoder" } }));
  const checkpoint = await open(model, {
    revision,
    config: configs,
    predictionType,
    wanted: {
      kind: "pipeline",
      without: [...(given?.kind === "folder" ? ["vae"] : []), ...(opened.length > 0 && model.kind === "file" ? TEXT_ENCODERS : [])],
      withoutWeights: given?.kind === "file" || isTiny ? ["vae"] : [],
      accept: (index) => void check(index),
    },
  });
  const base =
    opened.length > 0 ? await (await import("../checkpoint/single-file/assembled.js")).withTextEncoders(checkpoint, opened) : checkpoint;
  const index = await readModelIndex(base);
  const family = check(index);
  const second = refiner && (await openRefiner(refiner, family, open));
  const vae = isTiny ? await expectCheckpoint(expectTinyVae(family)) : given;
  const own = vae?.kind === "file" ? await vaeConfigOf(base) : undefined;
  const other = vae && (await open(vae, { wanted: { kind: "network", network: "vae" }, config: own }));
  if (other) await expectNetwork(other, "vae");
  if (other && isTiny) await expectTinyFits(other, base.open("vae"));
  // An autoencoder of a family with a transformer takes the place of the checkpoint's own: its class may be that family's alone.
  const replaced = other && "transformer" in family.parts ? new VirtualFolder(base.name, { base, folders: { vae: other } }) : undefined;
  const nets: Folder[] = [];
  for (const control of controls) nets.push(await open(control, { wanted: { kind: "network", network: "controlnet" } }));
  for (const net of nets) await expectNetwork(net, "controlnet");
  const control = await controlNameOf(nets, variant);
  checkControlKind(request, family, control);
  const isEmbedded = model.place === "package" || request.model === embeddedCheckpointPath();
  return {
    index,
    isEmbedded,
    family,
    model: replaced ?? base,
    refiner: second,
    vae: replaced ? undefined : other,
    upscaler: larger,
    hiresUpscaler: between,
    controls: nets,
    control,
    adapters,
    ipAdapters,
  };
}

/** @throws ArgumentError for a name that is neither a way to enlarge nor a file */
async function expectHiresUpscaler(source: string): Promise<FileSource> {
  try {
    return await expectFile(source);
  } catch (cause) {
    if (isFileName(source) || !(cause instanceof CheckpointError)) throw cause;
    throw new ArgumentError(
      (name) => `${name("hires.upscaler")} is ${JSON.stringify(source.slice(0, 100))}, which is neither a known name nor a file`,
      { argument: "hires", hint: `names are ${Object.keys(HIRES_UPSCALERS).join(", ")}; others are upscalers' .safetensors files`, cause },
    );
  }
}

/** How one source is opened. */
type Open = (source: ExistingSource, options: OpenCheckpointOptions) => Promise<Folder>;

async function openRefiner(refiner: ExistingSource, family: KnownFamily, open: Open): Promise<Folder> {
  const accept = (index: ModelIndex) => expectRefiner(refiner.name, index, family);
  const folder = await open(refiner, { wanted: { kind: "pipeline", without: SHARED_WITH_REFINER, accept } });
  accept(await readModelIndex(folder));
  return folder;
}

/** @throws ArgumentError for an option that has no effect on this model. */
function expectEffect({ revision, config }: OpenRequest, { kind, place, name }: ExistingSource): void {
  if (revision !== undefined && place !== "hub") {
    throw new ArgumentError((option) => `${option("revision")} has no effect on ${name}, which is on this machine`, {
      argument: "revision",
      hint: (option) => `leave it out, or give a hub id as ${option("model")}`,
    });
  }
  if (config !== undefined && kind !== "file") {
    throw new ArgumentError((option) => `${option("config")} has no effect on ${name}, which is not a single file`, {
      argument: "config",
      hint: "leave it out: a folder has its own configs",
    });
  }
}

/** Parses a source, before the first download, which can take hours. @throws CheckpointError for a pickle or a path that does not exist. */
async function expectCheckpoint(source: ModelSource): Promise<ExistingSource> {
  const found = await findSource(source);
  await refusePickle(found, CHECKPOINT_CONVERSION);
  return expectThere(found);
}

async function expectIfGiven(source: ModelSource | undefined): Promise<ExistingSource | undefined> {
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

/** The kind of the networks that steer; undefined without any. @throws ArgumentError unless all are of one kind */
async function controlNameOf(nets: readonly Folder[], variant: string | undefined): Promise<ControlName | undefined> {
  const kinds = await Promise.all(nets.map((net) => kindOfControl(net, variant)));
  const [first] = kinds;
  const other = kinds.findIndex((kind) => kind !== first);
  if (first === undefined || other === -1) return first;
  throw new ArgumentError(
    (name) =>
      `${name("controlnet")}: ${nets[0]?.name} is a ${CONTROL_NAMES[first]} and ${nets[other]?.name} a ${CONTROL_NAMES[kinds[other] ?? first]}; no pipeline takes both`,
    { argument: "controlnet", hint: "give networks of one kind" },
  );
}

async function kindOfControl(net: Folder, variant: string | undefined): Promise<ControlName> {
  const { _className: className } = await readConfig(net, "config.json");
  if (className === "T2IAdapter") return "adapter";
  if (className === "ControlNetUnionModel") return "union";
  // The configs of some unions name the class of a ControlNet.
  // A missing variant gets its warning when the network is loaded.
  const isThere = weightsIn(net) !== undefined || findWeights(await net.list(), { variant })?.isAsked;
  const weights = await openWeights(net, isThere ? { variant } : {});
  return weights.has(UNION_EMBEDDING) ? "union" : "controlnet";
}

/** The config for an autoencoder in a single file. The file does not state how it scales latents; the model's config does. */
async function vaeConfigOf(model: Folder): Promise<Folder | undefined> {
  const vae = model.open("vae");
  if (!(await vae.has("config.json"))) return undefined;
  const { _className: className } = await readConfig(vae, "config.json");
  return typeof className === "string" && CONFIGURED_VAES.includes(className) ? vae : undefined;
}
