import { gridShape, makeImageGrid } from "../image/grid.js";
import type { Picture } from "../image/picture.js";
import type { SchedulerOptions } from "../pipelines/diffusion-pipeline.js";
import type { Precision } from "../runtime/engine.js";
import { expectSettings, type ResolvedScheduler, resolveScheduler } from "../schedulers/registry.js";
import type { Scheduler, SchedulerClass } from "../schedulers/shared/scheduler.js";
import { openCheckpoints } from "./checkpoints.js";
import { formatSeconds } from "./format-seconds.js";
import type { GenerateRequest } from "./generate-request.js";
import { unlessAborted } from "./interrupts.js";
import { type Job, openJob, readStart, settle } from "./job.js";
import type { AdaptersInUse } from "./load-adapters.js";
import { planOutputs, savePicture } from "./outputs.js";
import type { Painter, PaintOptions } from "./painter.js";
import type { Progress } from "./progress.js";
import { nameOf, type SettingsOf, settingsText } from "./settings.js";
import type { Size } from "./values.js";

/** Callbacks for progress, and the signal that stops the work. */
export interface MakeOptions {
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** Called with each file's path as soon as it is whole. */
  readonly onSaved: (path: string) => void;
}

/** What was made. */
export interface MadePictures {
  readonly job: Job;
  readonly adapters: AdaptersInUse;
  readonly paths: readonly string[];
  readonly grid: string | null;
  readonly size: Size;
  readonly scheduler: string;
  readonly device: string;
  readonly precision: Precision;
  /** Wall clock: reading the checkpoint; then steps, decoding and saving of all pictures. */
  readonly seconds: { readonly load: number; readonly generate: number };
}

/**
 * Makes and saves the pictures one after another: each as if it were asked for alone, and safe on disk when the next begins.
 * @throws the signal's reason once it aborts, between two steps.
 */
export async function makePictures(request: GenerateRequest, { signal, progress, onSaved }: MakeOptions): Promise<MadePictures> {
  const scheduler = request.scheduler === undefined ? undefined : resolveScheduler(request.scheduler);
  const start = await unlessAborted(readStart(request.start), signal);
  const plan = planOutputs({ ...request, prompt: request.prompt ?? nameOf(request.model) });
  const checkpoints = await openCheckpoints(request, { signal, progress });
  const job = settle(request, start, checkpoints);
  const begun = performance.now();
  const painter = await unlessAborted(openJob(job), signal);
  const { adapters } = painter;
  try {
    const [pipeline] = painter.pipelines;
    for (const pipe of painter.pipelines) {
      // Not the refiner: another network may have another prediction type.
      const predictionType = pipe === pipeline ? job.prediction : undefined;
      pipe.scheduler = chosenScheduler(pipe.scheduler, scheduler, { predictionType, timestepSpacing: job.spacing });
    }
    const loaded = performance.now();
    progress.note(describeWork(job, painter));

    const pictures: Picture[] = [];
    const paths: string[] = [];
    for (const [i, seed] of job.seeds.entries()) {
      const start = performance.now();
      const picture = await paint(painter, { seed, signal, onStep: (done, total) => progress.step(i, done, total) });
      progress.stop();
      const text = settingsText({ job, adapters, pipeline, size: picture, seed });
      const path = await savePicture(picture, plan.images[i] ?? "", { text, quality: job.quality }, job.force);
      progress.note(`seed ${seed}, ${picture.width}x${picture.height}, ${formatSeconds((performance.now() - start) / 1000)}`);
      onSaved(path);
      pictures.push(picture);
      paths.push(path);
    }
    const size = { width: pictures[0]?.width ?? 0, height: pictures[0]?.height ?? 0 };
    const grid =
      plan.grid === undefined ? null : await saveGrid(pictures, plan.grid, { job, adapters, pipeline, size, seed: job.seeds[0] ?? 0n });
    if (grid !== null) onSaved(grid);
    return {
      job,
      adapters,
      paths,
      grid,
      size,
      scheduler: pipeline.scheduler.className,
      device: pipeline.device,
      precision: pipeline.precision,
      seconds: { load: seconds(begun, loaded), generate: seconds(loaded, performance.now()) },
    };
  } finally {
    await painter[Symbol.asyncDispose]();
  }
}

/** The scheduler and the settings that were asked for; by default the checkpoint's. */
function chosenScheduler(own: Scheduler, asked: ResolvedScheduler | undefined, settings: SchedulerOptions): Scheduler {
  const overrides = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
  expectSettings(asked?.class ?? (own.constructor as unknown as SchedulerClass), overrides);
  if (asked) return asked.class.fromConfig(own.config, { ...asked.overrides, ...overrides });
  return Object.keys(overrides).length === 0 ? own : own.clone(overrides);
}

async function paint(painter: Painter, options: PaintOptions): Promise<Picture> {
  try {
    return await painter.paint(options);
  } catch (error) {
    options.signal.throwIfAborted();
    throw error;
  }
}

async function saveGrid(pictures: readonly Picture[], path: string, settings: SettingsOf): Promise<string> {
  const { rows, cols } = gridShape(pictures.length);
  const text = settingsText({ ...settings, count: pictures.length });
  const { quality, force } = settings.job;
  return savePicture(makeImageGrid(pictures, rows, cols), path, { text, quality }, force);
}

function describeWork(
  { model, steps, guidance, strength, refiner, loras, seeds, precision, cache }: Job,
  { pipelines: [first] }: Painter,
): string {
  const parts = [
    steps === 1 ? "1 step" : `${steps} steps`,
    ...(guidance === undefined ? [] : [`guidance ${guidance}`]),
    ...(strength === undefined ? [] : [`strength ${strength}`]),
    ...(refiner === undefined ? [] : [`${nameOf(refiner.folder)} from ${refiner.from}`]),
    ...loras.map(({ name, weight }) => `LoRA ${name} ${weight}`),
    ...(precision === "fast" ? [first.precision === "fast" ? "fast" : "exact, for the device has no half precision"] : []),
    ...(cache === undefined ? [] : [`cache ${cache}`]),
    ...(seeds.length > 1 ? [`${seeds.length} pictures`] : []),
  ];
  return `${nameOf(model)} on ${first.device}: ${first.scheduler.className}, ${parts.join(", ")}`;
}

function seconds(from: number, to: number): number {
  return Math.round(to - from) / 1000;
}
