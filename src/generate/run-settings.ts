import type { PredictionType } from "../families/prediction-types.js";
import { formatParameters, PARAMETERS_KEYWORD } from "../image/parameters.js";
import type { ResizeMode } from "../image/vae-image-processor.js";
import type { FreeUFactors } from "../models/freeu.js";
import type { PromptSyntax } from "../pipelines/prompt/prompt-options.js";
import type { GuidanceInterval } from "../pipelines/shared/guidance-interval.js";
import type { StepCacheOptions } from "../pipelines/shared/step-cache.js";
import type { Precision, ResolvedDevice } from "../runtime/device.js";
import { SCHEDULES, type ScheduleName } from "../schedulers/shared/named-schedules.js";
import type { TimestepSpacing } from "../schedulers/shared/timestep-spacing.js";
import { VERSION } from "../version.js";
import type { ControlPreprocessor } from "./control-options.js";
import { FAMILY_OPTIONS, type FamilyRequest } from "./family-request.js";
import { type HiresPass, upscalerName } from "./hires.js";
import type { ImagePromptScales } from "./image-prompt-request.js";
import type { LoadedEmbedding, LoadedLoraFile } from "./load-adapters.js";
import type { SchedulerSettings } from "./run-request.js";
import { samplerSettings } from "./sampler-settings.js";

/** The settings of a run: its request with all defaults filled in, and what is loaded. */
export interface RunSettings extends FamilyRequest {
  /** The checkpoint's name. */
  readonly model: string;
  /** The prompt without its tags; undefined for a checkpoint without prompts. */
  readonly prompt: string | undefined;
  /** The prompt with a tag for each LoRA. */
  readonly taggedPrompt: string | undefined;
  /** The negative prompt. */
  readonly negativePrompt: string | undefined;
  /** How prompts are read. */
  readonly promptSyntax: PromptSyntax;
  /** What the pictures show, for a consistency model: one class for all, or one for each; undefined if it is drawn. */
  readonly classLabels?: readonly number[] | undefined;
  /** Denoising steps. */
  readonly numInferenceSteps: number;
  /** The timesteps, if the request gives them. */
  readonly timesteps?: readonly number[] | undefined;
  /** The noise levels, if the request gives them. */
  readonly sigmas?: readonly number[] | undefined;
  /** Guidance, or a list with that of each step; undefined for a checkpoint without prompts. */
  readonly guidanceScale: number | readonly number[] | undefined;
  /** Against overexposure; 0 is off, 1 takes all of it. */
  readonly guidanceRescale: number | undefined;
  /** The part of the run in which there is guidance; undefined for the whole run. */
  readonly guidanceInterval: GuidanceInterval | undefined;
  /** FreeU's factors; undefined without FreeU. */
  readonly freeU: FreeUFactors | undefined;
  /** Strength of perturbed-attention guidance. */
  readonly pagScale: number | undefined;
  /** How fast it fades. */
  readonly pagAdaptiveScale: number | undefined;
  /** The self-attention that is perturbed. */
  readonly pagAppliedLayers: string | readonly string[] | undefined;
  /** The share of fresh noise in a step, if the request says it. */
  readonly eta: number | undefined;
  /** How much of the picture to start from is changed; undefined without one. */
  readonly strength: number | undefined;
  /** How strongly an edited picture stays like the given one; undefined if no picture is edited. */
  readonly imageGuidanceScale: number | undefined;
  /** How much noise the x4 upscaler gives the small picture, if the request says it. */
  readonly noiseLevel: number | undefined;
  /** The second pass that makes the picture larger; undefined without it. */
  readonly hires: HiresPass | undefined;
  /** Last layers of the text encoder that are skipped. */
  readonly clipSkip: number | undefined;
  /** The seed of each picture. */
  readonly seeds: readonly bigint[];
  /** The width in the request. */
  readonly width: number | undefined;
  /** The height in the request. */
  readonly height: number | undefined;
  /** The scheduler's class. */
  readonly scheduler: string;
  /** The scheduler's config. */
  readonly schedulerConfig: Readonly<Record<string, unknown>>;
  /** The name of the noise levels, if the request has one. */
  readonly schedule?: ScheduleName | undefined;
  /** What of the scheduler's config the request says. */
  readonly schedulerSettings: SchedulerSettings | undefined;
  /** What the network predicts, if the request says it. */
  readonly predictionType: PredictionType | undefined;
  /** How timesteps are chosen, if the request says it. */
  readonly timestepSpacing: TimestepSpacing | undefined;
  /** The step cache. */
  readonly cache: StepCacheOptions | undefined;
  /** The share of tokens that are merged. */
  readonly tokenMerging: number | undefined;
  /** Name of the file to start from, "data" without a name; undefined if the run starts from noise. */
  readonly image: string | undefined;
  /** Name of the mask's file. */
  readonly maskImage: string | undefined;
  /** Pixels around the masked part that are worked on, too; undefined if the whole picture is. */
  readonly paddingMaskCrop: number | undefined;
  /** The ControlNets, with the names of their pictures. */
  readonly controls: readonly ControlSettings[];
  /** The IP-Adapters, with the names of their pictures. */
  readonly ipAdapters?: readonly IPAdapterSettings[] | undefined;
  /** Whether the ControlNets guide the picture without a prompt. */
  readonly guessMode: boolean | undefined;
  /** Name of the autoencoder that replaces the checkpoint's. */
  readonly vae: string | undefined;
  /** Name of the refiner. */
  readonly refiner: string | undefined;
  /** The upscaler of the finished pictures, and how many times as wide and high it makes them; undefined without one. */
  readonly upscaler?:
    | {
        /** Its name. */
        readonly name: string;
        /** How many times as wide and high it makes a picture. */
        readonly scale: number;
      }
    | undefined;
  /** The share of the denoising after which the refiner takes over; undefined without refiner. */
  readonly denoisingEnd: number | undefined;
  /** LoRAs at work. */
  readonly loras: readonly LoadedLoraFile[];
  /** Embeddings that the prompts use. */
  readonly embeddings: readonly LoadedEmbedding[];
  /** Where the networks run. */
  readonly device: ResolvedDevice;
  /** How closely the networks compute. */
  readonly precision: Precision;
}

