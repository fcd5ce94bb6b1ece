import * as v from "valibot";
import { PRESET_NAMES, type PresetName } from "../families/presets.js";
import { isPlain } from "../given.js";
import { FREEU_FIELDS, type FreeUFactors } from "../models/freeu.js";
import { MOST_MERGED } from "../models/token-merging.js";
import { described, type Fields, field, group, numbers, oneOf, oneOrList, real, text, whole, withJson } from "../options/fields.js";
import type { PromptSyntax } from "../pipelines/prompt/prompt-options.js";
import { GUIDANCE_INTERVAL_FIELDS, type GuidanceInterval } from "../pipelines/shared/guidance-interval.js";
import { STEP_CACHE_FIELDS, type StepCacheOptions } from "../pipelines/shared/step-cache.js";
import { SCHEDULE_NAMES, type ScheduleName } from "../schedulers/shared/named-schedules.js";
import { TIMESTEP_SPACINGS, type TimestepSpacing } from "../schedulers/shared/timestep-spacing.js";
import { parseSeed } from "../tensor/random.js";
import { CONTROL_FIELDS, type ControlRequest } from "./control-request.js";
import { GUIDANCE_TEXT, MASK_GUIDANCE_TEXT, MASK_STRENGTH_TEXT, REFINER_TEXT, STEPS_TEXT, STRENGTH_TEXT } from "./default-texts.js";
import { EDIT_REQUEST_FIELDS, type EditRequest } from "./edit-request.js";
import { FAMILY_REQUEST_FIELDS, type FamilyRequest } from "./family-request.js";
import { HIRES_REQUEST_FIELDS, type HiresRequest, LARGEST_SIDE } from "./hires-request.js";
import { IMAGE_PROMPT_FIELDS, type ImagePromptRequest } from "./image-prompt-request.js";
import { type PictureInput, picture } from "./picture-input.js";

/** Settings of a scheduler's config, in camelCase. */
export type SchedulerSettings = Readonly<Record<string, string | number | boolean>>;

