import * as v from "valibot";
import { isSource } from "../checkpoint/source.js";
import { PREDICTION_TYPES, type PredictionType } from "../families/prediction-types.js";
import { isPlain } from "../given.js";
import type { Picture } from "../image/picture.js";
import { checkOptions } from "../options/check-options.js";
import {
  described,
  type Fields,
  field,
  flag,
  group,
  groups,
  hasMethods,
  needed,
  numbers,
  oneOf,
  oneOrList,
  real,
  text,
  whole,
  withJson,
} from "../options/fields.js";
import { objectSchema } from "../options/object-schema.js";
import type { PromptSyntax } from "../pipelines/prompt/prompt-options.js";
import type { StepCacheOptions } from "../pipelines/shared/step-cache.js";
import type { Folder } from "../platform/folder.js";
import { extractLoraTags } from "../prompt/lora-tags.js";
import { DEVICES, type Device, PRECISIONS, type Precision } from "../runtime/device.js";
import { TIMESTEP_SPACINGS, type TimestepSpacing } from "../schedulers/shared/timestep-spacing.js";
import { parseSeed } from "../tensor/random.js";
import {
  CONTROL_TEXT,
  GUIDANCE_TEXT,
  MASK_GUIDANCE_TEXT,
  MASK_STRENGTH_TEXT,
  REFINER_TEXT,
  STEPS_TEXT,
  STRENGTH_TEXT,
} from "./default-texts.js";

/** A checkpoint or a network: the path of a folder or a single file, a hub id, or (in a program) a Folder. */
export type ModelSource = string | Folder;

/**
 * A picture: the bytes of an image file, the file itself, its base64 text or data URL, or a finished picture. No paths and no web
 * addresses.
 */
export type PictureInput = Uint8Array | ArrayBuffer | Blob | string | Picture;

/** A LoRA to load. */
export interface LoraRequest {
  /** File, folder or hub id. Without it, the LoRA is looked up by its name. */
  readonly source?: ModelSource | undefined;
  /** Its name in settings and tags; by default that of its file or folder. */
  readonly name?: string | undefined;
  /** How strongly it acts; 1 by default. */
  readonly weight?: number | undefined;
  /** How strongly it acts on the UNet, if that differs from the text encoders. */
  readonly unetWeight?: number | undefined;
}

/** A textual inversion embedding to load. */
export interface EmbeddingRequest {
  /** File, folder or hub id. */
  readonly source: ModelSource;
  /** The word for it in prompts; by default the one in its file, or the file's name. */
  readonly token?: string | undefined;
}

/**
 * Which checkpoint, networks and adapters are loaded, and where they run. Requests that agree in these options can share one open workflow.
 */
export interface OpenRequest {
  /** The checkpoint: a folder, a single .safetensors file or a hub id (OWNER/NAME). The embedded checkpoint, emoji-64, by default. */
  readonly model?: ModelSource | undefined;
  /** Folder or hub id of configs for a checkpoint in a single file that is built unusually. */
  readonly config?: ModelSource | undefined;
  /** Branch, tag or commit of the model on the hub; main by default. */
  readonly revision?: string | undefined;
  /** Weight files to prefer, such as fp16. The files without a variant by default. */
  readonly variant?: string | undefined;
  /**
   * What the network predicts: the noise (epsilon), the velocity (v_prediction) or the picture (sample). What the checkpoint says by
   * default.
   */
  readonly predictionType?: PredictionType | undefined;
  /** Folder, single file or hub id of an autoencoder to use instead of the checkpoint's. */
  readonly vae?: ModelSource | undefined;
  /** Stable Diffusion XL checkpoint that takes the last denoising steps. */
  readonly refiner?: ModelSource | undefined;
  /** ControlNet to follow a picture, or a list of several: folder, single file or hub id. */
  readonly controlnet?: ModelSource | readonly ModelSource[] | undefined;
  /** LoRAs to load, in order. Tags in the prompt, <lora:name:0.8>, add more. */
  readonly loras?: readonly LoraRequest[] | undefined;
  /** Textual inversion embeddings to load. */
  readonly embeddings?: readonly EmbeddingRequest[] | undefined;
  /** Where to run; auto, the default, takes a GPU if there is one. */
  readonly device?: Device | undefined;
  /** Which of several GPUs; the first by default. */
  readonly deviceId?: number | undefined;
  /** exact, the default, computes in float32. fast computes in 8 bits (GPU: 16): quicker, not quite the same picture. */
  readonly precision?: Precision | undefined;
  /** Saves memory at the cost of time; the same picture. false by default. */
  readonly lowMemory?: boolean | undefined;
}

