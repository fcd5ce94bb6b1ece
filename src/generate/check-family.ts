import type { ModelIndex } from "../checkpoint/model-index.js";
import { ArgumentError } from "../errors.js";
import {
  CONTROL_FAMILY_NAMES,
  FAMILIES,
  IMAGE_PROMPT_FAMILY_NAMES,
  REFERENCE_FAMILY_NAMES,
  REFINED_FAMILY_NAMES,
} from "../families/lookups.js";
import { withArticle } from "../given.js";
import { expectStepCache } from "../pipelines/shared/step-cache.js";
import { applyPreset } from "./apply-preset.js";
import { denoisingEndOf, type KnownFamily, workflowFor } from "./families.js";
import { FAMILY_OPTIONS } from "./family-request.js";
import { checkImagePromptScales } from "./image-prompts.js";
import type { ModelSource } from "./model-source.js";
import { nameOf } from "./name-of.js";
import type { GenerateRequest } from "./request.js";
import type { RunRequest } from "./run-request.js";
import { startNameOf } from "./start.js";

/** @throws ArgumentError for networks that do not go with a checkpoint of this family. */
export function checkNetworks(
  request: GenerateRequest & { readonly model: ModelSource },
  family: KnownFamily,
  { className }: ModelIndex,
): void {
  const model = `${nameOf(request.model)}, ${withArticle(className)}`;
  if (request.controlnet !== undefined && family.takesPrompt && !family.workflows["controlnet-noise"]) {
    throw new ArgumentError((name) => `${name("controlnet")} does not work with ${model}, as no pipeline takes both`, {
      argument: "controlnet",
      hint: `ControlNets are for ${CONTROL_FAMILY_NAMES}`,
    });
  }
  if (isGiven(request.ipAdapters) && family.takesPrompt && !family.takesImagePrompts) {
    throw new ArgumentError((name) => `${name("ipAdapters")} do not work with ${model}, which takes no pictures beside the prompt`, {
      argument: "ipAdapters",
      hint: `IP-Adapters are for ${IMAGE_PROMPT_FAMILY_NAMES}`,
    });
  }
  if (request.refiner !== undefined && family.takesPrompt && !family.refinement) {
    throw new ArgumentError((name) => `${name("refiner")} does not work with ${model}, as only ${REFINED_FAMILY_NAMES} has refiners`, {
      argument: "refiner",
      hint: (name) => `leave ${name("refiner")} out, or give a checkpoint of ${REFINED_FAMILY_NAMES} as ${name("model")}`,
    });
  }
  if (!family.takesPrompt) refusePromptOptions(request, family, `${model},`);
}

