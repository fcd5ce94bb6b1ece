import { ArgumentError } from "../errors.js";
import { loadImage } from "../image/load-image.js";
import { chooseWay } from "./families.js";
import type { GenerateRequest, Refiner } from "./generate-request.js";
import type { Painter } from "./painter.js";
import type { ReadStart, Start } from "./start.js";
import { openVae, type Way } from "./ways.js";

/** A request whose pictures are read and whose open questions are settled, as diffusers' pipeline for it has them. */
export interface Job<Beginning extends ReadStart = ReadStart> extends Omit<GenerateRequest, "start" | "steps" | "guidance"> {
  readonly start: Beginning;
  /** The same by the names the user gave. */
  readonly asked: Start<string>;
  readonly steps: number;
  /** Undefined for a checkpoint without prompts. */
  readonly guidance: number | undefined;
  /** Undefined where no picture is started from. */
  readonly strength: number | undefined;
}

/** A job, and how it is done. */
export interface SettledJob {
  readonly job: Job;
  readonly way: Way;
}

/**
 * Reads the checkpoint's table of contents and the pictures.
 * @throws ArgumentError for what the checkpoint cannot do, or a picture that cannot be read; CheckpointError, ConfigError
 */
export async function settle(request: GenerateRequest): Promise<SettledJob> {
  const way = await chooseWay(request);
  const { steps, guidance, strength } = way.defaults;
  const job: Job = {
    ...request,
    start: await readStart(request.start),
    asked: request.start,
    steps: request.steps ?? steps,
    guidance: request.guidance ?? guidance,
    strength: ("strength" in request.start ? request.start.strength : undefined) ?? strength,
  };
  if (job.refiner) expectStepsForBase(job.refiner, job.strength);
  return { job, way };
}

/** Opens what a job needs. Dispose of it when all pictures are made. @throws CheckpointError, ConfigError, DeviceError, ArgumentError */
export async function openJob({ job, way }: SettledJob): Promise<Painter & AsyncDisposable> {
  const kept: AsyncDisposable[] = [];
  const keep = <Part extends AsyncDisposable>(part: Part): Part => {
    kept.unshift(part);
    return part;
  };
  const dispose = async () => {
    for (const part of kept) await part[Symbol.asyncDispose]();
  };
  try {
    const { device, variant, config } = job;
    const vae = job.vae === undefined ? undefined : keep(await openVae(job.vae, job));
    const painter = await way.open(job, { device, variant, config, vae }, keep);
    return { ...painter, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** A picture less forgotten than what is left to the refiner leaves the base nothing to do. */
function expectStepsForBase({ from }: Refiner, strength = 1): void {
  if (strength + from > 1) return;
  throw new ArgumentError(`--strength is ${strength} and --refine-from ${from}: that leaves the base no step to take`, {
    hint: `raise --strength above ${Number((1 - from).toFixed(4))}, or --refine-from`,
  });
}

async function readStart(start: Start<string>): Promise<ReadStart> {
  switch (start.kind) {
    case "noise":
      return start;
    case "image":
      return { ...start, image: await loadImage(start.image) };
    case "mask":
      return { ...start, image: await loadImage(start.image), mask: await loadImage(start.mask) };
    case "control":
      return {
        ...start,
        controls: await Promise.all(start.controls.map(async (control) => ({ ...control, image: await loadImage(control.image) }))),
      };
  }
}