/** One run of an open workflow: what the pictures show and how they are made. */
export interface RunRequest extends ControlRequest, EditRequest, FamilyRequest, HiresRequest, ImagePromptRequest {
  /**
   * What the picture shows. Checkpoints of pixels (DDPM and others) take none, all others need one. <lora:name:0.8> loads a LoRA by its
   * name.
   */
  readonly prompt?: string | undefined;
  /** What the picture should not show; nothing by default. */
  readonly negativePrompt?: string | undefined;
  /** plain, the default, reads prompts as diffusers does. a1111 reads (word:1.3) and [word] as AUTOMATIC1111 does. */
  readonly promptSyntax?: PromptSyntax | undefined;
  /**
   * What the pictures of a consistency model with classes show: a class's number, or a list with one for each picture; drawn by default.
   */
  readonly classLabels?: number | readonly number[] | undefined;
  /** Denoising steps. By default 50; LCM 4; DDPM 1000; consistency 1; score-based 2000; embedded checkpoint 20. */
  readonly numInferenceSteps?: number | undefined;
  /** Instead of a number of steps: the timesteps themselves, noisiest first, for schedulers that take them. */
  readonly timesteps?: readonly number[] | undefined;
  /** Instead of a number of steps: the noise levels themselves, noisiest first, and 0 at the end, for schedulers that take them. */
  readonly sigmas?: readonly number[] | undefined;
  /**
   * How strongly the picture follows the prompt; 1 and less is off. A list has a number for each step that the run takes. By default 7.5;
   * XL 5; LCM 8.5; embedded checkpoint 4. With a mask 7.5.
   */
  readonly guidanceScale?: number | readonly number[] | undefined;
  /** Restores the contrast that strong guidance changes: from 0 (off, the default) to 1; larger numbers exaggerate. */
  readonly guidanceRescale?: number | undefined;
  /** The part of the run in which there is guidance; the whole run by default. */
  readonly guidanceInterval?: GuidanceInterval | undefined;
  /** FreeU: amplifies the UNet's backbone (b1, b2) and damps low frequencies of its skips (s1, s2). Off by default. */
  readonly freeU?: FreeUFactors | undefined;
  /** Perturbed-attention guidance: how strongly; usually 3. 0, the default, is off. Steps take longer by a half. */
  readonly pagScale?: number | undefined;
  /** How fast it fades: at timestep t its scale is pagScale - pagAdaptiveScale * (1000 - t). 0 by default. */
  readonly pagAdaptiveScale?: number | undefined;
  /** The self-attention that is perturbed: regular expressions for the layers' paths; mid by default. */
  readonly pagAppliedLayers?: string | readonly string[] | undefined;
  /** The share of fresh noise in a step, for the schedulers ddim and tcd; 0 by default. */
  readonly eta?: number | undefined;
  /**
   * The recipe of a few-step checkpoint or LoRA, such as lightning-4: scheduler, steps and guidance. Options of the request go first. None
   * by default.
   */
  readonly preset?: PresetName | undefined;
  /** Last layers of the text encoder to skip; none by default. */
  readonly clipSkip?: number | undefined;
  /** Seed of the first picture; picture i has seed + i. The same seed gives the same picture. Random by default and for -1. */
  readonly seed?: number | string | bigint | undefined;
  /** Pictures to make, each as if it were made alone; 1 by default. */
  readonly numImagesPerPrompt?: number | undefined;
  /** Width in pixels. By default the checkpoint's, or that of the picture to start from, which upscalers then enlarge. */
  readonly width?: number | undefined;
  /** Height in pixels. By default the checkpoint's, or that of the picture to start from, which upscalers then enlarge. */
  readonly height?: number | undefined;
  /** Scheduler, by class or short name, such as euler-a. The checkpoint's by default. */
  readonly scheduler?: string | undefined;
  /** How the scheduler chooses timesteps. The scheduler's own by default. */
  readonly timestepSpacing?: TimestepSpacing | undefined;
  /** The noise levels of the steps, by a name of the web UIs, such as align-your-steps. The scheduler's own by default. */
  readonly schedule?: ScheduleName | undefined;
  /** More settings of the scheduler, by their names in its config, such as { useKarrasSigmas: true }. The checkpoint's by default. */
  readonly schedulerConfig?: SchedulerSettings | undefined;
  /** Computes the whole network at some steps only (interval or threshold): quicker, not quite the same picture. Off by default. */
  readonly cache?: StepCacheOptions | undefined;
  /** Merges this share of a UNet's tokens before self-attention, such as 0.5; at most 0.75: quicker for large pictures. None by default. */
  readonly tokenMerging?: number | undefined;
  /**
   * Picture to start from; FLUX.2 klein also takes a list of pictures to refer to. In JSON: the image file in base64, or a data URL.
   */
  readonly image?: PictureInput | readonly PictureInput[] | undefined;
  /** How much of the picture to change, from 0 to 1. By default 0.8; XL 0.3. With a mask 1; XL 0.9999. */
  readonly strength?: number | undefined;
  /** Mask: the picture is repainted where the mask is white. In JSON: the image file in base64, or a data URL. */
  readonly maskImage?: PictureInput | undefined;
  /** Works on the masked part only, and on this many pixels around it. The whole picture by default. */
  readonly paddingMaskCrop?: number | undefined;
  /** The share of the denoising after which the refiner takes over; 0.8 by default. */
  readonly denoisingEnd?: number | undefined;
}

/** More pictures in one request are a typing error. */
const MOST_PICTURES = 10_000;

const PROMPT_SYNTAXES: readonly PromptSyntax[] = ["plain", "a1111"];

const seed = withJson(
  v.union([v.pipe(v.number(), v.integer()), v.string()]),
  field<number | string | bigint>(
    isSeed,
    "a whole number from 0 to 2^64 - 1 (or down to -2^63, counted back from 2^64), or -1 for a random one",
  ),
);

