import type { ModelIndex } from "../checkpoint/model-index.js";
import type { DownloadProgress } from "../checkpoint/source.js";
import { publishedLike } from "../families/lookups.js";
import { isPagClass } from "../families/pag-classes.js";
import { isPlain } from "../given.js";
import { embeddedCheckpointPath } from "../hub/embedded.js";
import type { ModelOptions } from "../models/model.js";
import type { Upscaler } from "../models/upscaler.js";
import { checkOptions } from "../options/check-options.js";
import { abortSignal, callback, type Fields, field, flag, text } from "../options/fields.js";
import { STEERING_FIELDS } from "../pipelines/shared/steering.js";
import type { Folder } from "../platform/folder.js";
import type { DeviceOptions, Precision, ResolvedDevice } from "../runtime/device.js";
import { type AdapterLibrary, adapterLibrary, locateAdapters } from "./adapter-library.js";
import { checkControlKind } from "./check-controls.js";
import { checkNetworks, checkRun } from "./check-family.js";
import { checkCombinations, expectImagePrompts } from "./combinations.js";
import { type KnownFamily, warnOfUnusedControl } from "./families.js";
import { type LoadedAdapters, loadAdapters } from "./load-adapters.js";
import { loadIPAdapters } from "./load-ip-adapters.js";
import type { ModelSource } from "./model-source.js";
import { type OpenFiles, openFiles } from "./open-files.js";
import type { OpenRequest } from "./open-request.js";
import { openVae } from "./open-vae.js";
import { readTags, taggedPrompt } from "./prompt-tags.js";
import { belongsToRequest, checkOpening, checkRunRequest } from "./request.js";
import {
  type GenerateEvent,
  type GenerateResult,
  type PreparedRun,
  prepareRun,
  type RunContext,
  type RunOptions,
  runEvents,
} from "./run.js";
import type { RunRequest } from "./run-request.js";
import { unlessAborted } from "./unless-aborted.js";
import type { OpenNetworks } from "./workflows/workflow.js";
import { workflowOf } from "./workflows/workflow-of.js";

/** Options that a program decides, and a request does not. */
export interface OpenOptions {
  /** Stops downloads and the wait for the networks. */
  readonly signal?: AbortSignal | undefined;
  /** Called several times a second during a download, with the checkpoint or adapter that is downloaded. */
  readonly onDownload?: ((progress: DownloadProgress, source: string) => void) | undefined;
  /** Called when all files are there, before the networks are loaded. */
  readonly onLoad?: (() => void) | undefined;
  /** Called while networks are loaded, which is when they first run. */
  readonly onLoadProgress?: DeviceOptions["onLoadProgress"];
  /** Where prompts and requests find LoRAs and embeddings by their names. */
  readonly library?: AdapterLibrary | undefined;
  /** The run that the workflow is opened for. If the checkpoint cannot make it, that is an error before weights are downloaded. */
  readonly firstRun?: RunRequest | undefined;
  /** Folder of downloads; that of Hugging Face's tools by default. */
  readonly cacheDir?: string | undefined;
  /** Uses downloaded files only, never the network. */
  readonly localFilesOnly?: boolean | undefined;
  /** Token for the hub; HF_TOKEN by default. */
  readonly token?: string | undefined;
}

/** The options of {@link OpenOptions}. */
export const OPEN_OPTION_FIELDS: Fields<OpenOptions> = {
  signal: abortSignal,
  onDownload: callback(),
  onLoad: callback(),
  onLoadProgress: callback(),
  library: adapterLibrary,
  firstRun: field(isPlain, "an object with the options of a run"),
  cacheDir: text,
  localFilesOnly: flag,
  token: text,
};

/** The options of {@link RunOptions}. */
export const RUN_OPTION_FIELDS: Fields<RunOptions> = { signal: abortSignal, onStepEnd: STEERING_FIELDS.onStepEnd };

