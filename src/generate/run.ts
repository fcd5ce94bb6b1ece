import { ArgumentError } from "../errors.js";
import { EMBEDDED } from "../families/embedded.js";
import type { ControlName, Defaults } from "../families/family.js";
import type { Picture } from "../image/picture.js";
import type { Upscaler } from "../models/upscaler.js";
import { PAG_SCALE } from "../pipelines/shared/pag-options.js";
import type { SteeringOptions } from "../pipelines/shared/steering.js";
import { resolveScheduler } from "../schedulers/registry.js";
import { warn } from "../warnings.js";
import { applyPreset, warnOfPreset } from "./apply-preset.js";
import { chooseScheduler } from "./choose-scheduler.js";
import { type Control, readControls } from "./controls.js";
import { denoisingEndOf, type KnownFamily, workflowFor } from "./families.js";
import { familyOptionsOf } from "./family-request.js";
import { givenPicture, hiresPass, hiresRunner } from "./hires.js";
import type { ImagePromptScales } from "./image-prompt-request.js";
import { type ImagePrompt, imagePromptScales, inWordsOfParts, readImagePrompts } from "./image-prompts.js";
import { listOf } from "./list-of.js";
import type { LoadedAdapters } from "./load-adapters.js";
import type { ModelSource } from "./model-source.js";
import { nameOf } from "./name-of.js";
import { namedLevels } from "./named-levels.js";
import type { OpenRequest } from "./open-request.js";
import { readTags, taggedPrompt } from "./prompt-tags.js";
import type { RunRequest } from "./run-request.js";
import { type RunSettings, settingsText } from "./run-settings.js";
import { eachStep, type RunnerResult, type RunnerStep } from "./runner.js";
import { seedsOf } from "./seeds.js";
import { type NamedPicture, readStart, type Start } from "./start.js";
import type { Job, OpenNetworks } from "./workflows/workflow.js";

/** What happens in a run. */
export type GenerateEvent = StartEvent | StepEvent | PictureEvent;

/** The first event of a run. */
export interface StartEvent {
  /** Distinguishes the events. */
  readonly kind: "start";
  /** What the run works with. */
  readonly settings: RunSettings;
}

/** A denoising step that has been taken. */
export interface StepEvent extends RunnerStep {
  /** Distinguishes the events. */
  readonly kind: "step";
  /** The picture that is being made, from 0. */
  readonly index: number;
}

/** A picture is finished. */
export interface PictureEvent {
  /** Distinguishes the events. */
  readonly kind: "picture";
  /** The picture. */
  readonly picture: GeneratedPicture;
}

/** A finished picture. */
export interface GeneratedPicture {
  /** Its place in the run, from 0. */
  readonly index: number;
  /** Its seed. */
  readonly seed: bigint;
  /** The pixels. */
  readonly image: Picture;
  /** Whether the safety checker found it unsafe and made it black; undefined without a safety checker. */
  readonly nsfwContentDetected?: boolean | undefined;
  /** The text chunks for its file: the settings as AUTOMATIC1111 writes them. `image.encode(format, { text })` puts them into the file. */
  readonly text: Readonly<Record<string, string>>;
}

/** What a run gives. */
export interface GenerateResult {
  /** What the run worked with. */
  readonly settings: RunSettings;
  /** The pictures in order. */
  readonly pictures: readonly GeneratedPicture[];
}

/** An open workflow, as its runs see it. */
export interface RunContext {
  readonly opening: OpenRequest & { readonly model: ModelSource };
  readonly family: KnownFamily;
  /** The networks that steer; undefined without any. */
  readonly control: ControlName | undefined;
  readonly networks: OpenNetworks;
  readonly adapters: LoadedAdapters;
  /** Makes the finished pictures larger. */
  readonly upscaler: Upscaler | undefined;
  /** Makes the pictures of the first pass larger. */
  readonly hiresUpscaler: Upscaler | undefined;
  readonly isEmbedded: boolean;
  /** What the checkpoint's model card advises, where the pipeline's defaults are others. */
  readonly advised: Partial<Defaults>;
  /** Whether the checkpoint is for a pipeline with perturbed-attention guidance in its name. */
  readonly isPag: boolean;
}

/** Options of one run. */
export interface RunOptions {
  /** Stops the run between two steps, with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Called after every step, before its event; may replace latents, embeddings and guidance, and end a picture early: see `StepEnd` and
   * `StepChanges` of `darkroom`. With a refiner, or a second pass, it is called in the steps of both. Not for checkpoints without prompts.
   */
  readonly onStepEnd?: SteeringOptions["onStepEnd"];
}

/** A run that needs nothing but the networks. */
export interface PreparedRun {
  readonly request: RunRequest;
  readonly start: Start;
  readonly controls: readonly Control[];
  readonly imagePrompts: readonly ImagePrompt[];
}