/** A ControlNet at work. */
export interface ControlSettings {
  /** Its name. */
  readonly model: string;
  /** Name of its picture's file, "data" without a name. */
  readonly image: string;
  /** Its weight. */
  readonly scale: number;
  /** The share of the steps at which it begins to act. */
  readonly start: number;
  /** The share of the steps at which it ends. */
  readonly end: number;
  /** The number of its picture's type, for a ControlNet Union. */
  readonly mode?: number | undefined;
  /** What made its picture of the given one. */
  readonly preprocessor?: ControlPreprocessor | undefined;
  /** How the given picture was resized. */
  readonly resizeMode?: ResizeMode | undefined;
}

/** An IP-Adapter at work. */
export interface IPAdapterSettings {
  /** The name of its file. */
  readonly model: string;
  /** Names of its pictures' files, "data" without a name. */
  readonly images: readonly string[];
  /** How strongly they act. */
  readonly scale: ImagePromptScales;
  /** Names of the files that say where they act; undefined if they act everywhere. */
  readonly masks?: readonly string[] | undefined;
}

/** One image file. */
export interface PictureFacts {
  /** Width in pixels. */
  readonly width: number;
  /** Height in pixels. */
  readonly height: number;
  /** The picture's seed; of a grid, that of its first picture. */
  readonly seed: bigint;
  /** Pictures in the file; 1 unless it is a grid. */
  readonly count?: number | undefined;
}

/**
 * The text chunks of an image file: all that is needed to make the picture again, under AUTOMATIC1111's names if it has such a name. They
 * are the `text` of `Picture.encode`.
 */
