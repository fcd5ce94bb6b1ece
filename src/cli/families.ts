import type { ModelIndex } from "../checkpoint/model-index.js";
import { ArgumentError, ConfigError } from "../errors.js";
import { spell } from "./combinations.js";
import type { GenerateOptions, GenerateRequest, Refiner } from "./generate-request.js";
import { nameOf } from "./settings.js";
import { DDIM, DDPM, STABLE_DIFFUSION, STABLE_DIFFUSION_XL, type Way, type Ways } from "./ways.js";

/** Checkpoints that are worked with alike. */
interface Family {
  /** The class in their `model_index.json`. */
  readonly classes: RegExp;
  readonly ways: Ways;
  /** Whether they hear a prompt. */
  readonly isPrompted: boolean;
}

const FAMILIES: readonly Family[] = [
  { classes: /^StableDiffusion(Img2Img|Inpaint|ControlNet)?Pipeline$/, ways: STABLE_DIFFUSION, isPrompted: true },
  { classes: /^StableDiffusionXL(Img2Img|Inpaint)?Pipeline$/, ways: STABLE_DIFFUSION_XL, isPrompted: true },
  { classes: /^DDPMPipeline$/, ways: DDPM, isPrompted: false },
  { classes: /^DDIMPipeline$/, ways: DDIM, isPrompted: false },
];

/**
 * The way to do what is asked, by the checkpoint's table of contents.
 * @throws ArgumentError for what the checkpoint cannot do; ConfigError for a checkpoint of another kind.
 */
export function chooseWay(request: GenerateRequest, index: ModelIndex): Way {
  const { ways, isPrompted } = familyOf(request.model, index);
  const name = `${nameOf(request.model)}, a ${index.className},`;
  if (isPrompted) expectPrompt(request, name, index);
  else refusePrompt(request, name);
  const way: Way | undefined = ways[request.start.kind];
  if (!way) {
    throw new ArgumentError(`--control does not work with ${name} as there is no pipeline for both`, {
      hint: "ControlNets are for Stable Diffusion 1.x and 2.x",
    });
  }
  if (request.refiner && ways !== STABLE_DIFFUSION_XL) {
    throw new ArgumentError(`--refiner does not work with ${name} as only Stable Diffusion XL has refiners`, {
      hint: "leave --refiner out, or give an XL base as --model",
    });
  }
  if (request.refiner) expectStepsForBase(request.refiner, strengthOf(request, way));
  return way;
}

/** How much of the picture to start from is forgotten; undefined where there is none. */
export function strengthOf({ start }: Pick<GenerateRequest, "start">, { defaults }: Way): number | undefined {
  return ("strength" in start ? start.strength : undefined) ?? defaults.strength;
}

/** @throws ArgumentError unless the refiner is a checkpoint of XL, by its table of contents. */
export function expectRefiner({ folder }: Refiner, index: ModelIndex): void {
  if (familyOf(folder, index).ways === STABLE_DIFFUSION_XL) return;
  throw new ArgumentError(`--refiner is ${folder}, a ${index.className}; expected a checkpoint of Stable Diffusion XL`);
}

/** A picture less forgotten than what is left to the refiner leaves the base nothing to do. */
function expectStepsForBase({ from }: Refiner, strength = 1): void {
  if (strength + from > 1) return;
  throw new ArgumentError(`--strength is ${strength} and --refine-from ${from}: that leaves the base no step to take`, {
    hint: `raise --strength above ${Number((1 - from).toFixed(4))}, or --refine-from`,
  });
}

function familyOf(folder: string, { className }: ModelIndex): Family {
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

/** What a checkpoint without text encoder and autoencoder cannot hear of, with the options that ask for it. */
const PROMPTED_ONLY: readonly (readonly [field: keyof GenerateRequest, option: keyof GenerateOptions])[] = [
  ["negativePrompt", "negative"],
  ["guidance", "guidance"],
  ["guidanceRescale", "guidanceRescale"],
  ["clipSkip", "clipSkip"],
  ["size", "size"],
  ["vae", "vae"],
  ["refiner", "refiner"],
  ["loras", "lora"],
  ["embeddings", "embedding"],
  ["weighted", "weighted"],
  ["cache", "cache"],
];

function refusePrompt(request: GenerateRequest, name: string): void {
  const { prompt, start } = request;
  if (prompt !== undefined) {
    throw new ArgumentError(`${name} takes no prompt: it makes pictures out of noise alone`, { hint: "leave the prompt out" });
  }
  const options = { noise: undefined, image: "image", mask: "image", control: "control" } as const;
  // The embedded checkpoint's own guidance cannot come here: it takes prompts.
  const [, found] = PROMPTED_ONLY.find(([field]) => isGiven(request[field])) ?? [];
  const given = options[start.kind] ?? found;
  if (given !== undefined) {
    throw new ArgumentError(`${spell(given)} means nothing to ${name} which makes pictures of one size out of noise alone`, {
      hint: "it takes --steps, --scheduler, --seed and --count",
    });
  }
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0);
}