const schedulerSettings = withJson(
  v.record(v.string(), v.union([v.string(), v.number(), v.boolean()])),
  field<SchedulerSettings>(
    (value) => isPlain(value) && Object.values(value).every((each) => ["string", "number", "boolean"].includes(typeof each)),
    "an object of settings, such as { useKarrasSigmas: true }",
  ),
);

const CACHE_FIELDS: Fields<StepCacheOptions> = {
  interval: described("For UNets: the whole network runs at every nth step; 1 is off.", STEP_CACHE_FIELDS.interval),
  threshold: described(
    "Instead of an interval: the whole network runs when something changed by more than this share, such as 0.1; 0 is off.",
    STEP_CACHE_FIELDS.threshold,
  ),
  branch: described("Where a UNet is cut: 0, the default, leaves the least to the steps between.", STEP_CACHE_FIELDS.branch),
};

const INTERVAL_FIELDS: Fields<GuidanceInterval> = {
  start: described("The share of the steps at which guidance begins; 0 by default.", GUIDANCE_INTERVAL_FIELDS.start),
  stop: described("The share of the steps at which it ends; 1 by default.", GUIDANCE_INTERVAL_FIELDS.stop),
  sigmaLow: described("Instead of shares: no guidance at this noise level and below; 0 by default.", GUIDANCE_INTERVAL_FIELDS.sigmaLow),
  sigmaHigh: described("Instead of shares: no guidance above this noise level; no limit by default.", GUIDANCE_INTERVAL_FIELDS.sigmaHigh),
};

const FREEU: Fields<FreeUFactors> = {
  s1: described("Factor of the lowest frequencies of the first up block's skips, such as 0.9.", FREEU_FIELDS.s1),
  s2: described("Factor of the lowest frequencies of the second up block's skips, such as 0.2.", FREEU_FIELDS.s2),
  b1: described("Factor of half of the channels of the first up block, such as 1.5; XL 1.3.", FREEU_FIELDS.b1),
  b2: described("Factor of half of the channels of the second up block, such as 1.6; XL 1.4.", FREEU_FIELDS.b2),
};

