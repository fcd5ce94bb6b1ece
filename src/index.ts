// Everything a program may import from "darkroom".

export type { Folder } from "./checkpoint/folder.js";
export {
  ArgumentError,
  CheckpointError,
  ConfigError,
  DarkroomError,
  type DarkroomErrorOptions,
  DeviceError,
  OutputError,
} from "./errors.js";
export { gridShape, makeImageGrid } from "./image/grid.js";
export { formatParameters, type GenerationParameters, PARAMETERS_KEYWORD, parseParameters } from "./image/parameters.js";
export { Picture, type SaveOptions } from "./image/picture.js";
export { readPngText } from "./image/png.js";
export { AutoencoderKL, type AutoencoderKLConfig, DiagonalGaussianDistribution } from "./models/autoencoder-kl.js";
export {
  type CLIPTextConfig,
  CLIPTextModel,
  CLIPTextModelWithProjection,
  type CLIPTextOptions,
  type CLIPTextOutput,
} from "./models/clip-text.js";
export type { ModelOptions } from "./models/model.js";
export { type UNet2DConditionConfig, type UNet2DConditionInputs, UNet2DConditionModel } from "./models/unet-2d-condition.js";
export { DiffusionPipeline, type PipelineOptions, type TextToImagePipeline } from "./pipelines/diffusion-pipeline.js";
export type { OutputType, PipelineOutput } from "./pipelines/latent-diffusion.js";
export type { DenoisingStep, PipelineRun } from "./pipelines/pipeline-run.js";
export { StableDiffusionPipeline, type StableDiffusionRequest } from "./pipelines/stable-diffusion.js";
export type { StableDiffusionComponents } from "./pipelines/stable-diffusion-base.js";
export { StableDiffusionXLPipeline, type StableDiffusionXLRequest } from "./pipelines/stable-diffusion-xl.js";
export type { StableDiffusionXLComponents } from "./pipelines/stable-diffusion-xl-base.js";
export type { Device, DeviceOptions, Engine, ResolvedDevice } from "./runtime/engine.js";
export { DDIMScheduler } from "./schedulers/ddim.js";
export { DPMSolverMultistepScheduler } from "./schedulers/dpm-solver-multistep.js";
export { EulerAncestralDiscreteScheduler } from "./schedulers/euler-ancestral-discrete.js";
export { EulerDiscreteScheduler } from "./schedulers/euler-discrete.js";
export { PNDMScheduler } from "./schedulers/pndm.js";
export { type ResolvedScheduler, resolveScheduler, schedulerFromConfig, schedulerNames } from "./schedulers/registry.js";
export { Scheduler, type SchedulerClass, type StepOptions, type StepOutput, type TimestepOptions } from "./schedulers/scheduler.js";
export { UniPCMultistepScheduler } from "./schedulers/unipc-multistep.js";
export type { DataOf, DType } from "./tensor/dtype.js";
export { type FloatDType, Generator, parseSeed, rand, randint, randn, randnPerImage } from "./tensor/random.js";
export { concat, type Shape, Tensor, weightedSum } from "./tensor/tensor.js";
export { CLIPTokenizer, type TokenizedPrompts, type TokenizeOptions } from "./tokenizer/clip.js";
export { setWarningHandler, type WarningHandler } from "./warnings.js";