/** Settings of a scheduler's config, in camelCase. */
export type SchedulerSettings = Readonly<Record<string, string | number | boolean>>;

/** One run of an open workflow: what the pictures show and how they are made. */
export interface RunRequest {
  /**
   * What the picture shows. Checkpoints of pixels (DDPM and others) take none, all others need one. <lora:name:0.8> loads a LoRA by its
   * name.
   */
  readonly prompt?: string | undefined;
  /** What the picture should not show; nothing by default. */
  readonly negativePrompt?: string | undefined;
  /** plain, the default, reads prompts as diffusers does. a1111 reads (word:1.3) and [word] as AUTOMATIC1111 does. */
  readonly promptSyntax?: PromptSyntax | undefined;
  /** Denoising steps. By default 50; LCM 4; DDPM 1000; consistency 1; score-based 2000; embedded checkpoint 20. */
  readonly numInferenceSteps?: number | undefined;
  /** Instead of a number of steps: the timesteps themselves, noisiest first, for schedulers that take them. */
  readonly timesteps?: readonly number[] | undefined;
  /** Instead of a number of steps: the noise levels themselves, noisiest first, and 0 at the end, for schedulers that take them. */
  readonly sigmas?: readonly number[] | undefined;
  /**
   * How strongly the picture follows the prompt; 1 and less is off. By default 7.5; XL 5; LCM 8.5; embedded checkpoint 5. With a mask 7.5.
   */
  readonly guidanceScale?: number | undefined;
  /** Restores the contrast that strong guidance changes, from 0 (off, the default) to 1. */
  readonly guidanceRescale?: number | undefined;
  /** Last layers of the text encoder to skip; none by default. */
  readonly clipSkip?: number | undefined;
  /** Seed of the first picture; picture i has seed + i. The same seed gives the same picture. Random by default and for -1. */
  readonly seed?: number | string | bigint | undefined;
  /** Pictures to make, each as if it were made alone; 1 by default. */
  readonly numImagesPerPrompt?: number | undefined;
  /** Width in pixels. By default the checkpoint's, or that of the picture to start from. */
  readonly width?: number | undefined;
  /** Height in pixels. By default the checkpoint's, or that of the picture to start from. */
  readonly height?: number | undefined;
  /** Scheduler, by class or short name, such as euler-a. The checkpoint's by default. */
  readonly scheduler?: string | undefined;
  /** How the scheduler chooses timesteps. The scheduler's own by default. */
  readonly timestepSpacing?: TimestepSpacing | undefined;
  /** More settings of the scheduler, by their names in its config, such as { useKarrasSigmas: true }. The checkpoint's by default. */
  readonly schedulerConfig?: SchedulerSettings | undefined;
  /** Computes the whole UNet at every nth step only (interval): quicker, not quite the same picture. Off by default. */
  readonly cache?: StepCacheOptions | undefined;
  /** Picture to start from. In JSON: the image file in base64, or a data URL. */
  readonly image?: PictureInput | undefined;
  /** How much of the picture to change, from 0 to 1. By default 0.8; XL 0.3. With a mask 1; XL 0.9999. */
  readonly strength?: number | undefined;
  /** Mask: the picture is repainted where the mask is white. In JSON: the image file in base64, or a data URL. */
  readonly maskImage?: PictureInput | undefined;
  /** Works on the masked part only, and on this many pixels around it. The whole picture by default. */
  readonly paddingMaskCrop?: number | undefined;
  /** Picture that the ControlNet follows, or a list with one for each ControlNet. In JSON: image files in base64, or data URLs. */
  readonly controlImage?: PictureInput | readonly PictureInput[] | undefined;
  /** Weight of the ControlNets, or a list with one for each. By default 1; with a picture 0.8; with a mask 0.5; XL 1. */
  readonly controlnetConditioningScale?: number | readonly number[] | undefined;
  /** The share of the steps, 0 to 1, at which the ControlNets begin to act, or a list with one for each; 0 by default. */
  readonly controlGuidanceStart?: number | readonly number[] | undefined;
  /** The share of the steps, 0 to 1, at which the ControlNets end, or a list with one for each; 1 by default. */
  readonly controlGuidanceEnd?: number | readonly number[] | undefined;
  /** Lets the ControlNets guide the picture without a prompt; false by default. */
  readonly guessMode?: boolean | undefined;
  /** The share of the denoising after which the refiner takes over; 0.8 by default. */
  readonly denoisingEnd?: number | undefined;
}

