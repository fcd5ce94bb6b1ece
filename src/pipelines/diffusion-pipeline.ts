import { createEngine } from "#platform";
import type { JsonObject } from "../checkpoint/json.js";
import { type ModelIndex, readModelIndex } from "../checkpoint/model-index.js";
import { SAVE_FIELDS, type SavePretrainedOptions } from "../checkpoint/saving.js";
import { expectSource, SOURCE_FIELDS, type SourceOptions } from "../checkpoint/source.js";
import { ArgumentError, ConfigError } from "../errors.js";
import type { PipelineClassName } from "../families/lookups.js";
import { PREDICTION_TYPES, type PredictionType } from "../families/prediction-types.js";
import { isPlain } from "../given.js";
import { expectFile, type FoundSource } from "../hub/find-source.js";
import { openCheckpoint } from "../hub/open-checkpoint.js";
import { snakeCase } from "../letter-case.js";
import { checkOptions } from "../options/check-options.js";
import { type Field, type Fields, field, oneOf, optional } from "../options/fields.js";
import type { Folder } from "../platform/folder.js";
import { CONCURRENCY, isConcurrency, type PipelineQueue, type Turn } from "../runtime/call-queue.js";
import { DEVICE_FIELDS, type DeviceOptions, type Precision, type ResolvedDevice } from "../runtime/device.js";
import { expectSettings, resolveScheduler, schedulerField, schedulerFor } from "../schedulers/registry.js";
import type { Scheduler, SchedulerClass } from "../schedulers/shared/scheduler.js";
import { TIMESTEP_SPACINGS, type TimestepSpacing } from "../schedulers/shared/timestep-spacing.js";
import { savePipeline } from "./save-pipeline.js";
import { ComponentSource } from "./shared/components.js";
import type { Denoiser } from "./shared/denoiser.js";
import { belongsElsewhere } from "./shared/misplaced-options.js";
import { type DenoisingStep, type PipelineRun, pipelineRun } from "./shared/pipeline-run.js";
import type { StableDiffusionPipeline } from "./stable-diffusion.js";
import type { StableDiffusionComponents } from "./stable-diffusion-base.js";
import type { StableDiffusionXLPipeline } from "./stable-diffusion-xl.js";
import type { StableDiffusionXLComponents } from "./stable-diffusion-xl-base.js";

/** Settings in place of those of the checkpoint's scheduler, for checkpoints that state wrong ones or none. */
export interface SchedulerOptions {
  /**
   * The network's prediction: the noise ("epsilon"), the velocity ("v_prediction") or the picture ("sample"). The checkpoint's own by
   * default.
   */
  readonly predictionType?: PredictionType | undefined;
  /** How timesteps are chosen: "leading", "trailing" (Turbo and other few-step models) or "linspace". The scheduler's own by default. */
  readonly timestepSpacing?: TimestepSpacing | undefined;
}

/** How a checkpoint is opened. */
export interface PipelineOptions extends DeviceOptions, SourceOptions, SchedulerOptions {
  /** The number of calls that run at once: 1 by default. {@link DiffusionPipeline.queue} can change it later. */
  readonly concurrency?: number | undefined;
}

const OPTIONS: Fields<PipelineOptions> = {
  ...DEVICE_FIELDS,
  ...SOURCE_FIELDS,
  predictionType: oneOf(...PREDICTION_TYPES),
  timestepSpacing: oneOf(...TIMESTEP_SPACINGS),
  concurrency: field(isConcurrency, CONCURRENCY, "number"),
};

/** A pipeline class: how it opens a checkpoint, and which parts a caller may give in place of the checkpoint's. */
export interface PipelineClass<Pipeline extends DiffusionPipeline, Components extends object> {
  /** Its name in diffusers. */
  readonly className: string;
  /** Fields of the parts. */
  readonly parts: Fields<object>;
  /** Makes a pipeline with the parts of a checkpoint; `fromPretrained` calls it. */
  open(source: ComponentSource, index: ModelIndex, given: Partial<Components>): Promise<Pipeline>;
}

/** The parts that a caller may give in place of the checkpoint's. A scheduler may be given by name; it gets the checkpoint's config. */
export type GivenParts<Components> = {
  readonly [Part in keyof Components]?: (Part extends "scheduler" ? Components[Part] | string : Components[Part]) | undefined;
};