/** @throws ArgumentError for a run that a checkpoint of this family cannot make. */
export function checkRun(request: GenerateRequest & { readonly model: ModelSource }, family: KnownFamily, index: ModelIndex): void {
  checkNetworks(request, family, index);
  const model = `${nameOf(request.model)}, ${withArticle(index.className)},`;
  if (request.classLabels !== undefined && !hasOwn(family, "classLabels")) {
    throw new ArgumentError((name) => `${name("classLabels")} has no effect on ${model.slice(0, -1)}`, {
      argument: "classLabels",
      hint: "it is for consistency models that were trained with classes",
    });
  }
  if (!family.takesPrompt) return;
  expectTaken(request, family, model);
  expectFamilyOptions(request, family, model);
  if (Array.isArray(request.image) && request.image.length > 1 && !family.takesReferences) {
    throw new ArgumentError(
      (name) => `${(request.image as readonly unknown[]).length} pictures were given as ${name("image")}; ${model} starts from one`,
      {
        argument: "image",
        hint: `several are for ${REFERENCE_FAMILY_NAMES}`,
      },
    );
  }
  checkImagePromptScales(request, family);
  // The network's own number of branches is checked when it is loaded.
  if (request.cache) expectStepCache(request.cache, "patch" in family ? { cachesFirstBlock: true } : { cacheBranches: Infinity });
  if (request.prompt === undefined) {
    throw new ArgumentError(`no prompt was given; ${model} needs one`, {
      argument: "prompt",
      hint: (name) => `such as ${name("prompt", { value: '"a red fox on a blue background"', code: 'prompt: "a red fox"' })}`,
    });
  }
  if (startNameOf(request) === "noise" && !family.workflows.noise) {
    const isRefiner = family.refinement !== undefined;
    throw new ArgumentError(`${model} ${isRefiner ? "is a refiner: it needs a picture to start from" : "changes pictures: it needs one"}`, {
      argument: "image",
      hint: (name) =>
        `give one with ${name("image")}${isRefiner ? `; or give a base model as ${name("model")} and this one as ${name("refiner")}` : ""}`,
    });
  }
  const { defaults } = workflowFor(request, family, undefined);
  for (const [option, isTaken] of [
    ["strength", defaults.strength !== undefined || request.image === undefined],
    ["imageGuidanceScale", defaults.imageGuidance !== undefined],
    ["hires", defaults.strength !== undefined || request.image === undefined],
    ["noiseLevel", hasOwn(family, "noiseLevel")],
  ] as const) {
    if (isTaken || request[option] === undefined) continue;
    throw new ArgumentError((name) => `${name(option)} has no effect on ${model} which does not take it`, {
      argument: option,
      hint: (name) =>
        option === "noiseLevel"
          ? "it is for the x4 upscaler"
          : option === "hires"
            ? "its second pass repaints a picture with a prompt alone: use another checkpoint"
            : option === "strength"
              ? defaults.imageGuidance !== undefined
                ? `${name("imageGuidanceScale")} says how strongly the result stays like the picture`
                : "it takes all steps"
              : `it is for InstructPix2Pix; with other checkpoints ${name("strength")} says how much of the picture to change`,
    });
  }
  const seesDepth = hasOwn(family, "depthMap");
  if (seesDepth !== (request.depthMap !== undefined)) {
    throw new ArgumentError(
      (name) => `${name("depthMap")} ${seesDepth ? "is missing: it is needed by" : "has no effect on"} ${model.slice(0, -1)}`,
      {
        argument: "depthMap",
        hint: seesDepth
          ? 'it is a grey picture whose near parts are bright; MiDaS, DPT and Depth Anything make such maps, in Python pipeline("depth-estimation")(image)["depth"]'
          : "it is for Stable Diffusion 2 depth; with other checkpoints a ControlNet of depth follows such a map",
      },
    );
  }
  if (request.refiner === undefined) return;
  const { strength = workflowFor(request, family, undefined).defaults.strength } = request;
  expectStepsForBase(denoisingEndOf(request, family), strength);
}

/** @throws ArgumentError for an option that the family's pipelines do not have, given or set by the preset, unless it is off */
function expectTaken(request: RunRequest, { lacks = [] }: KnownFamily, model: string): void {
  const whole = applyPreset(request);
  const found = (lacks as readonly (keyof RunRequest)[]).find((option) => whole[option] && !isPlainPrompt(option, whole));
  if (found === undefined) return;
  const argument = request[found] ? found : "preset";
  throw new ArgumentError((name) => `${name(argument)} has no effect on ${model} which does not take it`, {
    argument,
    hint: (name) => (argument === "preset" ? `it sets ${name(found)}, too` : `leave ${name(found)} out`),
  });
}

