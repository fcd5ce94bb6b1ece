import { loadImage, loadMask } from "../image/load-image.js";
import type { Checkpoints } from "./checkpoints.js";
import { strengthOf } from "./families.js";
import type { GenerateRequest } from "./generate-request.js";
import { type AdaptersInUse, loadAdapters } from "./load-adapters.js";
import type { Painter } from "./painter.js";
import type { ReadStart, Start } from "./start.js";
import { openVae } from "./ways.js";

/** A request whose pictures are read and whose open questions are settled, as diffusers' pipeline for it has them. */
export interface Job<Beginning extends ReadStart = ReadStart> extends Omit<GenerateRequest, "start" | "steps" | "guidance"> {
  readonly start: Beginning;
  /** The same by the names the user gave. */
  readonly asked: Start<string>;
  readonly checkpoints: Checkpoints;
  readonly steps: number;
  /** Undefined for a checkpoint without prompts. */
  readonly guidance: number | undefined;
  /** Undefined where no picture is started from. */
  readonly strength: number | undefined;
}

/** What makes a job's pictures, with everything loaded. */
export interface OpenJob extends Painter, AsyncDisposable {
  readonly adapters: AdaptersInUse;
}

/** A request with its open questions settled. */
export function settle(request: GenerateRequest, start: ReadStart, checkpoints: Checkpoints): Job {
  const { steps, guidance } = checkpoints.way.defaults;
  return {
    ...request,
    start,
    asked: request.start,
    checkpoints,
    steps: request.steps ?? steps,
    guidance: request.guidance ?? guidance,
    strength: strengthOf(request, checkpoints.way),
  };
}

/** Loads what a job needs. Dispose of it when all pictures are made. @throws CheckpointError, ConfigError, DeviceError, ArgumentError */
export async function openJob(job: Job): Promise<OpenJob> {
  const kept: AsyncDisposable[] = [];
  const keep = <Part extends AsyncDisposable>(part: Part): Part => {
    kept.unshift(part);
    return part;
  };
  const dispose = async () => {
    for (const part of kept) await part[Symbol.asyncDispose]();
  };
  try {
    const { device, precision, lowMemory, variant, checkpoints } = job;
    const options = { device, precision, lowMemory, variant };
    const { way, vae: folder, adapters } = checkpoints;
    const vae = folder && keep(await openVae(folder, options));
    const painter = await way.open(job, { ...options, vae }, keep);
    const prompts = `${job.prompt}\n${job.negativePrompt ?? ""}`;
    const loaded = painter.adaptable ? await loadAdapters(painter.adaptable, adapters, prompts) : { loras: [], embeddings: [] };
    return { ...painter, adapters: loaded, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** Reads the pictures to start from. @throws ArgumentError for one that cannot be read. */
export async function readStart(start: Start<string>): Promise<ReadStart> {
  switch (start.kind) {
    case "noise":
      return start;
    case "image":
      return { ...start, image: await loadImage(start.image) };
    case "mask":
      return { ...start, image: await loadImage(start.image), mask: await loadMask(start.mask) };
    case "control":
      return {
        ...start,
        controls: await Promise.all(start.controls.map(async (control) => ({ ...control, image: await loadImage(control.image) }))),
      };
  }
}