// Imported when they are needed, so that a program loads only the pipelines it uses.
const PIPELINES = {
  ConsistencyModelPipeline: async () => (await import("./consistency-model.js")).ConsistencyModelPipeline,
  DDIMPipeline: async () => (await import("./ddim.js")).DDIMPipeline,
  DDPMPipeline: async () => (await import("./ddpm.js")).DDPMPipeline,
  LatentConsistencyModelImg2ImgPipeline: async () =>
    (await import("./latent-consistency-model-img2img.js")).LatentConsistencyModelImg2ImgPipeline,
  LatentConsistencyModelPipeline: async () => (await import("./latent-consistency-model.js")).LatentConsistencyModelPipeline,
  ScoreSdeVePipeline: async () => (await import("./score-sde-ve.js")).ScoreSdeVePipeline,
  StableDiffusionPipeline: async () => (await import("./stable-diffusion.js")).StableDiffusionPipeline,
  StableDiffusionImg2ImgPipeline: async () => (await import("./stable-diffusion-img2img.js")).StableDiffusionImg2ImgPipeline,
  StableDiffusionInpaintPipeline: async () => (await import("./stable-diffusion-inpaint.js")).StableDiffusionInpaintPipeline,
  StableDiffusionControlNetPipeline: async () => (await import("./stable-diffusion-controlnet.js")).StableDiffusionControlNetPipeline,
  StableDiffusionControlNetImg2ImgPipeline: async () =>
    (await import("./stable-diffusion-controlnet-img2img.js")).StableDiffusionControlNetImg2ImgPipeline,
  StableDiffusionControlNetInpaintPipeline: async () =>
    (await import("./stable-diffusion-controlnet-inpaint.js")).StableDiffusionControlNetInpaintPipeline,
  StableDiffusionXLControlNetUnionPipeline: async () =>
    (await import("./stable-diffusion-xl-controlnet-union.js")).StableDiffusionXLControlNetUnionPipeline,
  StableDiffusionXLControlNetUnionImg2ImgPipeline: async () =>
    (await import("./stable-diffusion-xl-controlnet-union-img2img.js")).StableDiffusionXLControlNetUnionImg2ImgPipeline,
  StableDiffusionXLControlNetUnionInpaintPipeline: async () =>
    (await import("./stable-diffusion-xl-controlnet-union-inpaint.js")).StableDiffusionXLControlNetUnionInpaintPipeline,
  StableDiffusionAdapterPipeline: async () => (await import("./stable-diffusion-adapter.js")).StableDiffusionAdapterPipeline,
  StableDiffusionXLAdapterPipeline: async () => (await import("./stable-diffusion-xl-adapter.js")).StableDiffusionXLAdapterPipeline,
  StableDiffusionXLPipeline: async () => (await import("./stable-diffusion-xl.js")).StableDiffusionXLPipeline,
  StableDiffusionXLImg2ImgPipeline: async () => (await import("./stable-diffusion-xl-img2img.js")).StableDiffusionXLImg2ImgPipeline,
  StableDiffusionXLInpaintPipeline: async () => (await import("./stable-diffusion-xl-inpaint.js")).StableDiffusionXLInpaintPipeline,
  StableDiffusionXLControlNetPipeline: async () =>
    (await import("./stable-diffusion-xl-controlnet.js")).StableDiffusionXLControlNetPipeline,
  StableDiffusionXLControlNetImg2ImgPipeline: async () =>
    (await import("./stable-diffusion-xl-controlnet-img2img.js")).StableDiffusionXLControlNetImg2ImgPipeline,
  StableDiffusionXLControlNetInpaintPipeline: async () =>
    (await import("./stable-diffusion-xl-controlnet-inpaint.js")).StableDiffusionXLControlNetInpaintPipeline,
} as const satisfies Record<PipelineClassName, () => Promise<PipelineClass<DiffusionPipeline, never>>>;

/** The pipelines that make a picture from a prompt alone. */
export type TextToImagePipeline = StableDiffusionPipeline | StableDiffusionXLPipeline;

type PipelineName = keyof typeof PIPELINES;
type AnyClass = Awaited<ReturnType<(typeof PIPELINES)[PipelineName]>>;

/** The parts of a pipeline class; for `DiffusionPipeline`, those of the text-to-image pipelines. */
export type PartsOf<Class> =
  Class extends PipelineClass<DiffusionPipeline, infer Components>
    ? GivenParts<Components>
    : GivenParts<StableDiffusionComponents & StableDiffusionXLComponents>;

/** The pipeline that a class opens. */
export type PipelineOf<Class> = Class extends PipelineClass<infer Pipeline, never> ? Pipeline : TextToImagePipeline;