export function settingsText(run: RunSettings, { width, height, seed, count = 1 }: PictureFacts): Record<string, string> {
  const { guidanceScale, guidanceRescale, guidanceInterval, freeU, eta, clipSkip, vae, refiner, cache, tokenMerging, scheduler } = run;
  const settings = {
    Steps: String(run.numInferenceSteps),
    ...samplerSettings(scheduler, run.schedulerConfig),
    ...(run.schedule && { "Schedule type": SCHEDULES[run.schedule] }),
    // Its readers expect one number.
    ...(guidanceScale !== undefined && { "CFG scale": String([guidanceScale].flat()[0]) }),
    ...(typeof guidanceScale === "object" && { "Guidance scales": guidanceScale.join(" ") }),
    ...(run.imageGuidanceScale !== undefined && { "Image CFG scale": String(run.imageGuidanceScale) }),
    ...(run.noiseLevel !== undefined && { "Noise level": String(run.noiseLevel) }),
    ...(guidanceRescale && { "Guidance rescale": String(guidanceRescale) }),
    ...(guidanceInterval && { "Guidance interval": intervalText(guidanceInterval) }),
    ...(freeU && { FreeU: `s1 ${freeU.s1} s2 ${freeU.s2} b1 ${freeU.b1} b2 ${freeU.b2}` }),
    ...pagSettings(run),
    ...familySettings(run),
    ...(eta && { Eta: String(eta) }),
    ...(run.classLabels && { Class: run.classLabels.join(" ") }),
    Seed: String(seed),
    ...sizeSetting(run, width, height),
    Model: run.model,
    ...(vae !== undefined && { VAE: vae }),
    ...startSettings(run),
    ...hiresSettings(run),
    ...(run.upscaler && { "Postprocess upscale by": String(run.upscaler.scale), "Postprocess upscaler": run.upscaler.name }),
    // AUTOMATIC1111 counts layers from the last one, diffusers counts the skipped layers.
    ...(clipSkip !== undefined && { "Clip skip": String(clipSkip + 1) }),
    ...(refiner !== undefined && { Refiner: refiner, "Refiner switch at": String(run.denoisingEnd) }),
    ...(count > 1 && { "Batch size": String(count) }),
    RNG: "CPU",
    ...(run.precision === "fast" && { Precision: "fast" }),
    ...(cache && cacheSettings(cache)),
    ...(tokenMerging && { "Token merging ratio": String(tokenMerging) }),
    ...adapterSettings(run),
    ...emphasisSetting(run),
    Scheduler: scheduler,
    ...(run.predictionType && { "Prediction type": run.predictionType }),
    ...(run.timestepSpacing && { "Timestep spacing": run.timestepSpacing }),
    ...(run.timesteps && { Timesteps: run.timesteps.join(", ") }),
    ...(run.sigmas && { Sigmas: run.sigmas.join(", ") }),
    ...schedulerSetting(run),
    Version: `darkroom ${VERSION}`,
  };
  const { taggedPrompt: prompt = "", negativePrompt = "" } = run;
  return { [PARAMETERS_KEYWORD]: formatParameters({ prompt, negativePrompt, settings }) };
}

/** A step cache that is on. */
function cacheSettings({ interval = 1, threshold = 0, branch = 0 }: StepCacheOptions): Record<string, string> {
  const isOn = interval > 1 || threshold > 0;
  return {
    ...(interval > 1 && { "DeepCache interval": String(interval) }),
    ...(threshold > 0 && { "Step cache threshold": String(threshold) }),
    ...(isOn && branch > 0 && { "DeepCache branch": String(branch) }),
  };
}

/** `0.2-0.8`, or with noise levels `sigma 0.28-5.42`. */
function intervalText({ start = 0, stop = 1, sigmaLow, sigmaHigh }: GuidanceInterval): string {
  return sigmaLow === undefined && sigmaHigh === undefined ? `${start}-${stop}` : `sigma ${sigmaLow ?? 0}-${sigmaHigh ?? "inf"}`;
}

function pagSettings({ pagScale, pagAdaptiveScale, pagAppliedLayers }: RunSettings): Record<string, string> {
  if (!pagScale) return {};
  return {
    "PAG scale": String(pagScale),
    ...(pagAdaptiveScale && { "PAG adaptive scale": String(pagAdaptiveScale) }),
    ...(pagAppliedLayers !== undefined && { "PAG layers": [pagAppliedLayers].flat().join(" ") }),
  };
}

/** The options that only some families have, by their names in the API. Commas would end a setting. */
function familySettings(run: FamilyRequest): Record<string, string> {
  return Object.fromEntries(
    FAMILY_OPTIONS.flatMap((name) => {
      const value = run[name];
      return value === undefined ? [] : [[wordsOf(name), Array.isArray(value) ? value.join(" ") : String(value)]];
    }),
  );
}

/** `trueCfgScale` as `True cfg scale`. */
function wordsOf(name: string): string {
  const words = name.replace(/([A-Z]|\d+)/g, " $1").toLowerCase();
  return `${words[0]?.toUpperCase()}${words.slice(1)}`;
}

/** Without what "Schedule type" says. */
function schedulerSetting({ schedulerSettings = {} }: RunSettings): Record<string, string> {
  const others = Object.entries(schedulerSettings).filter(([name]) => !/^use(Karras|Exponential|Beta)Sigmas$/.test(name));
  return others.length === 0 ? {} : { "Scheduler config": JSON.stringify(Object.fromEntries(others)) };
}

