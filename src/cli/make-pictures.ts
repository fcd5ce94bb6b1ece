import { basename, resolve } from "node:path";
import { ArgumentError } from "../errors.js";
import { gridShape, makeImageGrid } from "../image/grid.js";
import { formatParameters, PARAMETERS_KEYWORD, samplerSettings } from "../image/parameters.js";
import type { Picture } from "../image/picture.js";
import { DiffusionPipeline } from "../pipelines/diffusion-pipeline.js";
import { resolveScheduler } from "../schedulers/registry.js";
import type { GenerateRequest } from "./generate-request.js";
import { unlessAborted } from "./interrupts.js";
import { planOutputs, savePicture } from "./outputs.js";
import { packageVersion } from "./package.js";
import { formatSeconds, type Progress } from "./progress.js";
import type { Size } from "./values.js";

/** Who hears of the work, and who may stop it. */
export interface MakeOptions {
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** Called with each file's path as soon as it is whole. */
  readonly onSaved: (path: string) => void;
}

/** What was made. */
export interface MadePictures {
  readonly paths: readonly string[];
  readonly grid: string | null;
  readonly size: Size;
  readonly scheduler: string;
  readonly device: string;
  /** Wall clock: reading the checkpoint; then steps, decoding and saving of all pictures. */
  readonly seconds: { readonly load: number; readonly generate: number };
}

type Pipeline = Awaited<ReturnType<typeof DiffusionPipeline.fromPretrained>>;

/**
 * Makes and saves the pictures one after another: each as if it were asked for alone, and safe on disk when the next begins.
 * @throws the signal's reason once it aborts, between two steps.
 */
export async function makePictures(request: GenerateRequest, { signal, progress, onSaved }: MakeOptions): Promise<MadePictures> {
  const scheduler = request.scheduler === undefined ? undefined : resolveScheduler(request.scheduler);
  const plan = planOutputs(request);
  const begun = performance.now();
  const { model, device, variant } = request;
  const pipe = await unlessAborted(DiffusionPipeline.fromPretrained(model, { device, variant }), signal);
  try {
    if (scheduler) pipe.scheduler = scheduler.class.fromConfig(pipe.scheduler.config, scheduler.overrides);
    const loaded = performance.now();
    progress.note(describeWork(request, pipe));

    const pictures: Picture[] = [];
    const paths: string[] = [];
    for (const [i, seed] of request.seeds.entries()) {
      const start = performance.now();
      const picture = await denoise(pipe, request, { seed, signal, onStep: (done, total) => progress.step(i, done, total) });
      progress.stop();
      const path = await savePicture(picture, plan.images[i] ?? "", settingsOf(request, pipe, picture, seed), request.force);
      progress.note(`seed ${seed}, ${picture.width}x${picture.height}, ${formatSeconds((performance.now() - start) / 1000)}`);
      onSaved(path);
      pictures.push(picture);
      paths.push(path);
    }
    const grid = plan.grid === undefined ? null : await saveGrid(request, pipe, pictures, plan.grid);
    if (grid !== null) onSaved(grid);
    return {
      paths,
      grid,
      size: { width: pictures[0]?.width ?? 0, height: pictures[0]?.height ?? 0 },
      scheduler: pipe.scheduler.className,
      device: pipe.device,
      seconds: { load: seconds(begun, loaded), generate: seconds(loaded, performance.now()) },
    };
  } finally {
    await pipe.dispose();
  }
}

interface DenoiseOptions {
  readonly seed: bigint;
  readonly signal: AbortSignal;
  readonly onStep: (done: number, total: number) => void;
}

async function denoise(pipe: Pipeline, request: GenerateRequest, { seed, signal, onStep }: DenoiseOptions): Promise<Picture> {
  const run = pipe.steps({
    prompt: request.prompt,
    negativePrompt: request.negativePrompt,
    numInferenceSteps: request.steps,
    guidanceScale: request.guidance,
    guidanceRescale: request.guidanceRescale,
    clipSkip: request.clipSkip,
    ...request.size,
    seed,
    signal,
  });
  try {
    for await (const { index, total } of run) onStep(index + 1, total);
    const { images } = await run.result;
    return images[0] as Picture;
  } catch (error) {
    signal.throwIfAborted();
    throw inOptionsWords(error);
  }
}

/** The pipeline names its own arguments; a person at the terminal knows them as options. */
function inOptionsWords(error: unknown): unknown {
  if (!(error instanceof ArgumentError)) return error;
  const option = OPTION_OF[/^\w+(?= is )/.exec(error.message)?.[0] ?? ""];
  return option === undefined ? error : new ArgumentError(`${option}: ${error.message}`, { hint: error.hint, cause: error });
}

const OPTION_OF: Readonly<Record<string, string>> = {
  clipSkip: "--clip-skip",
  guidanceRescale: "--guidance-rescale",
  guidanceScale: "--guidance",
  height: "--size",
  numInferenceSteps: "--steps",
  width: "--size",
};

async function saveGrid(request: GenerateRequest, pipe: Pipeline, pictures: readonly Picture[], path: string): Promise<string> {
  const { rows, cols } = gridShape(pictures.length);
  const [first] = pictures;
  const text = settingsOf(request, pipe, first as Picture, request.seeds[0] ?? 0n, { "Batch size": String(pictures.length) });
  return savePicture(makeImageGrid(pictures, rows, cols), path, text, request.force);
}

/** What goes into the file: enough to make the picture again. */
function settingsOf(
  request: GenerateRequest,
  pipe: Pipeline,
  { width, height }: Picture,
  seed: bigint,
  more: Record<string, string> = {},
): Record<string, string> {
  const { prompt, negativePrompt, clipSkip, guidanceRescale } = request;
  const settings = {
    Steps: String(request.steps),
    ...samplerSettings(pipe.scheduler.className, pipe.scheduler.config),
    "CFG scale": String(request.guidance),
    ...(guidanceRescale > 0 && { "Guidance rescale": String(guidanceRescale) }),
    Seed: String(seed),
    Size: `${width}x${height}`,
    Model: basename(resolve(request.model)),
    // AUTOMATIC1111 counts from the last layer, diffusers the layers left out.
    ...(clipSkip !== undefined && { "Clip skip": String(clipSkip + 1) }),
    ...more,
    RNG: "CPU",
    Scheduler: pipe.scheduler.className,
    Version: `darkroom ${packageVersion()}`,
  };
  return { [PARAMETERS_KEYWORD]: formatParameters({ prompt, negativePrompt, settings }) };
}

function describeWork({ model, steps, guidance, seeds }: GenerateRequest, pipe: Pipeline): string {
  const count = seeds.length > 1 ? `, ${seeds.length} pictures` : "";
  return `${basename(resolve(model))} on ${pipe.device}: ${pipe.scheduler.className}, ${steps} steps, guidance ${guidance}${count}`;
}

function seconds(from: number, to: number): number {
  return Math.round(to - from) / 1000;
}
