/// <reference lib="esnext.disposable" preserve="true" />
// Everything a program may import from "darkroom/generate".

export type { ControlName, Defaults, StartName, WorkflowName } from "../families/family.js";
export type { FoundFile } from "../hub/open-file.js";
export type { AdapterLibrary, AdapterShelf } from "./adapter-library.js";
export { type CheckpointDefaults, checkpointDefaults } from "./checkpoint-defaults.js";
export { type GenerateOptions, generate } from "./generate.js";
export type { LoadedAdapters, LoadedEmbedding, LoadedLoraFile } from "./load-adapters.js";
export { type OpenOptions, openWorkflow, type RunOptions, type Workflow } from "./open-workflow.js";
export {
  checkRequest,
  type EmbeddingRequest,
  type GenerateRequest,
  generateRequest,
  type LoraRequest,
  type ModelSource,
  type OpenRequest,
  openingOf,
  type PictureInput,
  type RunRequest,
  runOf,
  type SchedulerSettings,
} from "./request.js";
export type { GeneratedPicture, GenerateEvent, GenerateResult, PictureEvent, StartEvent, StepEvent } from "./run.js";
export { type ControlSettings, type PictureFacts, type RunSettings, settingsText } from "./run-settings.js";
export type { RunnerStep } from "./runner.js";