type AnyPart = AnyClass extends infer Class ? (Class extends { parts: infer Parts } ? keyof Parts : never) : never;

const part = field<unknown>(() => true, "a part of a pipeline");

/** The parts of all pipelines, for a checkpoint whose pipeline is not known yet. */
const ANY_PARTS: Record<AnyPart, Field<unknown>> = {
  adapter: part,
  controlnet: part,
  featureExtractor: part,
  safetyChecker: part,
  scheduler: part,
  textEncoder: part,
  textEncoder2: part,
  tokenizer: part,
  tokenizer2: part,
  unet: part,
  vae: part,
};

export interface DiffusionPipeline {
  /**
   * The scheduler. Assign another scheduler or the name of one: `pipe.scheduler = "euler"` is short for
   * `pipe.scheduler = EulerDiscreteScheduler.fromConfig(pipe.scheduler.config)`. `schedulerNames()` lists the names.
   * @throws ArgumentError for an unknown name, with the nearest one.
   */
  get scheduler(): Scheduler;
  /** Sets a scheduler, or one by its name. */
  set scheduler(scheduler: Scheduler | string);
}

/** Any checkpoint in the diffusers folder layout. Matches diffusers' DiffusionPipeline. */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the constructor defines the scheduler as the pipeline's own property
export abstract class DiffusionPipeline implements AsyncDisposable {
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  abstract readonly className: string;

  constructor(
    scheduler: Scheduler,
    /** Where its parts were loaded from; undefined if the caller made them. */
    protected readonly source: ComponentSource | undefined,
  ) {
    let active = scheduler;
    // An own property, so that `{ ...pipe }` includes it. Another pipeline with the same parts is made of that.
    Object.defineProperty(this, "scheduler", {
      enumerable: true,
      get: () => active,
      set: (wanted: Scheduler | string) => {
        active = schedulerFor(wanted, active);
      },
    });
  }

  /**
   * Opens a checkpoint: the folder or single file `path`, or, if there is none, the checkpoint with this id on the hub (`owner/name`).
   *
   * `DiffusionPipeline.fromPretrained` opens the pipeline that `model_index.json` names. Its type is the union of the text-to-image
   * pipelines; `className` tells them apart. `fromPretrained` of a pipeline class opens a pipeline of that class; use it for other tasks
   * than text to image.
   *
   * Weights are mapped from disk, not read. Parts in `options` (`{ vae, scheduler, safetyChecker: null, ... }`) replace the checkpoint's
   * own and are not disposed with the pipeline. `scheduler: "euler"` sets a scheduler by its name, with the checkpoint's config.
   * @throws ArgumentError, CheckpointError, ConfigError, DeviceError, HubError
   */
  static async fromPretrained<Class extends typeof DiffusionPipeline | PipelineClass<DiffusionPipeline, never>>(
    this: Class,
    path: string | Folder,
    options?: PipelineOptions & PartsOf<Class>,
  ): Promise<PipelineOf<Class>> {
    expectSource(path);
    return (await openPipeline(this, "fromPretrained", path, options)) as PipelineOf<Class>;
  }

  /**
   * Opens a checkpoint in a single `.safetensors` file of the original layout (CompVis' ldm, Stability's sgm): a path, or the address of a
   * file on the hub, `https://huggingface.co/OWNER/NAME/blob/REVISION/FILE`. Its header shows the family and the configs of the networks.
   * `config`, a folder or hub id in diffusers' layout, gives the configs instead; networks of unusual proportions need it. Everything else
   * is as with `fromPretrained`, which also takes such files. A single file has no safety checker.
   * @throws ArgumentError, CheckpointError, ConfigError, DeviceError, HubError
   */
  static async fromSingleFile<Class extends typeof DiffusionPipeline | PipelineClass<DiffusionPipeline, never>>(
    this: Class,
    path: string,
    options?: PipelineOptions & PartsOf<Class>,
  ): Promise<PipelineOf<Class>> {
    return (await openPipeline(this, "fromSingleFile", await expectFile(path), options)) as PipelineOf<Class>;
  }

