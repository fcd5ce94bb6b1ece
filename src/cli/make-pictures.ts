import { nameOf } from "../generate/name-of.js";
import { openWorkflow } from "../generate/open-workflow.js";
import { type GenerateRequest, openingOf, runOf } from "../generate/request.js";
import type { GeneratedPicture } from "../generate/run.js";
import { type RunSettings, settingsText } from "../generate/run-settings.js";
import { seedsOf } from "../generate/seeds.js";
import { embeddedCheckpointPath } from "../hub/embedded.js";
import { gridShape, makeImageGrid } from "../image/grid.js";
import { parseLoraTags } from "../prompt/lora-tags.js";
import { libraryOf } from "./adapter-options.js";
import { DownloadNotes } from "./download-notes.js";
import { formatSeconds } from "./format-seconds.js";
import { type GenerateOptions, readPictures } from "./generate-options.js";
import { planOutputs, savePicture } from "./outputs.js";
import type { Progress } from "./progress.js";

/** Callbacks for progress, and the signal that stops the work. */
export interface MakeOptions {
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** Called with each file's path as soon as the file is complete. */
  readonly onSaved: (path: string) => void;
}

/** The pictures that were made and saved. */
export interface MadePictures {
  readonly settings: RunSettings;
  readonly paths: readonly string[];
  readonly grid: string | null;
  readonly width: number;
  readonly height: number;
  /** Wall clock: loading the checkpoint; then steps, decoding and saving of all pictures. */
  readonly seconds: { readonly load: number; readonly generate: number };
}

/** Makes and saves the pictures one after another: each is on disk before the next begins. @throws the signal's reason between two steps */
export async function makePictures(
  request: GenerateRequest,
  options: GenerateOptions,
  { signal, progress, onSaved }: MakeOptions,
): Promise<MadePictures> {
  const { force = false, quality } = options;
  const read = await readPictures(request, options);
  const prompt = request.prompt === undefined ? nameOf(request.model ?? embeddedCheckpointPath()) : withoutTags(request.prompt);
  const plan = planOutputs({ ...outputsOf(options), prompt, seeds: seedsOf(request) });
  const run = runOf(read);
  let begun = performance.now();
  const downloads = new DownloadNotes(progress);
  const workflow = await openWorkflow(openingOf(read), {
    signal,
    firstRun: run,
    library: libraryOf(options),
    cacheDir: options.cacheDir,
    localFilesOnly: options.offline,
    onDownload: downloads.show,
    onLoad() {
      begun = performance.now();
    },
  }).catch((error: unknown) => {
    if (signal.aborted) downloads.noteInterruption();
    throw error;
  });

  try {
    let settings: RunSettings | undefined;
    let loaded = performance.now();
    let start = loaded;
    const pictures: GeneratedPicture[] = [];
    const paths: string[] = [];
    for await (const event of workflow.run(run, { signal })) {
      if (event.kind === "start") {
        ({ settings } = event);
        loaded = performance.now();
        progress.note(describeWork(settings, request));
        start = performance.now();
      } else if (event.kind === "step") {
        progress.step(event.index, event.done, event.total);
      } else {
        const { picture } = event;
        const { image, seed, text, index } = picture;
        progress.stop();
        const path = await savePicture(image, plan.images[index] ?? "", { text, quality }, force);
        progress.note(`seed ${seed}, ${image.width}x${image.height}, ${formatSeconds((performance.now() - start) / 1000)}`);
        onSaved(path);
        pictures.push(picture);
        paths.push(path);
        start = performance.now();
      }
    }
    if (!settings) throw new Error("a run begins with its settings");
    const { width = 0, height = 0 } = pictures[0]?.image ?? {};
    const grid = plan.grid === undefined ? null : await saveGrid(pictures, plan.grid, settings, options);
    if (grid !== null) onSaved(grid);
    return {
      settings,
      paths,
      grid,
      width,
      height,
      seconds: { load: seconds(begun, loaded), generate: seconds(loaded, performance.now()) },
    };
  } finally {
    await workflow.dispose();
  }
}

async function saveGrid(
  pictures: readonly GeneratedPicture[],
  path: string,
  settings: RunSettings,
  { quality, force = false }: GenerateOptions,
): Promise<string> {
  const images = pictures.map(({ image }) => image);
  const { rows, cols } = gridShape(images.length);
  const { width = 0, height = 0 } = images[0] ?? {};
  const text = settingsText(settings, { width, height, seed: settings.seeds[0] ?? 0n, count: images.length });
  return savePicture(makeImageGrid(images, rows, cols), path, { text, quality }, force);
}

function outputsOf({ out, grid = false, force = false, jpeg, webp, quality }: GenerateOptions) {
  return { out, grid, force, quality, format: jpeg ? ("jpeg" as const) : webp ? ("webp" as const) : undefined };
}

function describeWork(settings: RunSettings, { precision, cache, numImagesPerPrompt: count = 1 }: GenerateRequest): string {
  const { numInferenceSteps: steps, guidanceScale, strength, refiner, denoisingEnd, loras } = settings;
  const parts = [
    steps === 1 ? "1 step" : `${steps} steps`,
    ...(guidanceScale === undefined ? [] : [`guidance ${guidanceScale}`]),
    ...(strength === undefined ? [] : [`strength ${strength}`]),
    ...(refiner === undefined ? [] : [`${refiner} from ${denoisingEnd}`]),
    ...loras.map(({ name, weight }) => `LoRA ${name} ${weight}`),
    ...(precision === "fast" ? [settings.precision === "fast" ? "fast" : "exact, since the device has no half precision"] : []),
    ...(cache === undefined ? [] : [`cache ${cache.interval ?? cache.threshold}`]),
    ...(count > 1 ? [`${count} pictures`] : []),
  ];
  return `${settings.model} on ${settings.device}: ${settings.scheduler}, ${parts.join(", ")}`;
}

function withoutTags(prompt: string): string {
  return parseLoraTags(prompt).prompt;
}

function seconds(from: number, to: number): number {
  return Math.round(to - from) / 1000;
}
