import { basename, resolve } from "node:path";
import { openFolder } from "#platform";
import { type ModelIndex, readModelIndex } from "../checkpoint/model-index.js";
import { ArgumentError, ConfigError } from "../errors.js";
import { loadImage } from "../image/load-image.js";
import type { Picture } from "../image/picture.js";
import { spell } from "./combinations.js";
import type { GenerateRequest } from "./generate-request.js";
import type { Painter } from "./painter.js";
import type { ReadStart, Start, StartKind } from "./start.js";
import { DDIM, DDPM, openVae, STABLE_DIFFUSION, STABLE_DIFFUSION_XL, type Way, type Ways } from "./ways.js";

/** A request whose pictures are read and whose open questions are settled, as diffusers' pipeline for it has them. */
export interface Job<Kind extends StartKind = StartKind> extends Omit<GenerateRequest, "start" | "steps" | "guidance"> {
  readonly start: ReadStart<Kind>;
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

/** Checkpoints by the class in their `model_index.json`: how they can be worked with, and whether they hear a prompt. */
const FAMILIES: readonly { readonly classes: RegExp; readonly ways: Ways; readonly isPrompted: boolean }[] = [
  { classes: /^StableDiffusion(Img2Img|Inpaint|ControlNet)?Pipeline$/, ways: STABLE_DIFFUSION, isPrompted: true },
  { classes: /^StableDiffusionXL(Img2Img|Inpaint)?Pipeline$/, ways: STABLE_DIFFUSION_XL, isPrompted: true },
  { classes: /^DDPMPipeline$/, ways: DDPM, isPrompted: false },
  { classes: /^DDIMPipeline$/, ways: DDIM, isPrompted: false },
];

/**
 * Reads the checkpoint's table of contents and the pictures.
 * @throws ArgumentError for what the checkpoint cannot do, or a picture that cannot be read; CheckpointError, ConfigError
 */
export async function settle(request: GenerateRequest): Promise<SettledJob> {
  const index = await readModelIndex(openFolder(request.model));
  const { ways, isPrompted } = familyOf(request.model, index);
  const name = `${basename(resolve(request.model))}, a ${index.className},`;
  if (isPrompted) expectPrompt(request, name, index);
  else refusePrompt(request, name);
  const way: Way | undefined = ways[request.start.kind];
  if (!way) {
    throw new ArgumentError(`--control does not work with ${name} as there is no pipeline for both`, {
      hint: "ControlNets are for Stable Diffusion 1.x and 2.x",
    });
  }
  if (request.refiner) await expectRefinable(request, ways, name);
  const { steps, guidance, strength } = way.defaults;
  const job: Job = {
    ...request,
    start: await readStart(request.start),
    steps: request.steps ?? steps,
    guidance: request.guidance ?? guidance,
    strength: ("strength" in request.start ? request.start.strength : undefined) ?? strength,
  };
  if (job.refiner) expectStepsForBase(job);
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
    const { device, variant } = job;
    const vae = job.vae === undefined ? undefined : keep(await openVae(job.vae, { device, variant }));
    const painter = await way.open(job, { device, variant, vae }, keep);
    return { ...painter, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

function familyOf(folder: string, { className }: ModelIndex) {
  const family = FAMILIES.find(({ classes }) => classes.test(className));
  if (family) return family;
  throw new ConfigError(`${folder}/model_index.json is of class ${className}, which generate does not know`, {
    hint: "it knows the pipelines of Stable Diffusion 1.x, 2.x and XL, DDPMPipeline and DDIMPipeline",
  });
}

function expectPrompt({ prompt, start }: GenerateRequest, name: string, { options }: ModelIndex): void {
  if (prompt === undefined) {
    throw new ArgumentError(`no prompt was given; ${name} needs one`, {
      hint: 'example: darkroom generate "a red fox on a blue background"',
    });
  }
  if (start.kind === "noise" && options.requiresAestheticsScore) {
    throw new ArgumentError(`${name} is a refiner: it needs a picture to start from`, {
      hint: "give one with --image; or give a base model as --model and this one as --refiner",
    });
  }
}

/** What a checkpoint without text encoder and autoencoder cannot hear of. */
const PROMPTED_ONLY = [
  "negativePrompt",
  "guidance",
  "guidanceRescale",
  "clipSkip",
  "size",
  "vae",
  "refiner",
] as const satisfies readonly (keyof GenerateRequest)[];

function refusePrompt(request: GenerateRequest, name: string): void {
  const { prompt, start } = request;
  if (prompt !== undefined) {
    throw new ArgumentError(`${name} takes no prompt: it makes pictures out of noise alone`, { hint: "leave the prompt out" });
  }
  const options = { noise: undefined, image: "image", mask: "image", control: "control" } as const;
  // The embedded checkpoint's own guidance cannot come here: it takes prompts.
  const found = PROMPTED_ONLY.find((option) => request[option] !== undefined);
  const given = options[start.kind] ?? (found === "negativePrompt" ? "negative" : found);
  if (given !== undefined) {
    throw new ArgumentError(`${spell(given)} means nothing to ${name} which makes pictures of one size out of noise alone`, {
      hint: "it takes --steps, --scheduler, --seed and --count",
    });
  }
}

async function expectRefinable({ refiner }: GenerateRequest, ways: Ways, name: string): Promise<void> {
  if (!refiner) return;
  if (ways !== STABLE_DIFFUSION_XL) {
    throw new ArgumentError(`--refiner does not work with ${name} as only Stable Diffusion XL has refiners`, {
      hint: "leave --refiner out, or give an XL base as --model",
    });
  }
  const index = await readModelIndex(openFolder(refiner.folder));
  if (familyOf(refiner.folder, index).ways !== STABLE_DIFFUSION_XL) {
    throw new ArgumentError(`--refiner is ${refiner.folder}, a ${index.className}; expected a checkpoint of Stable Diffusion XL`);
  }
}

/** A picture less forgotten than what is left to the refiner leaves the base nothing to do. */
function expectStepsForBase({ refiner, strength = 1 }: Job): void {
  const left = 1 - (refiner?.from ?? 1);
  if (strength > left) return;
  throw new ArgumentError(`--strength is ${strength} and --refine-from ${refiner?.from}: that leaves the base no step to take`, {
    hint: `raise --strength above ${Number(left.toFixed(4))}, or --refine-from`,
  });
}

async function readStart(start: Start<string>): Promise<Start<Picture>> {
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