/**
 * Everything about pictures to make. In JSON, pictures are base64 texts or data URLs, seeds above 2^53 are texts, and checkpoints are paths
 * or hub ids.
 */
export interface GenerateRequest extends OpenRequest, RunRequest {}

/** More pictures in one request are a typing error. */
const MOST_PICTURES = 10_000;

/** Longer sides are a typing error: no checkpoint makes such pictures, and there is no memory for them. */
export const LARGEST_SIDE = 16384;

const PROMPT_SYNTAXES: readonly PromptSyntax[] = ["plain", "a1111"];

const modelSource = withJson(v.pipe(v.string(), v.minLength(1)), field<ModelSource>(isSource, "a folder, a file or a hub id", "string"));

const variant = withJson(
  v.pipe(v.string(), v.regex(/^[\w.-]+$/)),
  field<string>(
    (value) => typeof value === "string" && /^[\w.-]+$/.test(value),
    "a word of letters, digits, . _ and -, such as fp16",
    "string",
  ),
);

const seed = withJson(
  v.union([v.pipe(v.number(), v.integer()), v.string()]),
  field<number | string | bigint>(
    isSeed,
    "a whole number from 0 to 2^64 - 1 (or down to -2^63, counted back from 2^64), or -1 for a random one",
  ),
);

const picture = withJson(
  v.string(),
  field<PictureInput>(isPicture, "the bytes of an image file, its base64 text or data URL, or a Picture"),
);

const schedulerSettings = withJson(
  v.record(v.string(), v.union([v.string(), v.number(), v.boolean()])),
  field<SchedulerSettings>(
    (value) => isPlain(value) && Object.values(value).every((each) => ["string", "number", "boolean"].includes(typeof each)),
    "an object of settings, such as { useKarrasSigmas: true }",
  ),
);

const finite = real();
const share = oneOrList(real(0, 1), "a number or a list of numbers, each from 0 to 1");

const LORA_FIELDS: Fields<LoraRequest> = {
  source: described("File, folder or hub id. Without it, the LoRA is looked up by its name.", modelSource),
  name: described("Its name in settings and tags; by default that of its file or folder.", text),
  weight: described("How strongly it acts; 1 by default.", finite),
  unetWeight: described("How strongly it acts on the UNet, if that differs from the text encoders.", finite),
};

const EMBEDDING_FIELDS: Fields<EmbeddingRequest> = {
  source: described("File, folder or hub id.", needed(modelSource, 'such as { source: "cat.safetensors", token: "<cat>" }')),
  token: described("The word for it in prompts; by default the one in its file, or the file's name.", text),
};

export const CACHE_FIELDS: Fields<StepCacheOptions> = {
  interval: described("The whole UNet runs at every nth step; 1 is off.", needed(whole(1), "such as cache: { interval: 3 }")),
  branch: described("Where the UNet is cut: 0, the default, leaves the least to the steps between.", whole(0)),
};