/** Checks everything about a run that can be checked without the checkpoint, and decodes its pictures. @throws ArgumentError */
export async function prepareRun(given: RunRequest): Promise<PreparedRun> {
  const request = applyPreset(given);
  readTags(request);
  seedsOf(request);
  if (request.scheduler !== undefined) resolveScheduler(request.scheduler);
  const [start, controls, imagePrompts] = await Promise.all([readStart(request), readControls(request), readImagePrompts(request)]);
  return { request, start, controls, imagePrompts };
}

/**
 * Makes the pictures one after another, each as if it were made alone.
 * @throws ArgumentError, DeviceError; the signal's reason between two steps
 */
export async function* runEvents(
  context: RunContext,
  prepared: PreparedRun,
  { signal, onStepEnd }: RunOptions,
): AsyncGenerator<GenerateEvent, GenerateResult, void> {
  const { networks, family, upscaler, hiresUpscaler } = context;
  if (onStepEnd && !family.takesPrompt) {
    throw new ArgumentError(`onStepEnd was given; ${family.name} makes pictures without a prompt, and its pipelines do not call it`, {
      argument: "onStepEnd",
      hint: "a loop over the run's events sees every step",
    });
  }
  const { job, settings } = prepare(context, prepared, onStepEnd);
  const once = settings.hires && job.start.kind === "image" ? givenPicture(job) : await networks.runner(job);
  const takesAllSteps = family.workflows.image?.takesAllSteps === true;
  const second = { networks, takesAllSteps, upscaler: hiresUpscaler };
  const { run } = settings.hires ? hiresRunner(second, job, once, settings.hires) : once;
  yield { kind: "start", settings };
  const pictures: GeneratedPicture[] = [];
  for (const [index, seed] of settings.seeds.entries()) {
    const {
      image: made,
      nsfwContentDetected,
      firstSize = made,
    } = yield* stepsOf(run(seed, signal, index), index, { request: prepared.request, signal });
    // As in the web UI, the size in the settings is the one before.
    const classLabels = settings.classLabels && [settings.classLabels.at(index) ?? settings.classLabels.at(-1) ?? 0];
    const text = settingsText({ ...settings, classLabels }, { width: firstSize.width, height: firstSize.height, seed });
    const image = (await upscaler?.upscale(made, { signal })) ?? made;
    const picture = { index, seed, image, ...(nsfwContentDetected !== undefined && { nsfwContentDetected }), text };
    pictures.push(picture);
    yield { kind: "picture", picture };
  }
  return { settings, pictures };
}

async function* stepsOf(
  steps: AsyncGenerator<RunnerStep, RunnerResult, void>,
  index: number,
  { request, signal }: { readonly request: RunRequest; readonly signal: AbortSignal | undefined },
): AsyncGenerator<StepEvent, RunnerResult, void> {
  try {
    return yield* eachStep(steps, (step): StepEvent => ({ kind: "step", index, ...step }));
  } catch (error) {
    signal?.throwIfAborted();
    throw inWordsOfParts(error, request);
  }
}