/**
 * A checkpoint with its adapters, open for any number of runs. Each run has its own prompt, seed, size and pictures to start from. Runs
 * share the networks and take turns, picture by picture. Dispose of the workflow to free its memory.
 */
export interface Workflow extends AsyncDisposable {
  /** What is loaded. */
  readonly opening: OpenRequest;
  /** The checkpoint's pipeline class. */
  readonly className: string;
  /** Where the networks run. */
  readonly device: ResolvedDevice;
  /** How closely the networks compute. */
  readonly precision: Precision;
  /** The LoRAs and embeddings that are loaded. */
  readonly adapters: LoadedAdapters;
  /**
   * Makes pictures. Its events are the settings, each step and each picture. Nothing is computed before the first event is requested.
   * Leaving the loop cancels the run.
   * @throws ArgumentError for a request that makes no sense; the signal's reason; DeviceError
   */
  run(request: RunRequest, options?: RunOptions): AsyncGenerator<GenerateEvent, GenerateResult, void>;
  /** Frees the networks. Runs end with an error after their step. */
  dispose(): Promise<void>;
}

/**
 * Opens what a request names: downloads what is missing, and loads the networks and adapters.
 * @throws ArgumentError for a request that makes no sense, or that the checkpoint cannot do; CheckpointError, ConfigError, DeviceError,
 * HubError; the signal's reason
 */
export async function openWorkflow(request: OpenRequest, options: OpenOptions = {}): Promise<Workflow> {
  const opening = checkOpening(request);
  const checked = checkOptions(options, OPEN_OPTION_FIELDS, { call: "openWorkflow", elsewhere: belongsToRequest });
  const { firstRun, library = {}, signal, onLoad, onLoadProgress, ...from } = checked;
  const planned = firstRun && checkRunRequest(firstRun);
  // A copy, because a program may change its object between opening and running.
  const given = firstRun && { ...firstRun };
  signal?.throwIfAborted();
  const whole = { ...planned, ...opening, model: opening.model ?? embeddedCheckpointPath() };
  checkCombinations({ ...planned, ...opening }, { isPlanned: planned !== undefined });
  const located = await locateAdapters(opening, library, `${planned?.prompt ?? ""}\n${planned?.negativePrompt ?? ""}`);
  if (planned?.prompt !== undefined) taggedPrompt(planned.prompt, readTags(planned).loras, located.loras);
  const prepared = planned && (await unlessAborted(prepareRun(planned), signal));
  const accept = (family: KnownFamily, index: ModelIndex) => (planned ? checkRun : checkNetworks)(whole, family, index);
  const files = await unlessAborted(openFiles(whole, located, { ...from, signal, accept }), signal);
  onLoad?.();
  const first = given && prepared && { given, prepared };
  const loading = LoadedWorkflow.load({ ...opening, model: whole.model }, files, first, onLoadProgress);
  try {
    return await unlessAborted(loading, signal);
  } catch (error) {
    // Loading cannot be stopped. What it loads is freed when it is done.
    loading.then((workflow) => workflow.dispose()).catch(() => undefined);
    throw error;
  }
}

/** The run that a workflow was opened for, as it was given and as it is prepared. */
interface FirstRun {
  readonly given: RunRequest;
  readonly prepared: PreparedRun;
}

class LoadedWorkflow implements Workflow {
  private constructor(
    readonly opening: OpenRequest & { readonly model: ModelSource },
    private readonly files: OpenFiles,
    private readonly networks: OpenNetworks,
    readonly adapters: LoadedAdapters,
    private readonly upscalers: Pick<RunContext, "upscaler" | "hiresUpscaler">,
    private readonly parts: readonly AsyncDisposable[],
    private firstRun: FirstRun | undefined,
  ) {}