/** The options that say what is loaded. */
export const OPEN_FIELDS: Fields<OpenRequest> = {
  model: described(
    "The checkpoint: a folder, a single .safetensors file or a hub id (OWNER/NAME). The embedded checkpoint, emoji-64, by default.",
    modelSource,
  ),
  config: described("Folder or hub id of configs for a checkpoint in a single file that is built unusually.", modelSource),
  revision: described("Branch, tag or commit of the model on the hub; main by default.", text),
  variant: described("Weight files to prefer, such as fp16. The files without a variant by default.", variant),
  predictionType: described(
    "What the network predicts: the noise (epsilon), the velocity (v_prediction) or the picture (sample). What the checkpoint says by default.",
    oneOf(...PREDICTION_TYPES),
  ),
  vae: described("Folder, single file or hub id of an autoencoder to use instead of the checkpoint's.", modelSource),
  refiner: described("Stable Diffusion XL checkpoint that takes the last denoising steps.", modelSource),
  controlnet: described(
    "ControlNet to follow a picture, or a list of several: folder, single file or hub id.",
    oneOrList(modelSource, "one ControlNet or a list of them, each a folder, a file or a hub id"),
  ),
  loras: described(
    "LoRAs to load, in order. Tags in the prompt, <lora:name:0.8>, add more.",
    groups(LORA_FIELDS, "a list of LoRAs, such as [{ source, weight: 0.8 }]"),
  ),
  embeddings: described(
    "Textual inversion embeddings to load.",
    groups(EMBEDDING_FIELDS, "a list of embeddings, such as [{ source, token }]"),
  ),
  device: described("Where to run; auto, the default, takes a GPU if there is one.", oneOf(...DEVICES)),
  deviceId: described("Which of several GPUs; the first by default.", whole(0)),
  precision: described(
    "exact, the default, computes in float32. fast computes in 8 bits (GPU: 16): quicker, not quite the same picture.",
    oneOf(...PRECISIONS),
  ),
  lowMemory: described("Saves memory at the cost of time; the same picture. false by default.", flag),
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
    `How strongly the picture follows the prompt; 1 and less is off. By default ${GUIDANCE_TEXT}. With a mask ${MASK_GUIDANCE_TEXT}.`,
    real(0),
  ),
  guidanceRescale: described("Restores the contrast that strong guidance changes, from 0 (off, the default) to 1.", real(0, 1)),
  clipSkip: described("Last layers of the text encoder to skip; none by default.", whole(0)),
  seed: described(
    "Seed of the first picture; picture i has seed + i. The same seed gives the same picture. Random by default and for -1.",
    seed,
  ),
  numImagesPerPrompt: described("Pictures to make, each as if it were made alone; 1 by default.", whole(1, MOST_PICTURES)),
  width: described("Width in pixels. By default the checkpoint's, or that of the picture to start from.", whole(1, LARGEST_SIDE)),
  height: described("Height in pixels. By default the checkpoint's, or that of the picture to start from.", whole(1, LARGEST_SIDE)),
  scheduler: described("Scheduler, by class or short name, such as euler-a. The checkpoint's by default.", text),
  timestepSpacing: described("How the scheduler chooses timesteps. The scheduler's own by default.", oneOf(...TIMESTEP_SPACINGS)),
  schedulerConfig: described(
    "More settings of the scheduler, by their names in its config, such as { useKarrasSigmas: true }. The checkpoint's by default.",
    schedulerSettings,
  ),
  cache: described(
    "Computes the whole UNet at every nth step only (interval): quicker, not quite the same picture. Off by default.",
    group(CACHE_FIELDS),
  ),
  image: described("Picture to start from. In JSON: the image file in base64, or a data URL.", picture),
  strength: described(
    `How much of the picture to change, from 0 to 1. By default ${STRENGTH_TEXT}. With a mask ${MASK_STRENGTH_TEXT}.`,
    real(0, 1),
  ),
  maskImage: described(
    "Mask: the picture is repainted where the mask is white. In JSON: the image file in base64, or a data URL.",
    picture,
  ),
  paddingMaskCrop: described("Works on the masked part only, and on this many pixels around it. The whole picture by default.", whole(0)),
  controlImage: described(
    "Picture that the ControlNet follows, or a list with one for each ControlNet. In JSON: image files in base64, or data URLs.",
    oneOrList(picture, "one picture or a list of them"),
  ),
  controlnetConditioningScale: described(
    `Weight of the ControlNets, or a list with one for each. By default ${CONTROL_TEXT}.`,
    oneOrList(real(0), "a number or a list of numbers, each at least 0"),
  ),
  controlGuidanceStart: described(
    "The share of the steps, 0 to 1, at which the ControlNets begin to act, or a list with one for each; 0 by default.",
    share,
  ),
  controlGuidanceEnd: described(
    "The share of the steps, 0 to 1, at which the ControlNets end, or a list with one for each; 1 by default.",
    share,
  ),
  guessMode: described("Lets the ControlNets guide the picture without a prompt; false by default.", flag),
  denoisingEnd: described(`The share of the denoising after which the refiner takes over; ${REFINER_TEXT} by default.`, real(0.01, 0.99)),
};