/** The size that the networks worked at. Around a mask, the result has the size of the picture instead. */
function sizeSetting(run: RunSettings, width: number, height: number): Record<string, string> {
  const isAroundMask = run.maskImage !== undefined && run.paddingMaskCrop !== undefined;
  if (!isAroundMask) return { Size: `${width}x${height}` };
  return run.width === undefined || run.height === undefined ? {} : { Size: `${run.width}x${run.height}` };
}

/** Hashes by which AUTOMATIC1111's web UI, and sites that read its pictures, know LoRAs and embeddings. */
function adapterSettings({ loras, embeddings }: RunSettings): Record<string, string> {
  const list = (entries: readonly (readonly [name: string, hash: string])[]) =>
    // Its readers split at commas and colons.
    [...new Set(entries.map(([name, hash]) => `${name.replace(/[:,]/g, "")}: ${hash}`))].join(", ");
  return {
    ...(loras.length > 0 && { "Lora hashes": list(loras.map(({ name, hash }) => [name, hash])) }),
    ...(embeddings.length > 0 && { "TI hashes": list(embeddings.map(({ tokens: [token = ""], hash }) => [token, hash])) }),
  };
}

/** AUTOMATIC1111's web UI reads brackets as emphasis by default. */
function emphasisSetting({ promptSyntax, prompt = "", negativePrompt = "" }: RunSettings): Record<string, string> {
  return promptSyntax === "plain" && /[([]/.test(prompt + negativePrompt) ? { Emphasis: "None" } : {};
}

/** As the web UI writes them. */
function hiresSettings({ hires }: RunSettings): Record<string, string> {
  if (!hires) return {};
  const { scale, width, height, steps, strength, tile, overlap } = hires;
  return {
    "Denoising strength": String(strength),
    ...(scale === undefined ? { "Hires resize": `${width ?? 0}x${height ?? 0}` } : { "Hires upscale": String(scale) }),
    "Hires steps": String(steps),
    "Hires upscaler": upscalerName(hires),
    ...(tile !== undefined && { "Hires tile": String(tile), "Hires tile overlap": String(overlap) }),
  };
}

function startSettings({
  image,
  maskImage,
  paddingMaskCrop,
  strength,
  controls,
  guessMode,
  ipAdapters = [],
}: RunSettings): Record<string, string> {
  return {
    ...(image !== undefined && { ...(strength !== undefined && { "Denoising strength": String(strength) }), "Init image": image }),
    ...(maskImage !== undefined && { Mask: maskImage }),
    ...(paddingMaskCrop !== undefined && { "Inpaint area": "Only masked", "Masked area padding": String(paddingMaskCrop) }),
    // As AUTOMATIC1111's ControlNet extension writes them, a field for each network.
    ...Object.fromEntries(controls.map((control, i) => [`ControlNet ${i}`, controlText(control, guessMode)])),
    ...Object.fromEntries(
      ipAdapters.map(({ model, scale, images, masks }, i) => [
        `IP-Adapter ${i}`,
        `Model: ${model}, Weight: ${JSON.stringify(scale)}, Image: ${images.join(" ")}${masks ? `, Mask: ${masks.join(" ")}` : ""}`,
      ]),
    ),
  };
}

/** The ControlNet extension's names of ways to resize. */
const RESIZE_MODES: Readonly<Record<ResizeMode, string>> = {
  default: "Just Resize",
  crop: "Crop and Resize",
  fill: "Resize and Fill",
};

/** Only what differs from the defaults is written besides the network, its weight and its picture. */
function controlText(control: ControlSettings, guessMode = false): string {
  const { model, scale, image, start, end, mode, preprocessor = "none", resizeMode = "default" } = control;
  const edges = typeof preprocessor === "string" ? undefined : preprocessor;
  const fields = {
    ...(preprocessor !== "none" && { Module: edges?.name ?? preprocessor }),
    Model: model,
    ...(mode !== undefined && { "Union Control Type": mode }),
    Weight: scale,
    ...(resizeMode !== "default" && { "Resize Mode": RESIZE_MODES[resizeMode] }),
    ...(edges?.lowThreshold !== undefined && { "Threshold A": edges.lowThreshold }),
    ...(edges?.highThreshold !== undefined && { "Threshold B": edges.highThreshold }),
    ...(start > 0 && { "Guidance Start": start }),
    ...(end < 1 && { "Guidance End": end }),
    ...(guessMode && { "Control Mode": "Guess" }),
    Image: image,
  };
  return Object.entries(fields)
    .map(([name, value]) => `${name}: ${value}`)
    .join(", ");
}