  static async load(
    opening: OpenRequest & { readonly model: ModelSource },
    files: OpenFiles,
    firstRun: FirstRun | undefined,
    onLoadProgress: OpenOptions["onLoadProgress"],
  ): Promise<LoadedWorkflow> {
    const parts: AsyncDisposable[] = [];
    const keep = <Part extends AsyncDisposable>(part: Part): Part => {
      parts.unshift(part);
      return part;
    };
    try {
      const { device, deviceId, precision, quantize, lowMemory, variant } = opening;
      const options = { device, deviceId, precision, quantize, lowMemory, variant, onLoadProgress };
      const vae = files.vae && keep(await openVae(files.vae, options));
      warnOfUnusedControl({ ...files, name: files.model.name });
      const workflow = await workflowOf(files.family);
      const networks = await workflow.open(files, { ...options, vae }, keep);
      // They share the engine of the pipeline's networks.
      const upscalerOptions = { ...options, engine: networks.pipeline.engine };
      const upscaler = files.upscaler && keep(await openUpscaler(files.upscaler, upscalerOptions));
      const hiresUpscaler = files.hiresUpscaler && keep(await openUpscaler(files.hiresUpscaler, upscalerOptions));
      if (networks.imagePromptable && files.ipAdapters) await loadIPAdapters(networks.imagePromptable, files.ipAdapters);
      const adapters = networks.adaptable ? await loadAdapters(networks.adaptable, files.adapters) : { loras: [], embeddings: [] };
      return new LoadedWorkflow(opening, files, networks, adapters, { upscaler, hiresUpscaler }, parts, firstRun);
    } catch (error) {
      await disposeAll(parts);
      throw error;
    }
  }

  get className(): string {
    return this.files.index.className;
  }

  get device(): ResolvedDevice {
    return this.networks.pipeline.device;
  }

  get precision(): Precision {
    return this.networks.pipeline.precision;
  }

  async *run(request: RunRequest, options: RunOptions = {}): AsyncGenerator<GenerateEvent, GenerateResult, void> {
    const checked = checkOptions(options, RUN_OPTION_FIELDS, { call: "run", elsewhere: belongsToRequest });
    const { opening, files, networks, adapters, upscalers, firstRun } = this;
    // Its pictures are kept for the first run only.
    this.firstRun = undefined;
    const prepared = firstRun && isSame(request, firstRun.given) ? firstRun.prepared : await this.prepare(request);
    const { index, family, control, isEmbedded } = files;
    const { scheduler, transformer } = networks.pipeline;
    const traits = { name: files.model.name, options: index.options, scheduler: scheduler.config, transformer: transformer?.config };
    const advised = publishedLike(family, traits)?.defaults ?? {};
    const workflow = {
      advised,
      opening,
      isPag: isPagClass(index.className),
      family,
      control,
      networks,
      adapters,
      ...upscalers,
      isEmbedded,
    };
    return yield* runEvents(workflow, prepared, checked);
  }

  private async prepare(request: RunRequest): Promise<PreparedRun> {
    const run = checkRunRequest(request);
    const whole = { ...run, ...this.opening };
    checkCombinations(whole, { isPlanned: false });
    expectImagePrompts(whole);
    checkRun(whole, this.files.family, this.files.index);
    checkControlKind(whole, this.files.family, this.files.control);
    return prepareRun(run);
  }

  async dispose(): Promise<void> {
    await disposeAll(this.parts);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

async function openUpscaler(folder: Folder, options: ModelOptions): Promise<Upscaler> {
  const { Upscaler } = await import("../models/upscaler.js");
  return Upscaler.fromPretrained(folder, options);
}

/** Whether two requests have the same options. Pictures count as the same only if they are the same object or text. */
function isSame(request: RunRequest, other: RunRequest): boolean {
  if (!isPlain(request)) return false;
  const names = Object.keys(request) as (keyof RunRequest)[];
  return names.length === Object.keys(other).length && names.every((name) => Object.hasOwn(other, name) && request[name] === other[name]);
}

async function disposeAll(parts: readonly AsyncDisposable[]): Promise<void> {
  for (const part of parts) await part[Symbol.asyncDispose]();
}
