import { resolve } from "node:path";
import { ArgumentError } from "../errors.js";
import type { PredictionType } from "../families/prediction-types.js";
import type { PresetName } from "../families/presets.js";
import { checkCombinations } from "../generate/combinations.js";
import type { ControlMode, ControlPreprocessor } from "../generate/control-options.js";
import type { FamilyRequest } from "../generate/family-request.js";
import type { EmbeddingRequest, LoraRequest } from "../generate/open-request.js";
import type { GenerateRequest } from "../generate/request.js";
import { seedsOf } from "../generate/seeds.js";
import { embeddedCheckpointPath } from "../hub/embedded.js";
import type { ResizeMode } from "../image/vae-image-processor.js";
import type { Device, Quantisation } from "../runtime/device.js";
import type { ScheduleName } from "../schedulers/shared/named-schedules.js";
import type { TimestepSpacing } from "../schedulers/shared/timestep-spacing.js";
import type { LibraryOptions } from "./adapter-options.js";
import { type ImagePromptOptions, imagePromptsOf, picturesByAdapter } from "./image-prompt-options.js";
import type { Size } from "./values.js";

/** The options of `darkroom generate` as commander gives them. */
export interface GenerateOptions extends LibraryOptions, ImagePromptOptions {
  readonly model?: string;
  readonly config?: string;
  readonly revision?: string;
  readonly cacheDir?: string;
  readonly offline?: boolean;
  readonly class?: number | readonly number[];
  readonly negative?: string;
  readonly weighted?: boolean;
  readonly steps?: number;
  readonly timesteps?: readonly number[];
  readonly sigmas?: readonly number[];
  readonly guidance?: number | readonly number[];
  readonly guidanceRescale?: number;
  readonly guidanceInterval?: GenerateRequest["guidanceInterval"];
  readonly freeu?: GenerateRequest["freeU"];
  readonly pag?: number;
  readonly preset?: PresetName;
  readonly seed?: string;
  readonly size?: Size;
  readonly count: number;
  readonly hires?: number | Size;
  readonly hiresSteps?: number;
  readonly hiresStrength?: number;
  readonly hiresUpscaler?: string;
  readonly hiresTile?: number;
  readonly hiresOverlap?: number;
  readonly scheduler?: string;
  readonly originalSteps?: number;
  readonly prediction?: PredictionType;
  readonly spacing?: TimestepSpacing;
  readonly schedule?: ScheduleName;
  readonly clipSkip?: number;
  readonly prompt2?: string;
  readonly prompt3?: string;
  readonly negative2?: string;
  readonly negative3?: string;
  readonly maxTokens?: number;
  readonly trueCfg?: number;
  readonly cfgTruncation?: number;
  readonly cfgNormalization?: number;
  readonly skipLayers?: readonly number[];
  readonly skipLayerScale?: number;
  readonly skipLayerStart?: number;
  readonly skipLayerStop?: number;
  readonly mu?: number;
  readonly maxArea?: number;
  readonly resize?: boolean;
  readonly textLayers?: readonly number[];
  readonly image?: readonly string[];
  readonly strength?: number;
  readonly imageGuidance?: number;
  readonly depthMap?: string;
  readonly noiseLevel?: number;
  readonly mask?: string;
  readonly maskPadding?: number;
  readonly control?: readonly string[];
  readonly controlImage?: readonly string[];
  readonly controlScale?: readonly number[];
  readonly controlStart?: readonly number[];
  readonly controlEnd?: readonly number[];
  readonly controlGuess?: boolean;
  readonly controlMode?: readonly ControlMode[];
  readonly controlPreprocess?: readonly ControlPreprocessor[];
  readonly controlResize?: readonly ResizeMode[];
  readonly lora?: readonly (LoraRequest & { readonly source: string })[];
  readonly embedding?: readonly (EmbeddingRequest & { readonly source: string })[];
  readonly vae?: string;
  readonly textEncoder?: readonly string[];
  readonly upscale?: string;
  readonly refiner?: string;
  readonly refineFrom?: number;
  readonly device: Device;
  readonly fast?: boolean;
  readonly quantize?: Quantisation;
  readonly lowMemory?: boolean;
  readonly cache?: GenerateRequest["cache"];
  readonly tokenMerging?: number;
  readonly variant?: string;
  readonly out?: string;
  readonly jpeg?: boolean;
  readonly webp?: boolean;
  readonly quality?: number;
  readonly grid?: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/**
 * The request of the command line. Its seed is drawn. Its pictures are still paths or web addresses: {@link readPictures} reads them.
 * @throws ArgumentError for options that do not go together, and for seeds beyond 2^64 - 1.
 */
export function toRequest(prompt: string | undefined, options: GenerateOptions): GenerateRequest {
  if (options.jpeg && options.webp) {
    throw new ArgumentError("--jpeg and --webp cannot be combined: a picture is written in one format", {
      hint: "leave out one of the two",
    });
  }
  const request: GenerateRequest = {
    prompt,
    classLabels: options.class,
    negativePrompt: options.negative,
    promptSyntax: options.weighted ? "a1111" : undefined,
    model: modelOf(options.model),
    config: options.config,
    revision: options.revision,
    variant: options.variant,
    predictionType: options.prediction,
    vae: options.vae,
    textEncoder: options.textEncoder,
    upscaler: options.upscale,
    refiner: options.refiner,
    denoisingEnd: options.refineFrom,
    controlnet: options.control,
    controlImage: options.controlImage,
    controlnetConditioningScale: options.controlScale,
    controlGuidanceStart: options.controlStart,
    controlGuidanceEnd: options.controlEnd,
    guessMode: options.controlGuess,
    controlMode: options.controlMode,
    controlPreprocessor: options.controlPreprocess,
    controlResizeMode: options.controlResize,
    loras: options.lora,
    embeddings: options.embedding,
    ...imagePromptsOf(options),
    image: options.image && oneOrMore(options.image),
    strength: options.strength,
    imageGuidanceScale: options.imageGuidance,
    depthMap: options.depthMap,
    noiseLevel: options.noiseLevel,
    maskImage: options.mask,
    paddingMaskCrop: options.maskPadding,
    numInferenceSteps: options.steps,
    timesteps: options.timesteps,
    sigmas: options.sigmas,
    guidanceScale: options.guidance,
    guidanceRescale: options.guidanceRescale,
    guidanceInterval: options.guidanceInterval,
    freeU: options.freeu,
    pagScale: options.pag,
    preset: options.preset,
    clipSkip: options.clipSkip,
    ...familyOptions(options),
    seed: options.seed,
    numImagesPerPrompt: options.count,
    width: options.size?.width,
    height: options.size?.height,
    hires: hiresOf(options),
    scheduler: options.scheduler,
    timestepSpacing: options.spacing,
    schedule: options.schedule,
    schedulerConfig: options.originalSteps === undefined ? undefined : { originalInferenceSteps: options.originalSteps },
    cache: options.cache,
    tokenMerging: options.tokenMerging,
    device: options.device,
    precision: options.fast ? "fast" : undefined,
    quantize: options.quantize,
    lowMemory: options.lowMemory,
  };
  checkCombinations(request, { isPlanned: true });
  return { ...request, seed: seedsOf(request)[0] };
}

/** The options that only some families have. */
function familyOptions(options: GenerateOptions): FamilyRequest {
  return {
    prompt2: options.prompt2,
    prompt3: options.prompt3,
    negativePrompt2: options.negative2,
    negativePrompt3: options.negative3,
    maxSequenceLength: options.maxTokens,
    trueCfgScale: options.trueCfg,
    cfgTruncation: options.cfgTruncation,
    cfgNormalization: options.cfgNormalization,
    skipGuidanceLayers: options.skipLayers,
    skipLayerGuidanceScale: options.skipLayerScale,
    skipLayerGuidanceStart: options.skipLayerStart,
    skipLayerGuidanceStop: options.skipLayerStop,
    mu: options.mu,
    maxArea: options.maxArea,
    autoResize: options.resize === false ? false : undefined,
    textEncoderOutLayers: options.textLayers,
  };
}

/** The second pass. @throws ArgumentError for its options without it */
function hiresOf({
  hires: scale,
  hiresSteps: steps,
  hiresStrength: strength,
  hiresUpscaler: upscaler,
  hiresTile: tile,
  hiresOverlap: overlap,
}: GenerateOptions): GenerateRequest["hires"] {
  const rest = { steps, strength, upscaler, tile, overlap };
  if (scale !== undefined) return typeof scale === "number" ? { scale, ...rest } : { ...scale, ...rest };
  const given = Object.entries(rest).find(([, value]) => value !== undefined)?.[0];
  if (given === undefined) return undefined;
  throw new ArgumentError(`--hires-${given} needs --hires: it is about the second pass`, { argument: "hires", hint: "add --hires 2" });
}

/** The request with its pictures read. @throws ArgumentError for one that cannot be read */
export async function readPictures(
  request: GenerateRequest,
  { image, mask, depthMap, controlImage, ipAdapter, ipImage, ipMask }: GenerateOptions,
): Promise<GenerateRequest> {
  const prompts = ipImage && (await Promise.all(ipImage.map(({ source }) => readPicture(source))));
  const masks = ipMask && (await Promise.all(ipMask.map((source) => source && readPicture(source))));
  return {
    ...request,
    ...picturesByAdapter(ipAdapter, prompts, masks),
    image: image && oneOrMore(await Promise.all(image.map(readPicture))),
    depthMap: depthMap === undefined ? undefined : await readPicture(depthMap),
    maskImage: mask === undefined ? undefined : await readPicture(mask),
    controlImage: controlImage && (await Promise.all(controlImage.map(readPicture))),
  };
}

/** The only one of a list, or the list. */
function oneOrMore<Item>(list: readonly Item[]): Item | readonly Item[] {
  const [first] = list;
  return first !== undefined && list.length === 1 ? first : list;
}

/** A data URL is a picture already. */
async function readPicture(source: string): Promise<string | File> {
  if (/^data:/i.test(source)) return source;
  const { readImageFile } = await import("../image/load-image.js");
  return readImageFile(source);
}

/** The model as it was given. For `.` and `..`, and for the checkpoint in the package, its absolute path, which ends with a name. */
function modelOf(model: string | undefined): string | undefined {
  if (model === undefined) return undefined;
  const path = resolve(model);
  return /(^|[\\/])\.{1,2}[\\/]*$/.test(model) || path === embeddedCheckpointPath() ? path : model;
}
