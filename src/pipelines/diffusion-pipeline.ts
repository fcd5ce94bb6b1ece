import { createEngine } from "#platform";
import { snakeCase } from "../checkpoint/config.js";
import type { Folder } from "../checkpoint/folder.js";
import { type ModelIndex, readModelIndex } from "../checkpoint/model-index.js";
import { PREDICTION_TYPES, type PredictionType } from "../checkpoint/prediction-types.js";
import { ArgumentError, ConfigError } from "../errors.js";
import { wrongArgument } from "../given.js";
import { expectFile } from "../hub/find-source.js";
import { openCheckpoint, type SourceOptions } from "../hub/open-checkpoint.js";
import type { Model } from "../models/model.js";
import { expectConcurrency, type PipelineQueue, type Turn } from "../runtime/call-queue.js";
import type { DeviceOptions, Precision, ResolvedDevice } from "../runtime/engine.js";
import { expectSettings } from "../schedulers/expect-settings.js";
import type { Scheduler, SchedulerClass } from "../schedulers/scheduler.js";
import { TIMESTEP_SPACINGS, type TimestepSpacing } from "../schedulers/timestep-spacing.js";
import { ComponentSource } from "./components.js";
import type { StableDiffusionPipeline } from "./stable-diffusion.js";
import type { StableDiffusionXLPipeline } from "./stable-diffusion-xl.js";

/** Settings of the checkpoint's scheduler in place of those that it comes with, for checkpoints that do not say what they were trained for. */
export interface SchedulerOptions {
  /** What the network predicts: the noise ("epsilon"), the velocity ("v_prediction") or the picture ("sample"). The checkpoint's own by default. */
  readonly predictionType?: PredictionType;
  /** How timesteps are chosen: "leading", "trailing" (Turbo and other few-step models) or "linspace". The scheduler's own by default. */
  readonly timestepSpacing?: TimestepSpacing;
}

/** How a checkpoint is opened. */
export interface PipelineOptions extends DeviceOptions, SourceOptions, SchedulerOptions {
  /** How many calls work at once: 1 by default; see {@link DiffusionPipeline.queue}, where it can be changed later. */
  readonly concurrency?: number;
}

/** A pipeline class: how it is made from a checkpoint, and which parts a caller may give instead of the checkpoint's. */
export interface PipelineClass<Pipeline extends DiffusionPipeline, Components extends object> {
  /** The pipeline over the parts of a checkpoint; `fromPretrained` calls it. */
  open(source: ComponentSource, index: ModelIndex, given: Partial<Components>): Promise<Pipeline>;
}

// Loaded when asked for, so that a program pays for the pipelines it uses.
const PIPELINES = {
  DDIMPipeline: async () => (await import("./ddim.js")).DDIMPipeline,
  DDPMPipeline: async () => (await import("./ddpm.js")).DDPMPipeline,
  StableDiffusionPipeline: async () => (await import("./stable-diffusion.js")).StableDiffusionPipeline,
  StableDiffusionImg2ImgPipeline: async () => (await import("./stable-diffusion-img2img.js")).StableDiffusionImg2ImgPipeline,
  StableDiffusionInpaintPipeline: async () => (await import("./stable-diffusion-inpaint.js")).StableDiffusionInpaintPipeline,
  StableDiffusionControlNetPipeline: async () => (await import("./stable-diffusion-controlnet.js")).StableDiffusionControlNetPipeline,
  StableDiffusionXLPipeline: async () => (await import("./stable-diffusion-xl.js")).StableDiffusionXLPipeline,
  StableDiffusionXLImg2ImgPipeline: async () => (await import("./stable-diffusion-xl-img2img.js")).StableDiffusionXLImg2ImgPipeline,
  StableDiffusionXLInpaintPipeline: async () => (await import("./stable-diffusion-xl-inpaint.js")).StableDiffusionXLInpaintPipeline,
} as const satisfies Record<string, () => Promise<PipelineClass<DiffusionPipeline, never>>>;

/** The pipelines that make a picture of a prompt alone. */
export type TextToImagePipeline = StableDiffusionPipeline | StableDiffusionXLPipeline;

type PipelineName = keyof typeof PIPELINES;
type ComponentsOf<Class> = Class extends PipelineClass<DiffusionPipeline, infer Components> ? Components : never;
type TextToImageComponents = ComponentsOf<typeof StableDiffusionPipeline> & ComponentsOf<typeof StableDiffusionXLPipeline>;

/** Any checkpoint in the diffusers folder layout. Matches diffusers' DiffusionPipeline. */
export abstract class DiffusionPipeline implements AsyncDisposable {
  constructor(private readonly source: ComponentSource | undefined) {}

