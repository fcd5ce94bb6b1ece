import { readModelIndex } from "../../src/checkpoint/model-index.js";
import { DDPMPipeline } from "../../src/pipelines/ddpm.js";
import type { DiffusionPipeline } from "../../src/pipelines/diffusion-pipeline.js";
import type { PipelineClass } from "../../src/pipelines/pipeline-classes.js";
import { ComponentSource } from "../../src/pipelines/shared/components.js";
import { StableDiffusionPipeline } from "../../src/pipelines/stable-diffusion.js";
import { StableDiffusionXLPipeline } from "../../src/pipelines/stable-diffusion-xl.js";
import type { Folder } from "../../src/platform/folder.js";
import { checkpoint } from "../helpers/fixtures.js";
import { filesOf } from "../helpers/hub-server.js";
import { inspectingEngine } from "./inspecting-engine.js";
import type { Files } from "./memory-folder.js";

/** The files of a checkpoint's full variant. */
export function checkpointFiles(name: string): Files {
  return new Map(filesOf(checkpoint(name)).filter(([path]) => !path.includes(".fp16.")));
}

const PIPELINES = { DDPMPipeline, StableDiffusionPipeline, StableDiffusionXLPipeline };

/** A pipeline in a folder, of the class that its table of contents named before anybody changed it. */
export function openPipeline(
  className: keyof typeof PIPELINES,
  folder: Folder,
  files: Files,
): Promise<{ generate(request: object): Promise<unknown> }> {
  const Class: PipelineClass<DDPMPipeline | StableDiffusionPipeline | StableDiffusionXLPipeline, object> = PIPELINES[className];
  return openAs(Class, folder, files);
}

/** Stable Diffusion in a folder. */
export function openStableDiffusion(folder: Folder, files: Files): Promise<StableDiffusionPipeline> {
  return openAs(StableDiffusionPipeline, folder, files);
}

/** Its networks are read and computed by an engine that only looks; `files` are those that weights may lie in. */
async function openAs<Pipeline extends DiffusionPipeline>(
  Class: PipelineClass<Pipeline, object>,
  folder: Folder,
  files: Files,
): Promise<Pipeline> {
  const index = await readModelIndex(folder);
  return Class.open(
    new ComponentSource(Class.className, { folder, index, engine: inspectingEngine(files), variant: undefined }),
    index,
    {},
  );
}
