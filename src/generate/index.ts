/// <reference lib="esnext.disposable" preserve="true" />
// Everything a program may import from "darkroom/generate".

export type { ControlName, Defaults, StartName, WorkflowName } from "../families/family.js";
export { PRESETS, type Preset, type PresetName } from "../families/presets.js";
export type { FoundFile } from "../hub/open-file.js";
export type { FreeUFactors } from "../models/freeu.js";
export { mistypedName } from "../nearest.js";
export type { GuidanceInterval } from "../pipelines/shared/guidance-interval.js";
export type { AdapterLibrary, AdapterShelf } from "./adapter-library.js";
export { type CheckpointDefaults, checkpointDefaults } from "./checkpoint-defaults.js";
export type { CannyPreprocessor, ControlMode, ControlPreprocessor } from "./control-options.js";
export type { ControlRequest } from "./control-request.js";
export type { FamilyRequest } from "./family-request.js";
export { type GenerateOptions, generate } from "./generate.js";
export { type HiresPass, largerSide, stepsForStrength } from "./hires.js";
export { HIRES_UPSCALERS, type HiresOptions, type HiresRequest, type HiresUpscaler } from "./hires-request.js";
export type {
  ImagePromptMasks,
  ImagePromptParts,
  ImagePromptPictures,
  ImagePromptRequest,
  ImagePromptScale,
  ImagePromptScales,
} from "./image-prompt-request.js";
export type { LoadedAdapters, LoadedEmbedding, LoadedLoraFile } from "./load-adapters.js";
export type { ModelSource } from "./model-source.js";
export type { EmbeddingRequest, IPAdapterRequest, LoraRequest, OpenRequest } from "./open-request.js";
export { type OpenOptions, openWorkflow, type Workflow } from "./open-workflow.js";
export type { PictureInput } from "./picture-input.js";
export { checkRequest, type GenerateRequest, generateRequest, openingOf, runOf } from "./request.js";
export type { GeneratedPicture, GenerateEvent, GenerateResult, PictureEvent, RunOptions, StartEvent, StepEvent } from "./run.js";
export type { RunRequest, SchedulerSettings } from "./run-request.js";
export { type ControlSettings, type IPAdapterSettings, type PictureFacts, type RunSettings, settingsText } from "./run-settings.js";
export type { RunnerStep } from "./runner.js";