  /**
   * Opens the checkpoint in the folder or single file `path`, or of the hub if it is an id (`owner/name`) and no folder: as the pipeline that its
   * `model_index.json` names, or, called on a pipeline class, as that one.
   * Weights are mapped from disk, not read. Parts given in `options` (`{ vae, scheduler, safetyChecker: null, ... }`) replace the checkpoint's own
   * and stay the caller's to dispose.
   * @throws CheckpointError, ConfigError, DeviceError, HubError
   */
  static fromPretrained<Pipeline extends DiffusionPipeline, Components extends object>(
    this: PipelineClass<Pipeline, Components>,
    path: string | Folder,
    options?: PipelineOptions & Partial<Components>,
  ): Promise<Pipeline>;
  static fromPretrained(
    this: typeof DiffusionPipeline,
    path: string | Folder,
    options?: PipelineOptions & Partial<TextToImageComponents>,
  ): Promise<TextToImagePipeline>;
  static async fromPretrained(
    this: typeof DiffusionPipeline | PipelineClass<DiffusionPipeline, object>,
    path: string | Folder,
    options: PipelineOptions = {},
  ): Promise<DiffusionPipeline> {
    const { device, deviceId, lowMemory, precision, concurrency, ...others } = options;
    if (concurrency !== undefined) expectConcurrency(concurrency);
    const { variant, config, revision, token, cacheDir, localFilesOnly, onProgress, signal, ...parts } = others;
    const { predictionType, timestepSpacing, ...given } = parts as SchedulerOptions & { readonly scheduler?: Scheduler };
    const settings = schedulerSettings({ predictionType, timestepSpacing }, given.scheduler);
    const from = { variant, config, revision, token, cacheDir, localFilesOnly, onProgress, signal };
    const brought = Object.entries(given).flatMap(([name, part]) => (part === undefined ? [] : snakeCase(name)));
    // An unknown class is told before anything is downloaded, or a thread started, for it.
    const loader = (index: ModelIndex, folder: Folder) => ("open" in this ? async () => this : loaderOf(folder, index));
    const folder = await openCheckpoint(path, { ...from, predictionType, without: brought, accept: loader });
    const index = await readModelIndex(folder);
    const load = loader(index, folder);
    const [pipeline, engine] = await Promise.all([load(), createEngine({ device, deviceId, lowMemory, precision })]);
    const source = new ComponentSource(folder, index, engine, variant);
    try {
      const pipe = await pipeline.open(source, index, given);
      if (settings) {
        expectSettings(pipe.scheduler.constructor as unknown as SchedulerClass, settings);
        pipe.scheduler = pipe.scheduler.clone(settings);
      }
      if (concurrency !== undefined) pipe.queue.concurrency = concurrency;
      return pipe;
    } catch (error) {
      await source.dispose();
      throw error;
    }
  }

  /**
   * Opens a checkpoint in a single `.safetensors` file of the original layout (CompVis' ldm, Stability's sgm): a path, or the address of a file on the
   * hub, `https://huggingface.co/OWNER/NAME/blob/REVISION/FILE`. Which checkpoint it is and how its networks are built is told by its header;
   * `config`, a folder or hub id in diffusers' layout, takes the place of that, as it has to for networks of unusual proportions. Everything else is as
   * with `fromPretrained`, which takes such files, too. There is no safety checker in such a file.
   * @throws CheckpointError, ConfigError, DeviceError, HubError
   */
  static fromSingleFile<Pipeline extends DiffusionPipeline, Components extends object>(
    this: PipelineClass<Pipeline, Components>,
    path: string,
    options?: PipelineOptions & Partial<Components>,
  ): Promise<Pipeline>;
  static fromSingleFile(
    this: typeof DiffusionPipeline,
    path: string,
    options?: PipelineOptions & Partial<TextToImageComponents>,
  ): Promise<TextToImagePipeline>;
  static async fromSingleFile(
    this: typeof DiffusionPipeline | PipelineClass<DiffusionPipeline, object>,
    path: string,
    options: PipelineOptions = {},
  ): Promise<DiffusionPipeline> {
    await expectFile(path);
    return DiffusionPipeline.fromPretrained.call(this as typeof DiffusionPipeline, path, options);
  }

  /** Walks from noise to picture; another one may be put in its place. */
  abstract scheduler: Scheduler;

  /** The network that denoises. */
  abstract unet: Model<unknown>;

  /** Where the networks run: what was asked for, or what `device: "auto"` picked. */
  get device(): ResolvedDevice {
    return this.unet.device;
  }

  /** How closely the networks compute: "exact" where "fast" was asked for and the device cannot. */
  get precision(): Precision {
    return this.unet.precision;
  }

  /**
   * The line in which calls of `generate` and `steps` wait for their turn: how many there are, and how many work at once (`queue.concurrency`, 1 by default).
   * Pipelines that share a UNet share its line.
   */
  get queue(): PipelineQueue {
    return this.unet.queue;
  }

  /** A turn for a call. */
  protected turn(): Turn {
    return this.unet.queue.turn();
  }

  /**
   * Frees the memory of the parts this pipeline loaded, and stops its thread. Calls that wait for their turn fail at once, and one that works fails at its
   * next step, with a DeviceError.
   */
  async dispose(): Promise<void> {
    await this.source?.dispose();
  }

  /** As `dispose`, at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

/** The settings that are given; undefined where none are. @throws ArgumentError for a value that is none, or beside a scheduler, which has its own. */
function schedulerSettings(options: SchedulerOptions, scheduler: Scheduler | undefined): SchedulerOptions | undefined {
  const allowed = { predictionType: PREDICTION_TYPES, timestepSpacing: TIMESTEP_SPACINGS } as const;
  const settings = Object.entries(options).filter(([, value]) => value !== undefined);
  for (const [argument, value] of settings) {
    const values: readonly string[] = allowed[argument as keyof SchedulerOptions];
    if (!values.includes(value)) throw wrongArgument(argument, value, values.join(", "), { type: "string" });
    if (scheduler) {
      throw new ArgumentError((name) => `${name(argument)} was given beside a scheduler`, {
        argument,
        hint: (name) =>
          `leave ${name(argument)} out, and make the scheduler with it: fromConfig(config, { ${argument}: ${JSON.stringify(value)} })`,
      });
    }
  }
  return settings.length === 0 ? undefined : Object.fromEntries(settings);
}

function loaderOf(folder: Folder, { className }: ModelIndex): () => Promise<PipelineClass<DiffusionPipeline, object>> {
  if (Object.hasOwn(PIPELINES, className)) return PIPELINES[className as PipelineName];
  throw new ConfigError(`${folder.name}/model_index.json is of class ${className}; expected one of ${Object.keys(PIPELINES).join(", ")}`, {
    hint: "this checkpoint is for a pipeline that Darkroom does not have",
  });
}
