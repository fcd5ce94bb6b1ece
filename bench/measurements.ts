import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { embeddedCheckpointPath } from "../src/hub/embedded.js";
import { CLIP_TOKENS, VAE_FACTOR } from "./checkpoints/families.js";
import type { Job, Task } from "./job.js";
import { ROOT } from "./paths.js";
import type { Outcome } from "./run-job.js";

/** Something that is measured for every contender: a job, and the times in its outcome. */
export interface Measurement {
  readonly name: string;
  readonly title: string;
  /** Whether it uses the checkpoint in the package. */
  readonly isEmbedded: boolean;
  readonly job: Omit<Job, "options">;
  /** The rows of the table. Each has a title, and a function that gets the seconds from an outcome. */
  readonly rows: Readonly<Record<string, (outcome: Outcome) => readonly number[]>>;
}

/** What a run is made of. */
export interface MeasurementOptions {
  /** Folder of the benchmark's checkpoint. */
  readonly checkpoint: string;
  /** Pixels along each side of its pictures. */
  readonly size: number;
  readonly repeats: number;
  readonly steps: number;
}

/** The checkpoint in the package; its prompts are shorter than those of Stable Diffusion. */
const EMBEDDED = { checkpoint: embeddedCheckpointPath(), size: 128, tokens: 32 };

/** A job on a checkpoint, for one picture unless `changes` has another number. */
export function jobOn(task: Task, checkpoint: string, size: number, changes: Partial<Job> = {}): Omit<Job, "options"> {
  return {
    task,
    checkpoint,
    prepared: join(ROOT, "bench/.checkpoints/prepared", basename(checkpoint)),
    size,
    latents: size / VAE_FACTOR,
    tokens: CLIP_TOKENS,
    batch: 1,
    repeats: 1,
    steps: 1,
    out: join(tmpdir(), `darkroom-bench-${process.pid}.png`),
    ...changes,
  };
}

/** Everything that can be measured on a checkpoint, and on the embedded one, in the order of the table. */
export function measurements({ checkpoint, size, repeats, steps }: MeasurementOptions): Measurement[] {
  const onBenchmark = (task: Task) => jobOn(task, checkpoint, size, { repeats, steps });
  // A call takes milliseconds: many calls cost little, and few calls give an inexact time.
  const onEmbedded = (task: Task) => jobOn(task, EMBEDDED.checkpoint, EMBEDDED.size, { ...EMBEDDED, repeats: 100 * repeats, steps: 20 });
  const benchmark = measuring("", false, onBenchmark);
  const embedded = measuring("embedded checkpoint: ", true, onEmbedded);
  const { latents } = onBenchmark("unet");
  return [
    benchmark.calls("unet", "unet", `UNet step, guided (batch 2, ${latents}x${latents} latents)`),
    benchmark.calls("vae-decode", "vae-decode", `VAE decode, ${size}x${size}`),
    benchmark.calls("vae-encode", "vae-encode", `VAE encode, ${size}x${size}`),
    benchmark.calls("text", "text", "text encoder, two prompts"),
    benchmark.start("start"),
    benchmark.picture("end-to-end", `whole picture of ${size}x${size}, ${steps} steps, cold process`),
    embedded.calls("small-unet", "unet", "UNet step, guided (batch 2, 16x16 latents)"),
    embedded.start("small-start"),
    embedded.picture("small-end-to-end", "whole picture of 128x128, 20 steps, cold process"),
  ];
}

/** Everything that can be measured on a checkpoint of Z-Image; `tokens` are those of a text. */
export function zImageMeasurements(options: MeasurementOptions & { readonly tokens: number }): Measurement[] {
  const { checkpoint, size, repeats, steps, tokens } = options;
  const onBenchmark = (task: Task) => jobOn(task, checkpoint, size, { repeats, steps, tokens });
  const benchmark = measuring("", false, onBenchmark);
  return [
    benchmark.calls("transformer", "transformer", `transformer pass, ${size}x${size}, ${tokens} tokens of text`),
    benchmark.calls("vae-decode", "vae-decode", `VAE decode, ${size}x${size}`),
    benchmark.start("start"),
    benchmark.picture("end-to-end", `whole picture of ${size}x${size}, ${steps} steps, cold process`),
  ];
}

/** The kinds of measurement, on one checkpoint. */
function measuring(prefix: string, isEmbedded: boolean, job: (task: Task) => Omit<Job, "options">) {
  const mark =
    (name: string) =>
    ({ marks }: Outcome) =>
      marks[name] === undefined ? [] : [marks[name]];
  const make = (name: string, task: Task, title: string, rows: Measurement["rows"]): Measurement => ({
    name,
    title: `${prefix}${title}`,
    isEmbedded,
    job: job(task),
    rows: Object.fromEntries(Object.entries(rows).map(([row, seconds]) => [`${prefix}${row}`, seconds])),
  });
  return {
    calls: (name: string, task: Task, title: string) => make(name, task, title, { [title]: ({ calls }) => calls }),
    picture: (name: string, title: string) => make(name, "picture", title, { [title]: ({ lifetime }) => [lifetime] }),
    start: (name: string) =>
      make(name, "start", "cold start to the first step", {
        "cold start: imports": mark("imports"),
        "cold start: checkpoint opened": mark("opened"),
        "cold start: ready for the first step": mark("ready"),
        "cold start: first step done": mark("first-step"),
      }),
  };
}