/** The request with its defaults filled in, for the networks and for people. */
function prepare(
  { opening, family, control, networks, adapters, upscaler, isEmbedded, advised, isPag }: RunContext,
  { request, start, controls, imagePrompts }: PreparedRun,
  onStepEnd: RunOptions["onStepEnd"],
): { job: Job; settings: RunSettings } {
  const { prompt, loras } = readTags(request);
  warnOfPreset(request, family);
  const { defaults: usual } = workflowFor(request, family, control);
  // The second pass starts from a picture.
  if (request.hires) workflowFor({ ...request, image: "first pass" }, family, control);
  const defaults = isEmbedded ? EMBEDDED.defaults : { ...usual, ...advised };
  const { predictionType } = opening;
  const { timestepSpacing, schedule } = request;
  const named = request.scheduler === undefined ? undefined : resolveScheduler(request.scheduler);
  const own = chooseScheduler(networks.pipeline.scheduler, named, { predictionType, timestepSpacing }, request.schedulerConfig);
  const levels = schedule && namedLevels(schedule, own, family);
  const schedulerConfig = levels?.config ? { ...request.schedulerConfig, ...levels.config } : request.schedulerConfig;
  const scheduler = levels?.config ? own.clone(levels.config) : own;
  const steps = askedSteps(request) ?? defaults.steps;
  const sigmas = levels?.of ? levels.of(steps) : request.sigmas;
  const note = scheduler.noteOnSteps(steps);
  if (note !== undefined) warn(note);
  const denoisingEnd = opening.refiner === undefined ? undefined : denoisingEndOf(request, family);
  const trueScale = family.guidance === "trueCfgScale" ? request.trueCfgScale : undefined;
  const common = {
    prompt,
    negativePrompt: request.negativePrompt,
    promptSyntax: request.promptSyntax ?? "plain",
    classLabels: request.classLabels === undefined ? undefined : listOf(request.classLabels),
    numInferenceSteps: levels?.of && sigmas ? sigmas.length - 1 : steps,
    timesteps: request.timesteps,
    ...familyOptionsOf(request),
    guidanceScale: family.takesPrompt ? (request.guidanceScale ?? trueScale ?? defaults.guidance) : undefined,
    guidanceRescale: request.guidanceRescale,
    guidanceInterval: request.guidanceInterval,
    freeU: request.freeU,
    pagScale: request.pagScale ?? (isPag ? PAG_SCALE : undefined),
    pagAdaptiveScale: request.pagAdaptiveScale,
    pagAppliedLayers: request.pagAppliedLayers,
    eta: request.eta,
    clipSkip: request.clipSkip,
    strength: request.strength ?? usual.strength,
    noiseLevel: request.noiseLevel,
    imageGuidanceScale: request.imageGuidanceScale ?? usual.imageGuidance,
    width: request.width,
    height: request.height,
    timestepSpacing,
    cache: request.cache,
    tokenMerging: request.tokenMerging,
    paddingMaskCrop: request.paddingMaskCrop,
    guessMode: request.guessMode,
    denoisingEnd,
  };
  return {
    job: {
      ...common,
      onStepEnd,
      sigmas,
      levelsOf: levels?.of,
      start,
      controls,
      imagePrompts,
      imagePromptScales: imagePromptScales(request, imagePrompts.length, family),
      scheduler,
      // Without the prediction type: another network may have another.
      schedulerFrom: (own) => chooseScheduler(own, named, { timestepSpacing }, schedulerConfig),
    },
    settings: {
      ...common,
      sigmas: request.sigmas,
      schedule,
      model: nameOf(opening.model),
      taggedPrompt: request.prompt === undefined ? undefined : taggedPrompt(request.prompt, loras, adapters.loras),
      seeds: seedsOf(request),
      hires: request.hires && hiresPass(request.hires, common.numInferenceSteps, opening.hiresUpscaler),
      scheduler: scheduler.className,
      schedulerConfig: scheduler.config,
      schedulerSettings: schedulerConfig,
      predictionType,
      ...picturesOf(start),
      controls: settingsOf(controls, opening, usual),
      ipAdapters: adapterSettingsOf(request, imagePrompts, opening),
      vae: opening.vae && nameOf(opening.vae),
      refiner: opening.refiner && nameOf(opening.refiner),
      upscaler: opening.upscaler !== undefined && upscaler ? { name: nameOf(opening.upscaler), scale: upscaler.scale } : undefined,
      loras: adapters.loras,
      embeddings: usedEmbeddings(adapters, `${prompt}\n${request.negativePrompt ?? ""}`),
      device: networks.pipeline.device,
      precision: networks.pipeline.precision,
    },
  };
}

/** The number of steps that a request asks for, in whichever way. The last noise level ends the last step. */
function askedSteps({ numInferenceSteps, timesteps, sigmas }: RunRequest): number | undefined {
  return timesteps?.length ?? (sigmas && sigmas.length - 1) ?? numInferenceSteps;
}

function usedEmbeddings({ embeddings }: LoadedAdapters, prompts: string): LoadedAdapters["embeddings"] {
  const text = prompts.toLowerCase();
  return embeddings.filter(({ tokens, source }) => {
    const isUsed = tokens.some((token) => text.includes(token.toLowerCase()));
    if (!isUsed)
      warn((name) => `${source} is written as ${tokens.join(", ")}, which is neither in the prompt nor in ${name("negativePrompt")}`);
    return isUsed;
  });
}

function othersOf(start: Start): readonly NamedPicture[] {
  return (start.kind === "image" && start.others) || [];
}

function picturesOf(start: Start): Pick<RunSettings, "image" | "maskImage"> {
  return {
    image:
      start.kind === "image" || start.kind === "mask" ? [start.image, ...othersOf(start)].map(({ name }) => name).join(", ") : undefined,
    maskImage: start.kind === "mask" ? start.mask.name : undefined,
  };
}

function settingsOf(controls: readonly Control[], { controlnet }: OpenRequest, { control: usual = 1 }: Defaults): RunSettings["controls"] {
  const nets = listOf(controlnet);
  return controls.map(({ image, scale = usual, start = 0, end = 1, mode, preprocessor, resizeMode }, i) => ({
    model: nameOf(nets[i] ?? nets[0] ?? ""),
    mode,
    preprocessor,
    resizeMode,
    image: image.name,
    scale,
    start,
    end,
  }));
}

function adapterSettingsOf(
  { ipAdapterScale }: RunRequest,
  prompts: readonly ImagePrompt[],
  { ipAdapters = [] }: OpenRequest,
): RunSettings["ipAdapters"] {
  const scales = listOf<ImagePromptScales>(ipAdapterScale);
  const names = (pictures: readonly NamedPicture[]) => pictures.map(({ name }) => name);
  return prompts.map(({ images, masks }, i) => {
    const { source, weightName } = ipAdapters[i] ?? { source: "" };
    const scale = (scales.length === 1 ? scales[0] : scales[i]) ?? 1;
    return { model: nameOf(weightName ?? source), images: names(images), scale, ...(masks && { masks: names(masks) }) };
  });
}
