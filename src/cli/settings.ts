import { basename, resolve } from "node:path";
import { formatParameters, PARAMETERS_KEYWORD, samplerSettings } from "../image/parameters.js";
import type { Job } from "./job.js";
import { packageVersion } from "./package.js";
import type { OpenPipeline } from "./painter.js";
import type { Size } from "./values.js";

/** What is to be written down of one file. */
export interface SettingsOf {
  readonly job: Job;
  /** The request's own words for its pictures. */
  readonly inputs: Readonly<Record<string, string>>;
  readonly pipeline: OpenPipeline;
  readonly size: Size;
  readonly seed: bigint;
  /** Pictures in the file; 1 unless it is a grid. */
  readonly count?: number;
}

/** The text chunks of a file: enough to make the picture again, under AUTOMATIC1111's names where it has them. */
export function settingsText({ job, inputs, pipeline, size, seed, count = 1 }: SettingsOf): Record<string, string> {
  const { prompt = "", negativePrompt = "", guidance, guidanceRescale, clipSkip, vae, refiner } = job;
  const { scheduler } = pipeline;
  const settings = {
    Steps: String(job.steps),
    ...samplerSettings(scheduler.className, scheduler.config),
    ...(guidance !== undefined && { "CFG scale": String(guidance) }),
    ...(guidanceRescale && { "Guidance rescale": String(guidanceRescale) }),
    Seed: String(seed),
    Size: `${size.width}x${size.height}`,
    Model: nameOf(job.model),
    ...(vae !== undefined && { VAE: nameOf(vae) }),
    ...startSettings(job),
    ...inputs,
    // AUTOMATIC1111 counts from the last layer, diffusers the layers left out.
    ...(clipSkip !== undefined && { "Clip skip": String(clipSkip + 1) }),
    ...(refiner && { Refiner: nameOf(refiner.folder), "Refiner switch at": String(refiner.from) }),
    ...(count > 1 && { "Batch size": String(count) }),
    RNG: "CPU",
    Scheduler: scheduler.className,
    Version: `darkroom ${packageVersion()}`,
  };
  return { [PARAMETERS_KEYWORD]: formatParameters({ prompt, negativePrompt, settings }) };
}

/** A folder's last name, as people know a checkpoint. */
export function nameOf(folder: string): string {
  return basename(resolve(folder));
}

function startSettings({ start, strength }: Job): Record<string, string> {
  const denoising: Record<string, string> = strength === undefined ? {} : { "Denoising strength": String(strength) };
  if (start.kind === "mask" && start.padding !== undefined) {
    return { ...denoising, "Inpaint area": "Only masked", "Masked area padding": String(start.padding) };
  }
  if (start.kind === "control") {
    // As AUTOMATIC1111's ControlNet extension writes them, a field for each network.
    const fields = start.controls.map(({ folder, scale }, i) => [`ControlNet ${i}`, `Model: ${nameOf(folder)}, Weight: ${scale}`]);
    return Object.fromEntries(fields);
  }
  return denoising;
}
