import type { ModelIndex } from "../checkpoint/model-index.js";
import { ConfigError } from "../errors.js";
import type { PipelineClassName } from "../families/lookups.js";
import type { PagClassName } from "../families/pag-classes.js";
import { type Field, type Fields, field } from "../options/fields.js";
import type { Folder } from "../platform/folder.js";
import type { ChromaPipeline } from "./chroma.js";
import type { DiffusionPipeline } from "./diffusion-pipeline.js";
import type { FluxPipeline } from "./flux.js";
import type { Flux2KleinPipeline } from "./flux2-klein.js";
import type { QwenImagePipeline } from "./qwen-image.js";
import type { ComponentSource } from "./shared/components.js";
import type { StableDiffusionPipeline } from "./stable-diffusion.js";
import type { StableDiffusion3Pipeline } from "./stable-diffusion-3.js";
import type { StableDiffusionComponents } from "./stable-diffusion-base.js";
import type { StableDiffusionXLPipeline } from "./stable-diffusion-xl.js";
import type { StableDiffusionXLComponents } from "./stable-diffusion-xl-base.js";
import type { ZImagePipeline } from "./z-image.js";

/** A pipeline class: how it opens a checkpoint, and which parts a caller may give in place of the checkpoint's. */
export interface PipelineClass<Pipeline extends DiffusionPipeline, Components extends object> {
  /** Its name in diffusers. */
  readonly className: string;
  /** Fields of the parts. */
  readonly parts: Fields<object>;
  /** Fields of options beside the parts. */
  readonly options?: Fields<object>;
  /** Makes a pipeline with the parts of a checkpoint; `fromPretrained` calls it. */
  open(source: ComponentSource, index: ModelIndex, given: Partial<Components>): Promise<Pipeline>;
}

/** The parts that a caller may give in place of the checkpoint's. A scheduler may be given by name; it gets the checkpoint's config. */
export type GivenParts<Components> = {
  readonly [Part in keyof Components]?: (Part extends "scheduler" ? Components[Part] | string : Components[Part]) | undefined;
};

