import { existsSync } from "node:fs";
import { ArgumentError, OutputError } from "../errors.js";
import { animate } from "../generate/animate.js";
import { nameOf } from "../generate/name-of.js";
import { seedsOf } from "../generate/seeds.js";
import { animationFormatOfName, saveAnimation } from "../image/animation.js";
import { resolveScheduler } from "../schedulers/registry.js";
import type { AnimateOptions } from "./animate.js";
import { DownloadNotes } from "./download-notes.js";
import { formatSeconds } from "./format-seconds.js";
import { probe, slugOf } from "./outputs.js";
import { openProgress } from "./progress.js";

/** Makes the video and saves it. Returns the file's path. @throws the signal's reason between two steps */
export async function makeAnimation(prompt: string, options: AnimateOptions, signal: AbortSignal): Promise<string> {
  const { model, motion, device, quantize, lowMemory, variant, cacheDir, offline, scheduler, quiet = false, force = false } = options;
  if (scheduler !== undefined) resolveScheduler(scheduler);
  const [seed = 0n] = seedsOf({ seed: options.seed });
  const path = outputOf(prompt, seed, options);
  const progress = await openProgress({ images: 1, quiet });
  let begun = performance.now();
  try {
    const frames = await animate({
      ...{ prompt, seed, model, motionAdapter: motion, loras: options.lora, numFrames: options.frames, negativePrompt: options.negative },
      ...{ numInferenceSteps: options.steps, guidanceScale: options.guidance, width: options.size?.width, height: options.size?.height },
      ...{ scheduler, variant, device, quantize, lowMemory, cacheDir, localFilesOnly: offline, signal },
      onDownload: new DownloadNotes(progress).show,
      onLoad(loaded) {
        progress.note(`${nameOf(model)} with ${nameOf(motion)} on ${loaded.device}: ${loaded.scheduler}`);
        begun = performance.now();
      },
      onStep: (done, total) => progress.step(0, done, total),
    });
    progress.stop();
    await saveAnimation(frames, path, { fps: options.fps, quality: options.quality, overwrite: force });
    const { width = 0, height = 0 } = frames[0] ?? {};
    progress.note(`seed ${seed}, ${frames.length} frames of ${width}x${height}, ${formatSeconds((performance.now() - begun) / 1000)}`);
    return path;
  } finally {
    progress.stop();
  }
}

/** The name of the file. @throws ArgumentError for another ending; OutputError for a file that exists or cannot be written */
function outputOf(prompt: string, seed: bigint, { out, force, quality }: AnimateOptions): string {
  const path = out ?? `${slugOf(prompt)}-${seed}.webp`;
  const format = animationFormatOfName(path);
  if (!format) throw new ArgumentError(`--out is ${JSON.stringify(path)}; expected a file name ending in .webp, .gif, .png or .apng`);
  if (quality !== undefined && format !== "webp") throw new ArgumentError("--quality is for WebP; give --out a name that ends in .webp");
  if (!force && existsSync(path)) {
    throw new OutputError(`${path} exists and was not overwritten`, { hint: "choose another --out, or overwrite it with --force" });
  }
  probe(path);
  return path;
}