/** Options that are not part of a request, and where they belong. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  cacheDir: "it is an option of the call: generate(request, { cacheDir })",
  format: "a picture is encoded by its encode or save method",
  localFilesOnly: "it is an option of the call: generate(request, { localFilesOnly: true })",
  onStep: "it is an option of the call: generate(request, { onStep })",
  seeds: "seed is that of the first picture; picture i has seed + i",
  signal: "it is an option of the call: generate(request, { signal })",
  size: "its options for that are width and height",
  token: "it is an option of the call: generate(request, { token })",
};

/** All options of a request. */
export const GENERATE_FIELDS: Fields<GenerateRequest> = { ...OPEN_FIELDS, ...RUN_FIELDS };

/**
 * The valibot schema of a request. `@valibot/to-json-schema` makes JSON Schema of it, with ranges, choices and a description of every
 * option. `generate` and `openWorkflow` check their requests themselves, with messages for people.
 */
export const generateRequest: v.GenericSchema<GenerateRequest> = objectSchema(GENERATE_FIELDS);

/**
 * The request in a value of unknown origin, such as the body of an HTTP request.
 * @throws ArgumentError for an unknown option, with the nearest name; for a wrong value, with what is expected. `argument` names the
 * option.
 */
export function checkRequest(value: unknown): GenerateRequest {
  return checkOptions(value, GENERATE_FIELDS, {
    call: "generate",
    example: 'such as generate({ prompt: "a red fox" })',
    elsewhere: outsideRequest,
  });
}

/**
 * The part of a request that says what is loaded, with the LoRAs that its prompt names by tags. Requests whose parts are equal can share a
 * workflow.
 * @throws ArgumentError for a malformed tag
 */
export function openingOf(request: GenerateRequest): OpenRequest {
  const { loras } = extractLoraTags(request.prompt ?? "");
  const opening = only(request, OPEN_FIELDS);
  return loras.length === 0 ? opening : { ...opening, loras: [...(opening.loras ?? []), ...loras] };
}

/** The part of a request for one run. */
export function runOf(request: GenerateRequest): RunRequest {
  return only(request, RUN_FIELDS);
}

/** The options that say what is loaded, checked. @throws ArgumentError */
export function checkOpening(request: OpenRequest): OpenRequest {
  return checkOptions(request, OPEN_FIELDS, {
    call: "openWorkflow",
    example: "such as openWorkflow({ model })",
    elsewhere: elsewhereIn("run"),
  });
}

/** The options of one run, checked. @throws ArgumentError */
export function checkRunRequest(request: RunRequest): RunRequest {
  const example = 'such as workflow.run({ prompt: "a red fox" })';
  return checkOptions(request, RUN_FIELDS, { call: "run", example, elsewhere: elsewhereIn("openWorkflow") });
}

function elsewhereIn(other: "run" | "openWorkflow"): (name: string) => string | undefined {
  const fields: object = other === "run" ? RUN_FIELDS : OPEN_FIELDS;
  return (name) => (Object.hasOwn(fields, name) ? `it is an option of ${other}` : outsideRequest(name));
}

function outsideRequest(name: string): string | undefined {
  return Object.hasOwn(ELSEWHERE, name) ? ELSEWHERE[name] : undefined;
}

/** The hint for an option of a request that is given beside the request. */
export function belongsToRequest(name: string): string | undefined {
  return Object.hasOwn(GENERATE_FIELDS, name) ? "it is a part of the request" : undefined;
}

function only<Options extends object>(request: Options, fields: Fields<Options>): Options {
  return Object.fromEntries(Object.entries(request).filter(([name]) => Object.hasOwn(fields, name))) as Options;
}

function isSeed(value: unknown): boolean {
  if (typeof value !== "number" && typeof value !== "string" && typeof value !== "bigint") return false;
  try {
    parseSeed(value);
    return true;
  } catch {
    return false;
  }
}

function isPicture(value: unknown): boolean {
  if (typeof value === "string") return /^data:/i.test(value) || /^[A-Za-z0-9+/_-]+[=\s]*$/.test(value);
  // A Picture is recognised by its methods, so that this file need not import the class and its codecs.
  return [Uint8Array, ArrayBuffer, Blob].some((type) => value instanceof type) || hasMethods(value, "encode", "toTensor");
}