// Imported when they are needed, so that a program loads only the pipelines it uses.
const PIPELINES = {
  AnimateDiffPipeline: async () => (await import("./animatediff.js")).AnimateDiffPipeline,
  AnimateDiffVideoToVideoPipeline: async () => (await import("./animatediff-video-to-video.js")).AnimateDiffVideoToVideoPipeline,
  ConsistencyModelPipeline: async () => (await import("./consistency-model.js")).ConsistencyModelPipeline,
  DDIMPipeline: async () => (await import("./ddim.js")).DDIMPipeline,
  DDPMPipeline: async () => (await import("./ddpm.js")).DDPMPipeline,
  LatentConsistencyModelImg2ImgPipeline: async () =>
    (await import("./latent-consistency-model-img2img.js")).LatentConsistencyModelImg2ImgPipeline,
  LatentConsistencyModelPipeline: async () => (await import("./latent-consistency-model.js")).LatentConsistencyModelPipeline,
  ScoreSdeVePipeline: async () => (await import("./score-sde-ve.js")).ScoreSdeVePipeline,
  StableDiffusionPipeline: async () => (await import("./stable-diffusion.js")).StableDiffusionPipeline,
  StableDiffusionImg2ImgPipeline: async () => (await import("./stable-diffusion-img2img.js")).StableDiffusionImg2ImgPipeline,
  StableDiffusionInpaintPipeline: async () => (await import("./stable-diffusion-inpaint.js")).StableDiffusionInpaintPipeline,
  StableDiffusionDepth2ImgPipeline: async () => (await import("./stable-diffusion-depth2img.js")).StableDiffusionDepth2ImgPipeline,
  StableDiffusionUpscalePipeline: async () => (await import("./stable-diffusion-upscale.js")).StableDiffusionUpscalePipeline,
  StableDiffusionLatentUpscalePipeline: async () =>
    (await import("./stable-diffusion-latent-upscale.js")).StableDiffusionLatentUpscalePipeline,
  StableDiffusionInstructPix2PixPipeline: async () =>
    (await import("./stable-diffusion-instruct-pix2pix.js")).StableDiffusionInstructPix2PixPipeline,
  StableDiffusionXLInstructPix2PixPipeline: async () =>
    (await import("./stable-diffusion-xl-instruct-pix2pix.js")).StableDiffusionXLInstructPix2PixPipeline,
  StableDiffusionControlNetPipeline: async () => (await import("./stable-diffusion-controlnet.js")).StableDiffusionControlNetPipeline,
  StableDiffusionControlNetImg2ImgPipeline: async () =>
    (await import("./stable-diffusion-controlnet-img2img.js")).StableDiffusionControlNetImg2ImgPipeline,
  StableDiffusionControlNetInpaintPipeline: async () =>
    (await import("./stable-diffusion-controlnet-inpaint.js")).StableDiffusionControlNetInpaintPipeline,
  StableDiffusionXLControlNetUnionPipeline: async () =>
    (await import("./stable-diffusion-xl-controlnet-union.js")).StableDiffusionXLControlNetUnionPipeline,
  StableDiffusionXLControlNetUnionImg2ImgPipeline: async () =>
    (await import("./stable-diffusion-xl-controlnet-union-img2img.js")).StableDiffusionXLControlNetUnionImg2ImgPipeline,
  StableDiffusionXLControlNetUnionInpaintPipeline: async () =>
    (await import("./stable-diffusion-xl-controlnet-union-inpaint.js")).StableDiffusionXLControlNetUnionInpaintPipeline,
  StableDiffusionAdapterPipeline: async () => (await import("./stable-diffusion-adapter.js")).StableDiffusionAdapterPipeline,
  StableDiffusionXLAdapterPipeline: async () => (await import("./stable-diffusion-xl-adapter.js")).StableDiffusionXLAdapterPipeline,
  StableDiffusionXLPipeline: async () => (await import("./stable-diffusion-xl.js")).StableDiffusionXLPipeline,
  StableDiffusionXLImg2ImgPipeline: async () => (await import("./stable-diffusion-xl-img2img.js")).StableDiffusionXLImg2ImgPipeline,
  StableDiffusionXLInpaintPipeline: async () => (await import("./stable-diffusion-xl-inpaint.js")).StableDiffusionXLInpaintPipeline,
  StableDiffusionXLControlNetPipeline: async () =>
    (await import("./stable-diffusion-xl-controlnet.js")).StableDiffusionXLControlNetPipeline,
  StableDiffusionXLControlNetImg2ImgPipeline: async () =>
    (await import("./stable-diffusion-xl-controlnet-img2img.js")).StableDiffusionXLControlNetImg2ImgPipeline,
  StableDiffusionXLControlNetInpaintPipeline: async () =>
    (await import("./stable-diffusion-xl-controlnet-inpaint.js")).StableDiffusionXLControlNetInpaintPipeline,
  StableDiffusionPAGPipeline: async () => (await import("./stable-diffusion-pag.js")).StableDiffusionPAGPipeline,
  StableDiffusionPAGImg2ImgPipeline: async () => (await import("./stable-diffusion-pag.js")).StableDiffusionPAGImg2ImgPipeline,
  StableDiffusionPAGInpaintPipeline: async () => (await import("./stable-diffusion-pag.js")).StableDiffusionPAGInpaintPipeline,
  StableDiffusionControlNetPAGPipeline: async () => (await import("./stable-diffusion-pag.js")).StableDiffusionControlNetPAGPipeline,
  StableDiffusionControlNetPAGInpaintPipeline: async () =>
    (await import("./stable-diffusion-pag.js")).StableDiffusionControlNetPAGInpaintPipeline,
  StableDiffusionXLPAGPipeline: async () => (await import("./stable-diffusion-xl-pag.js")).StableDiffusionXLPAGPipeline,
  StableDiffusionXLPAGImg2ImgPipeline: async () => (await import("./stable-diffusion-xl-pag.js")).StableDiffusionXLPAGImg2ImgPipeline,
  StableDiffusionXLPAGInpaintPipeline: async () => (await import("./stable-diffusion-xl-pag.js")).StableDiffusionXLPAGInpaintPipeline,
  StableDiffusionXLControlNetPAGPipeline: async () => (await import("./stable-diffusion-xl-pag.js")).StableDiffusionXLControlNetPAGPipeline,
  StableDiffusionXLControlNetPAGImg2ImgPipeline: async () =>
    (await import("./stable-diffusion-xl-pag.js")).StableDiffusionXLControlNetPAGImg2ImgPipeline,
  Flux2KleinPipeline: async () => (await import("./flux2-klein.js")).Flux2KleinPipeline,
  FluxPipeline: async () => (await import("./flux.js")).FluxPipeline,
  FluxImg2ImgPipeline: async () => (await import("./flux-img2img.js")).FluxImg2ImgPipeline,
  FluxInpaintPipeline: async () => (await import("./flux-inpaint.js")).FluxInpaintPipeline,
  FluxFillPipeline: async () => (await import("./flux-fill.js")).FluxFillPipeline,
  FluxKontextPipeline: async () => (await import("./flux-kontext.js")).FluxKontextPipeline,
  ChromaPipeline: async () => (await import("./chroma.js")).ChromaPipeline,
  ChromaImg2ImgPipeline: async () => (await import("./chroma-img2img.js")).ChromaImg2ImgPipeline,
  StableDiffusion3Pipeline: async () => (await import("./stable-diffusion-3.js")).StableDiffusion3Pipeline,
  StableDiffusion3Img2ImgPipeline: async () => (await import("./stable-diffusion-3-img2img.js")).StableDiffusion3Img2ImgPipeline,
  StableDiffusion3InpaintPipeline: async () => (await import("./stable-diffusion-3-inpaint.js")).StableDiffusion3InpaintPipeline,
  QwenImagePipeline: async () => (await import("./qwen-image.js")).QwenImagePipeline,
  QwenImageImg2ImgPipeline: async () => (await import("./qwen-image-img2img.js")).QwenImageImg2ImgPipeline,
  QwenImageEditPlusPipeline: async () => (await import("./qwen-image-edit-plus.js")).QwenImageEditPlusPipeline,
  ZImagePipeline: async () => (await import("./z-image.js")).ZImagePipeline,
  ZImageImg2ImgPipeline: async () => (await import("./z-image-img2img.js")).ZImageImg2ImgPipeline,
} as const satisfies Record<PipelineClassName | PagClassName, () => Promise<PipelineClass<DiffusionPipeline, never>>>;