  /**
   * A pipeline of this class with the parts of another pipeline, which may be of another class:
   * `StableDiffusionImg2ImgPipeline.fromPipe(pipe)`. Nothing is loaded again, and the networks are shared: a LoRA that one of the pipelines
   * loads changes the pictures of both. Parts in `overrides` replace those of the other pipeline; `scheduler: "euler"` sets a scheduler by
   * its name. Networks that `fromPretrained` loaded live until the last of the pipelines that share them is disposed.
   * @throws ArgumentError if the other pipeline lacks a part that this class needs, or was disposed; ConfigError if its UNet is of another
   * family.
   */
  static async fromPipe<Class extends PipelineClass<DiffusionPipeline, never>>(
    this: Class,
    pipe: DiffusionPipeline,
    overrides?: PartsOf<Class>,
  ): Promise<PipelineOf<Class>> {
    const { pipelineFromPipe } = await import("./from-pipe.js");
    return (await pipelineFromPipe(this as PipelineClass<DiffusionPipeline, object>, pipe, overrides ?? {})) as PipelineOf<Class>;
  }

  /**
   * The parts, by diffusers' names in camelCase: `new OtherPipeline(pipe.components)`. Null for a part that the pipeline does not have.
   */
  get components(): object {
    return Object.fromEntries(this.partNames.map((name) => [name, this.part(name) ?? null]));
  }

  /**
   * Saves all parts and `model_index.json` into `folder`, as diffusers' `save_pretrained` does; `fromPretrained` and diffusers open it. The
   * folder appears whole or not at all; a folder that exists gets the new files in place of those of the same names. Weights are copied
   * from the checkpoint in parts, so that no network is held in memory. Fused LoRAs are saved in the weights. A warning names what is not
   * saved: active LoRAs that are not fused, and embeddings.
   * @throws ArgumentError for a wrong option; OutputError if the folder cannot be written, or if weights of the pipeline would be replaced
   * by it; the signal's reason
   */
  async savePretrained(folder: string, options: SavePretrainedOptions = {}): Promise<void> {
    const checked = checkOptions(options, SAVE_FIELDS, { call: `${this.className}.savePretrained` });
    const { className, indexOptions, source, partNames } = this;
    const parts = Object.fromEntries(partNames.map((name) => [name, this.part(name)]));
    await savePipeline(folder, { className, parts, absent: this.absentParts, options: indexOptions, source }, checked);
  }

  /** Values of `model_index.json` besides the parts, in camelCase. @internal */
  get indexOptions(): JsonObject {
    return {};
  }

  /** Names of parts that diffusers' class has and this one does not, as files spell them. */
  protected get absentParts(): readonly string[] {
    return [];
  }

  /** The source of the parts, for another pipeline that shares them. @internal */
  sharedSource(className: string): ComponentSource | undefined {
    return this.source?.sharedWith(className);
  }

  private get partNames(): readonly string[] {
    return Object.keys((this.constructor as unknown as PipelineClass<DiffusionPipeline, never>).parts);
  }

  private part(name: string): unknown {
    return (this as unknown as Readonly<Record<string, unknown>>)[name];
  }

  /** The network that denoises. */
  protected abstract get denoiser(): Denoiser;

  /** The device that the networks run on: the requested one, or the one that `device: "auto"` chose. */
  get device(): ResolvedDevice {
    return this.denoiser.device;
  }

  /** The precision of the networks: "exact" also if "fast" was requested and the device does not support it. */
  get precision(): Precision {
    return this.denoiser.precision;
  }

  /**
   * The queue of `generate` and `steps` calls: how many run, how many wait, and how many may run at once (`queue.concurrency`, 1 by
   * default). Pipelines that share their denoising network share its queue.
   */
  get queue(): PipelineQueue {
    return this.denoiser.queue;
  }

  /** The checked options of a call. @throws ArgumentError */
  protected check<Options extends object>(method: string, options: object, fields: Fields<object>, example: string): Options {
    return checkOptions(options, fields as Fields<Options>, {
      call: `${this.className}.${method}`,
      example: `such as pipe.${method}(${example})`,
      elsewhere: (option) => belongsElsewhere(this.className, option),
    });
  }

  /** A run of a call. `steps` checks the request and then takes the turn. */
  protected start<Result>(steps: (turn: Turn) => AsyncGenerator<DenoisingStep, Result, void>): PipelineRun<Result> {
    const turn = this.denoiser.queue.turn();
    return pipelineRun(turn, steps(turn));
  }

  /**
   * Frees the memory of the parts that this pipeline loaded, and stops its thread, unless a pipeline that `fromPipe` made still uses them.
   * Waiting calls fail at once with a DeviceError, running
   * calls at their next step.
   */
  async dispose(): Promise<void> {
    await this.source?.dispose();
  }

