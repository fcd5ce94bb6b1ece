import type { JsonObject } from "../checkpoint/json.js";
import { SAVE_FIELDS, type SavePretrainedOptions } from "../checkpoint/saving.js";
import { expectSource } from "../checkpoint/source.js";
import { expectFile } from "../hub/find-source.js";
import { checkOptions } from "../options/check-options.js";
import type { Fields } from "../options/fields.js";
import type { Folder } from "../platform/folder.js";
import type { PipelineQueue, Turn } from "../runtime/call-queue.js";
import type { Precision, ResolvedDevice } from "../runtime/device.js";
import type { Engine } from "../runtime/engine.js";
import { schedulerFor } from "../schedulers/registry.js";
import type { Scheduler } from "../schedulers/shared/scheduler.js";
import { openPipeline, type PipelineOptions } from "./open-pipeline.js";
import type { PartsOf, PipelineClass, PipelineOf } from "./pipeline-classes.js";
import { savePipeline } from "./save-pipeline.js";
import type { ComponentSource } from "./shared/components.js";
import type { DenoisingNetwork } from "./shared/denoiser.js";
import { belongsElsewhere } from "./shared/misplaced-options.js";
import { type DenoisingStep, type PipelineRun, pipelineRun } from "./shared/pipeline-run.js";

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
   * Opens a checkpoint: the folder or single file `path`, or, if there is none, the checkpoint with this id on the hub (`owner/name`). In
   * a page, a single file may also be a `File` that the user chose.
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
    path: string | Folder | File,
    options?: PipelineOptions & PartsOf<Class>,
  ): Promise<PipelineOf<Class>> {
    expectSource(path);
    return (await openPipeline(this, "fromPretrained", path, options)) as PipelineOf<Class>;
  }

  /**
   * Opens a checkpoint in a single `.safetensors` file of the original layout (CompVis' ldm, Stability's sgm): a path, or the address of a
   * file on the hub, `https://huggingface.co/OWNER/NAME/blob/REVISION/FILE`; in a page also a `File` that the user chose. Its header shows the family and the configs of the networks.
   * `config`, a folder or hub id in diffusers' layout, gives the configs instead; networks of unusual proportions need it. Everything else
   * is as with `fromPretrained`, which also takes such files. A single file has no safety checker.
   * @throws ArgumentError, CheckpointError, ConfigError, DeviceError, HubError
   */
  static async fromSingleFile<Class extends typeof DiffusionPipeline | PipelineClass<DiffusionPipeline, never>>(
    this: Class,
    path: string | File,
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

  /** The engine that its loaded networks share; undefined if all parts were given. @internal */
  get engine(): Engine | undefined {
    return this.source?.engine;
  }

  private get partNames(): readonly string[] {
    // A program's own class may not list its parts.
    const { parts = {} } = this.constructor as unknown as Partial<PipelineClass<DiffusionPipeline, never>>;
    return Object.keys(parts);
  }

  private part(name: string): unknown {
    return (this as unknown as Readonly<Record<string, unknown>>)[name];
  }

  /** The network that denoises. */
  protected abstract get denoiser(): DenoisingNetwork;

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