/** The options of one run. */
export const RUN_FIELDS: Fields<RunRequest> = {
  prompt: described(
    "What the picture shows. Checkpoints of pixels (DDPM and others) take none, all others need one. <lora:name:0.8> loads a LoRA by its name.",
    text,
  ),
  negativePrompt: described("What the picture should not show; nothing by default.", text),
  promptSyntax: described(
    "plain, the default, reads prompts as diffusers does. a1111 reads (word:1.3) and [word] as AUTOMATIC1111 does.",
    oneOf(...PROMPT_SYNTAXES),
  ),
  classLabels: described(
    "What the pictures of a consistency model with classes show: a class's number, or a list with one for each picture; drawn by default.",
    oneOrList(whole(0), "a whole number, at least 0, or a list with one for each picture"),
  ),
  numInferenceSteps: described(`Denoising steps. By default ${STEPS_TEXT}.`, whole(1)),
  timesteps: described(
    "Instead of a number of steps: the timesteps themselves, noisiest first, for schedulers that take them.",
    withJson(v.array(v.number()), numbers()),
  ),
  sigmas: described(
    "Instead of a number of steps: the noise levels themselves, noisiest first, and 0 at the end, for schedulers that take them.",
    withJson(v.array(v.number()), numbers(0)),
  ),
  guidanceScale: described(
    `How strongly the picture follows the prompt; 1 and less is off. A list has a number for each step that the run takes. By default ${GUIDANCE_TEXT}. With a mask ${MASK_GUIDANCE_TEXT}.`,
    oneOrList(real(0), "a finite number, at least 0, or a list with one for each step"),
  ),
  guidanceRescale: described(
    "Restores the contrast that strong guidance changes: from 0 (off, the default) to 1; larger numbers exaggerate.",
    real(0),
  ),
  guidanceInterval: described("The part of the run in which there is guidance; the whole run by default.", group(INTERVAL_FIELDS)),
  freeU: described(
    "FreeU: amplifies the UNet's backbone (b1, b2) and damps low frequencies of its skips (s1, s2). Off by default.",
    group(FREEU),
  ),
  pagScale: described(
    "Perturbed-attention guidance: how strongly; usually 3. 0, the default, is off. Steps take longer by a half.",
    real(0),
  ),
  pagAdaptiveScale: described(
    "How fast it fades: at timestep t its scale is pagScale - pagAdaptiveScale * (1000 - t). 0 by default.",
    real(0),
  ),
  pagAppliedLayers: described(
    "The self-attention that is perturbed: regular expressions for the layers' paths; mid by default.",
    oneOrList(text, "a text or a list of texts"),
  ),
  eta: described("The share of fresh noise in a step, for the schedulers ddim and tcd; 0 by default.", real(0)),
  preset: described(
    "The recipe of a few-step checkpoint or LoRA, such as lightning-4: scheduler, steps and guidance. Options of the request go first. None by default.",
    oneOf(...PRESET_NAMES),
  ),
  clipSkip: described("Last layers of the text encoder to skip; none by default.", whole(0)),
  seed: described(
    "Seed of the first picture; picture i has seed + i. The same seed gives the same picture. Random by default and for -1.",
    seed,
  ),
  numImagesPerPrompt: described("Pictures to make, each as if it were made alone; 1 by default.", whole(1, MOST_PICTURES)),
  width: described(
    "Width in pixels. By default the checkpoint's, or that of the picture to start from, which upscalers then enlarge.",
    whole(1, LARGEST_SIDE),
  ),
  height: described(
    "Height in pixels. By default the checkpoint's, or that of the picture to start from, which upscalers then enlarge.",
    whole(1, LARGEST_SIDE),
  ),
  scheduler: described("Scheduler, by class or short name, such as euler-a. The checkpoint's by default.", text),
  timestepSpacing: described("How the scheduler chooses timesteps. The scheduler's own by default.", oneOf(...TIMESTEP_SPACINGS)),
  schedule: described(
    "The noise levels of the steps, by a name of the web UIs, such as align-your-steps. The scheduler's own by default.",
    oneOf(...SCHEDULE_NAMES),
  ),
  schedulerConfig: described(
    "More settings of the scheduler, by their names in its config, such as { useKarrasSigmas: true }. The checkpoint's by default.",
    schedulerSettings,
  ),
  cache: described(
    "Computes the whole network at some steps only (interval or threshold): quicker, not quite the same picture. Off by default.",
    group(CACHE_FIELDS),
  ),
  tokenMerging: described(
    "Merges this share of a UNet's tokens before self-attention, such as 0.5; at most 0.75: quicker for large pictures. None by default.",
    real(0, MOST_MERGED),
  ),
  image: described(
    "Picture to start from; FLUX.2 klein also takes a list of pictures to refer to. In JSON: the image file in base64, or a data URL.",
    oneOrList(picture, `${picture.expected}, or a list of them`),
  ),
  strength: described(
    `How much of the picture to change, from 0 to 1. By default ${STRENGTH_TEXT}. With a mask ${MASK_STRENGTH_TEXT}.`,
    real(0, 1),
  ),
  maskImage: described(
    "Mask: the picture is repainted where the mask is white. In JSON: the image file in base64, or a data URL.",
    picture,
  ),
  paddingMaskCrop: described("Works on the masked part only, and on this many pixels around it. The whole picture by default.", whole(0)),
  ...EDIT_REQUEST_FIELDS,
  ...FAMILY_REQUEST_FIELDS,
  ...HIRES_REQUEST_FIELDS,
  ...CONTROL_FIELDS,
  ...IMAGE_PROMPT_FIELDS,
  denoisingEnd: described(`The share of the denoising after which the refiner takes over; ${REFINER_TEXT} by default.`, real(0.01, 0.99)),
};

function isSeed(value: unknown): boolean {
  if (typeof value !== "number" && typeof value !== "string" && typeof value !== "bigint") return false;
  try {
    parseSeed(value);
    return true;
  } catch {
    return false;
  }
}