  /** As `dispose`, at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

/** The given settings; undefined if there are none. @throws ArgumentError if the caller gave a scheduler as well, which has its own. */
function schedulerSettings(options: SchedulerOptions, scheduler: Scheduler | string | undefined): SchedulerOptions | undefined {
  const settings = Object.entries(options).filter(([, value]) => value !== undefined);
  const [first] = settings;
  if (!first) return undefined;
  if (scheduler === undefined || typeof scheduler === "string") return Object.fromEntries(settings);
  const [argument, value] = first;
  throw new ArgumentError((name) => `both ${name(argument)} and a scheduler were given; expected one of them`, {
    argument,
    hint: (name) =>
      `leave ${name(argument)} out, and make the scheduler with it: fromConfig(config, { ${argument}: ${JSON.stringify(value)} })`,
  });
}

async function openPipeline(
  opened: typeof DiffusionPipeline | PipelineClass<DiffusionPipeline, object>,
  method: "fromPretrained" | "fromSingleFile",
  path: string | Folder | FoundSource,
  options: object = {},
): Promise<DiffusionPipeline> {
  const known = "open" in opened ? opened : undefined;
  const { device, deviceId, lowMemory, precision, concurrency, ...others } = checkOpening(known, method, options);
  const { variant, config, revision, token, cacheDir, localFilesOnly, onProgress, signal, ...more } = others;
  const { predictionType, timestepSpacing, ...given } = more;
  const from = { variant, config, revision, token, cacheDir, localFilesOnly, onProgress, signal };
  const { scheduler: named, ...parts } = given as { readonly scheduler?: Scheduler | string };
  const settings = schedulerSettings({ predictionType, timestepSpacing }, named);
  // Checked before anything is downloaded. The scheduler itself is made later, from the checkpoint's config.
  if (typeof named === "string") resolveScheduler(named);
  const brought = { ...parts, ...(typeof named !== "string" && named !== undefined && { scheduler: named }) };
  // Refuses an unknown class before weights are downloaded or a thread is started.
  const loader = (index: ModelIndex, folder: Folder) => (known ? async () => known : loaderOf(folder, index));
  const folder = await openCheckpoint(path, {
    ...from,
    predictionType,
    wanted: { kind: "pipeline", without: Object.keys(brought).map(snakeCase), accept: loader },
  });
  const index = await readModelIndex(folder);
  const pipeline = await loader(index, folder)();
  // The class is known now, so the given parts are checked against its own.
  if (!known) checkOpening(pipeline, method, given);
  const engine = await createEngine({ device, deviceId, lowMemory, precision });
  const source = new ComponentSource(pipeline.className, { folder, index, engine, variant });
  try {
    const made = await pipeline.open(source, index, brought);
    if (typeof named === "string") made.scheduler = named;
    if (settings) {
      expectSettings(made.scheduler.constructor as unknown as SchedulerClass, settings);
      made.scheduler = made.scheduler.clone(settings);
    }
    if (concurrency !== undefined) made.queue.concurrency = concurrency;
    return made;
  } catch (error) {
    await source.dispose();
    throw error;
  }
}

/**
 * The checked options of `fromPretrained`: those of all pipelines, and the parts of `pipeline`, or of any pipeline if it is not known yet.
 */
function checkOpening(pipeline: PipelineClass<DiffusionPipeline, object> | undefined, method: string, options: object): PipelineOptions {
  const className = pipeline?.className ?? "DiffusionPipeline";
  const parts: object = pipeline ? optional(pipeline.parts) : ANY_PARTS;
  // null is accepted for a part that this pipeline never has.
  const without = ([name, value]: [string, unknown]) => value === null && name in ANY_PARTS && !(name in parts);
  const asked: unknown = isPlain(options) ? Object.fromEntries(Object.entries(options).filter((each) => !without(each))) : options;
  return checkOptions<PipelineOptions>(
    asked,
    { ...OPTIONS, ...parts, ...{ scheduler: schedulerField } },
    {
      call: `${className}.${method}`,
      elsewhere: (option) => (pipeline ? belongsElsewhere(className, option) : undefined),
    },
  );
}

function loaderOf(folder: Folder, { className }: ModelIndex): () => Promise<PipelineClass<DiffusionPipeline, object>> {
  if (Object.hasOwn(PIPELINES, className)) return PIPELINES[className as PipelineName];
  throw new ConfigError(`${folder.name}/model_index.json is of class ${className}; expected one of ${Object.keys(PIPELINES).join(", ")}`, {
    hint: "this checkpoint is for a pipeline that Darkroom does not have",
  });
}