/** @throws ArgumentError for an option that pipelines of other families have, and this one not; for several ways to say the guidance */
function expectFamilyOptions(request: GenerateRequest, family: KnownFamily, model: string): void {
  const { guidance, ownOptions } = family;
  const start = startNameOf(request);
  const isTaken = (option: string, { ownOptions: own = {} }: KnownFamily) => Object.hasOwn(own, option);
  for (const option of FAMILY_OPTIONS) {
    if (request[option] === undefined || ownOptions?.[option]?.includes(start)) continue;
    const takes = FAMILIES.filter((each) => isTaken(option, each)).map(({ name }) => name);
    throw new ArgumentError(
      (name) =>
        isTaken(option, family)
          ? `${name(option)} has no effect with ${name(start === "mask" ? "maskImage" : "image")}: ${workflowFor(request, family, undefined).className} does not take it`
          : `${name(option)} has no effect on ${model} which does not take it`,
      {
        argument: option,
        hint: (name) => (isTaken(option, family) ? `leave ${name(option)} out` : `it is for ${[...new Set(takes)].join(", ")}`),
      },
    );
  }
  if (guidance === undefined) return;
  if (typeof request.guidanceScale === "object") {
    throw new ArgumentError((name) => `${name("guidanceScale")} is a list; ${model} takes one number for all steps`, {
      argument: "guidanceScale",
    });
  }
  if (guidance === "trueCfgScale" && request.trueCfgScale !== undefined && request.guidanceScale !== undefined) {
    throw new ArgumentError((name) => `${name("trueCfgScale")} and ${name("guidanceScale")} are the same for ${model.slice(0, -1)}`, {
      argument: "trueCfgScale",
      hint: "leave one of them out",
    });
  }
}

/** What has a meaning in prompts of AUTOMATIC1111's web UI. */
const SYNTAX = /[()[\]\\]|\b(BREAK|AND)\b/;

/** Whether the option is a syntax of prompts, and the prompts are the same without it. */
function isPlainPrompt(option: keyof RunRequest, { promptSyntax, prompt, negativePrompt }: RunRequest): boolean {
  if (option !== "promptSyntax") return false;
  const texts = [prompt ?? [], negativePrompt ?? []].flat();
  return promptSyntax === "plain" || !texts.some((text) => SYNTAX.test(text));
}

/** Whether no other family's pipelines take the option. */
function hasOwn({ ownOptions }: KnownFamily, option: keyof GenerateRequest): boolean {
  return ownOptions !== undefined && option in ownOptions;
}

/** @throws ArgumentError if the refiner takes all the steps that `strength` leaves. */
function expectStepsForBase(end: number, strength = 1): void {
  if (strength + end > 1) return;
  throw new ArgumentError((name) => `${name("strength")} is ${strength} and ${name("denoisingEnd")} ${end}: no step is left for the base`, {
    argument: "strength",
    hint: (name) => `raise ${name("strength")} above ${Number((1 - end).toFixed(4))}, or ${name("denoisingEnd")}`,
  });
}

/** Options without effect on a checkpoint that has no text encoder and no autoencoder. */
const PROMPTED_ONLY: readonly (keyof GenerateRequest)[] = [
  ...([
    "image",
    "controlnet",
    "negativePrompt",
    "guidanceScale",
    "guidanceRescale",
    "guidanceInterval",
    "freeU",
    "tokenMerging",
    "pagScale",
    "pagAdaptiveScale",
    "pagAppliedLayers",
    "eta",
    "imageGuidanceScale",
    "noiseLevel",
    "preset",
    "clipSkip",
    "width",
    "height",
  ] as const),
  ...([
    "vae",
    "refiner",
    "textEncoder",
    "loras",
    "embeddings",
    "ipAdapters",
    "promptSyntax",
    "cache",
    "timesteps",
    "sigmas",
    "schedule",
    "hires",
  ] as const),
];

function refusePromptOptions(request: GenerateRequest, family: KnownFamily, model: string): void {
  if (request.prompt !== undefined) {
    throw new ArgumentError(`${model} takes no prompt: it makes pictures from noise alone`, {
      argument: "prompt",
      hint: "leave the prompt out",
    });
  }
  const isTaken = (option: keyof GenerateRequest) => option === "timesteps" && family.id === "consistency";
  const found = PROMPTED_ONLY.find((option) => isGiven(request[option]) && !isTaken(option));
  if (found === undefined) return;
  throw new ArgumentError(
    (name) =>
      `${found === "width" || found === "height" ? name("size", { code: found }) : name(found)} has no effect on ${model} which makes pictures of one size from noise alone`,
    {
      argument: found,
      hint: (name) =>
        `it takes ${["numInferenceSteps", "scheduler", "seed"].map((each) => name(each)).join(", ")} and ${name("numImagesPerPrompt")}`,
    },
  );
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== "plain" && !(Array.isArray(value) && value.length === 0);
}
