import { basename, resolve } from "node:path";
import { withoutEnding } from "../checkpoint/pickles.js";
import { formatParameters, PARAMETERS_KEYWORD, samplerSettings } from "../image/parameters.js";
import type { Job } from "./job.js";
import type { AdaptersInUse } from "./load-adapters.js";
import { packageVersion } from "./package.js";
import type { OpenPipeline } from "./painter.js";
import type { Size } from "./values.js";

/** What is to be written down of one file. */
export interface SettingsOf {
  readonly job: Job;
  readonly adapters: AdaptersInUse;
  readonly pipeline: OpenPipeline;
  readonly size: Size;
  readonly seed: bigint;
  /** Pictures in the file; 1 unless it is a grid. */
  readonly count?: number;
}

/** The text chunks of a file: enough to make the picture again, under AUTOMATIC1111's names where it has them. */
export function settingsText({ job, adapters, pipeline, size, seed, count = 1 }: SettingsOf): Record<string, string> {
  const { taggedPrompt: prompt = "", negativePrompt = "", guidance, guidanceRescale, clipSkip, vae, refiner, cache = 1 } = job;
  const { scheduler } = pipeline;
  const settings = {
    Steps: String(job.steps),
    ...samplerSettings(scheduler.className, scheduler.config),
    ...(guidance !== undefined && { "CFG scale": String(guidance) }),
    ...(guidanceRescale && { "Guidance rescale": String(guidanceRescale) }),
    Seed: String(seed),
    ...sizeSetting(job, size),
    Model: nameOf(job.model),
    ...(vae !== undefined && { VAE: nameOf(vae) }),
    ...startSettings(job),
    // AUTOMATIC1111 counts from the last layer, diffusers the layers left out.
    ...(clipSkip !== undefined && { "Clip skip": String(clipSkip + 1) }),
    ...(refiner && { Refiner: nameOf(refiner.folder), "Refiner switch at": String(refiner.from) }),
    ...(count > 1 && { "Batch size": String(count) }),
    RNG: "CPU",
    ...(pipeline.precision === "fast" && { Precision: "fast" }),
    ...(cache > 1 && { "DeepCache interval": String(cache) }),
    ...adapterSettings(adapters),
    ...emphasisSetting(job),
    Scheduler: scheduler.className,
    ...(job.prediction && { "Prediction type": job.prediction }),
    ...(job.spacing && { "Timestep spacing": job.spacing }),
    Version: `darkroom ${packageVersion()}`,
  };
  return { [PARAMETERS_KEYWORD]: formatParameters({ prompt, negativePrompt, settings }) };
}

/** The last name of a folder or file, as people know a checkpoint. */
export function nameOf(path: string): string {
  return withoutEnding(basename(resolve(path)));
}

/** The size worked at. Around a mask the result is as large as the picture, whatever that was. */
function sizeSetting({ asked, size }: Job, result: Size): Record<string, string> {
  const worked = asked.kind === "mask" && asked.padding !== undefined ? size : result;
  return worked ? { Size: `${worked.width}x${worked.height}` } : {};
}

/** Hashes by which AUTOMATIC1111's web UI, and sites that read its pictures, know LoRAs and embeddings. */
function adapterSettings({ loras, embeddings }: AdaptersInUse): Record<string, string> {
  const list = (entries: readonly (readonly [name: string, hash: string])[]) =>
    // Its own readers split at commas and colons.
    [...new Set(entries.map(([name, hash]) => `${name.replace(/[:,]/g, "")}: ${hash}`))].join(", ");
  return {
    ...(loras.length > 0 && { "Lora hashes": list(loras.map(({ name, hash }) => [name, hash])) }),
    ...(embeddings.length > 0 && { "TI hashes": list(embeddings.map(({ tokens: [token = ""], hash }) => [token, hash])) }),
  };
}

/** AUTOMATIC1111's web UI reads brackets as emphasis by default. */
function emphasisSetting({ weighted, prompt = "", negativePrompt = "" }: Job): Record<string, string> {
  return !weighted && /[([]/.test(prompt + negativePrompt) ? { Emphasis: "None" } : {};
}

function startSettings({ asked, strength }: Job): Record<string, string> {
  switch (asked.kind) {
    case "noise":
      return {};
    case "image":
      return { "Denoising strength": String(strength), "Init image": fileOf(asked.image) };
    case "mask":
      return {
        "Denoising strength": String(strength),
        "Init image": fileOf(asked.image),
        Mask: fileOf(asked.mask),
        ...(asked.padding !== undefined && { "Inpaint area": "Only masked", "Masked area padding": String(asked.padding) }),
      };
    case "control":
      // As AUTOMATIC1111's ControlNet extension writes them, a field for each network.
      return Object.fromEntries(
        asked.controls.map(({ folder, image, scale }, i) => [
          `ControlNet ${i}`,
          `Model: ${nameOf(folder)}, Weight: ${scale}, Image: ${fileOf(image)}`,
        ]),
      );
  }
}

/** The last name of a path or web address; an address that holds the picture itself is only called so. */
function fileOf(image: string): string {
  return /^data:/i.test(image) ? "data" : basename(/^https?:/i.test(image) ? new URL(image).pathname : image);
}