/** The pipelines that make a picture from a prompt alone. */
export type TextToImagePipeline =
  | StableDiffusionPipeline
  | StableDiffusionXLPipeline
  | StableDiffusion3Pipeline
  | FluxPipeline
  | ChromaPipeline
  | ZImagePipeline
  | Flux2KleinPipeline
  | QwenImagePipeline;

type PipelineName = keyof typeof PIPELINES;
type AnyClass = Awaited<ReturnType<(typeof PIPELINES)[PipelineName]>>;

/** The parts of a pipeline class; for `DiffusionPipeline`, those of the text-to-image pipelines. */
export type PartsOf<Class> =
  Class extends PipelineClass<DiffusionPipeline, infer Components>
    ? GivenParts<Components>
    : GivenParts<StableDiffusionComponents & StableDiffusionXLComponents>;

/** The pipeline that a class opens. */
export type PipelineOf<Class> = Class extends PipelineClass<infer Pipeline, never> ? Pipeline : TextToImagePipeline;

type AnyPart = AnyClass extends infer Class ? (Class extends { parts: infer Parts } ? keyof Parts : never) : never;

const part = field<unknown>(() => true, "a part of a pipeline");

/** The parts of all pipelines, for a checkpoint whose pipeline is not known yet. */
export const ANY_PARTS: Record<AnyPart, Field<unknown>> = {
  adapter: part,
  controlnet: part,
  featureExtractor: part,
  imageEncoder: part,
  lowResScheduler: part,
  motionAdapter: part,
  safetyChecker: part,
  scheduler: part,
  processor: part,
  textEncoder: part,
  textEncoder2: part,
  textEncoder3: part,
  tokenizer: part,
  tokenizer2: part,
  tokenizer3: part,
  transformer: part,
  unet: part,
  vae: part,
};

/** The function that loads the pipeline class of this name. */
export function pipelineClass(className: string): () => Promise<PipelineClass<DiffusionPipeline, object>> {
  return PIPELINES[className as PipelineName];
}

/** The function that loads the pipeline class that `model_index.json` names. @throws ConfigError for an unknown class. */
export function namedClass(folder: Folder, { className }: ModelIndex): () => Promise<PipelineClass<DiffusionPipeline, object>> {
  if (Object.hasOwn(PIPELINES, className)) return pipelineClass(className);
  throw new ConfigError(`${folder.name}/model_index.json is of class ${className}; expected one of ${Object.keys(PIPELINES).join(", ")}`, {
    hint: "this checkpoint is for a pipeline that Darkroom does not have",
  });
}
