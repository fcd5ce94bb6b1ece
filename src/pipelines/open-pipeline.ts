import { createEngine } from "#platform";
import { type ModelIndex, readModelIndex } from "../checkpoint/model-index.js";
import { SOURCE_FIELDS, type SourceOptions } from "../checkpoint/source.js";
import { ArgumentError } from "../errors.js";
import { PREDICTION_TYPES, type PredictionType } from "../families/prediction-types.js";
import { isPlain } from "../given.js";
import type { FoundSource } from "../hub/find-source.js";
import { openCheckpoint } from "../hub/open-checkpoint.js";
import { snakeCase } from "../letter-case.js";
import { checkOptions } from "../options/check-options.js";
import { type Fields, field, oneOf, optional } from "../options/fields.js";
import type { Folder } from "../platform/folder.js";
import { CONCURRENCY, isConcurrency } from "../runtime/call-queue.js";
import { DEVICE_FIELDS, type DeviceOptions } from "../runtime/device.js";
import { expectSettings, resolveScheduler, schedulerField } from "../schedulers/registry.js";
import type { Scheduler, SchedulerClass } from "../schedulers/shared/scheduler.js";
import { TIMESTEP_SPACINGS, type TimestepSpacing } from "../schedulers/shared/timestep-spacing.js";
import type { DiffusionPipeline } from "./diffusion-pipeline.js";
import { ANY_PARTS, namedClass, type PipelineClass } from "./pipeline-classes.js";
import { ComponentSource } from "./shared/components.js";
import { belongsElsewhere } from "./shared/misplaced-options.js";
import { PAG_FIELDS } from "./shared/pag-options.js";

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

/** A pipeline whose class depends on the checkpoint. */
interface ChosenPipeline {
  /** Its name in messages. */
  readonly className: string;
  /** The function that loads the pipeline's class. */
  readonly load: (index: ModelIndex) => () => Promise<PipelineClass<DiffusionPipeline, object>>;
}

/** Opens a checkpoint with a pipeline of this class; with `DiffusionPipeline` itself, of the class that the checkpoint names. */
export async function openPipeline(
  opened: typeof DiffusionPipeline | PipelineClass<DiffusionPipeline, object> | ChosenPipeline,
  method: "fromPretrained" | "fromSingleFile",
  path: string | Folder | File | FoundSource,
  options: object = {},
): Promise<DiffusionPipeline> {
  const known = "open" in opened ? opened : undefined;
  const chosen = "load" in opened ? opened : undefined;
  const { concurrency, ...all } = checkOpening(known, chosen?.className, method, options);
  const { device, deviceId, lowMemory, precision, quantize, onLoadProgress, ...others } = all;
  const { variant, config, revision, token, endpoint, cacheDir, localFilesOnly, onProgress, signal, ...more } = others;
  const { predictionType, timestepSpacing, ...given } = more;
  const from = { variant, config, revision, token, endpoint, cacheDir, localFilesOnly, onProgress, signal };
  const { scheduler: named, ...parts } = given as { readonly scheduler?: Scheduler | string };
  const settings = schedulerSettings({ predictionType, timestepSpacing }, named);
  // Checked before anything is downloaded. The scheduler itself is made later, from the checkpoint's config.
  if (typeof named === "string") resolveScheduler(named);
  const brought = { ...parts, ...(typeof named !== "string" && named !== undefined && { scheduler: named }) };
  // Refuses an unknown class before weights are downloaded or a thread is started.
  const loader = (index: ModelIndex, folder: Folder) => (known ? async () => known : (chosen?.load(index) ?? namedClass(folder, index)));
  const folder = await openCheckpoint(path, {
    ...from,
    predictionType,
    wanted: { kind: "pipeline", without: Object.keys(brought).map(snakeCase), accept: loader },
  });
  const index = await readModelIndex(folder);
  const pipeline = await loader(index, folder)();
  // The class is known now, so the given parts are checked against its own.
  if (!known) checkOpening(pipeline, chosen?.className, method, given);
  const engine = await createEngine({ device, deviceId, lowMemory, precision, quantize, onLoadProgress });
  const source = new ComponentSource(pipeline.className, { folder, index, engine, variant });
  try {
    const made = await pipeline.open(source, index, brought);
    if (typeof named === "string") made.scheduler = named;
    if (settings) {
      expectSettings(made.scheduler.constructor as unknown as SchedulerClass, settings);
      made.scheduler = made.scheduler.clone(settings);
    }
    if (concurrency !== undefined) made.queue.concurrency = concurrency;
    await engine.settle?.();
    return made;
  } catch (error) {
    await source.dispose();
    throw error;
  }
}

/**
 * The checked options of `fromPretrained`: those of all pipelines, and the parts of `pipeline`, or of any pipeline if it is not known yet.
 */
function checkOpening(
  pipeline: PipelineClass<DiffusionPipeline, object> | undefined,
  chooser: string | undefined,
  method: string,
  options: object,
): PipelineOptions {
  const className = pipeline?.className ?? chooser ?? "DiffusionPipeline";
  const parts: object = pipeline ? { ...optional(pipeline.parts), ...pipeline.options } : { ...ANY_PARTS, ...PAG_FIELDS };
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
