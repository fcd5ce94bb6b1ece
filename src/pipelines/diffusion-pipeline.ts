import { createEngine, openFolder } from "#platform";
import type { Folder } from "../checkpoint/folder.js";
import { type ModelIndex, readModelIndex } from "../checkpoint/model-index.js";
import { ConfigError } from "../errors.js";
import type { DeviceOptions, ResolvedDevice } from "../runtime/engine.js";
import { ComponentSource } from "./components.js";
import type { StableDiffusionComponents, StableDiffusionPipeline } from "./stable-diffusion.js";

/** How a checkpoint is opened. */
export interface PipelineOptions extends DeviceOptions {
  /** Which weight files, e.g. "fp16"; the full ones are taken, with a warning, where the variant is missing. */
  readonly variant?: string;
}

/** A pipeline class, as the table below finds it. */
interface PipelineClass<Pipeline, Components> {
  open(source: ComponentSource, index: ModelIndex, given: Partial<Components>): Promise<Pipeline>;
}

// Loaded when asked for, so that a program pays for the pipelines it uses.
const PIPELINES: Readonly<Record<string, () => Promise<PipelineClass<StableDiffusionPipeline, StableDiffusionComponents>>>> = {
  StableDiffusionPipeline: async () => (await import("./stable-diffusion.js")).StableDiffusionPipeline,
};

/** Any checkpoint in the diffusers folder layout. Matches diffusers' DiffusionPipeline. */
export abstract class DiffusionPipeline implements AsyncDisposable {
  constructor(private readonly source: ComponentSource | undefined) {}

  /**
   * Opens the checkpoint in the folder `path` as the pipeline that its `model_index.json` names. Weights are mapped from disk, not read.
   * Parts given in `options` (`{ vae, scheduler, safetyChecker: null, ... }`) replace the checkpoint's own and stay the caller's to dispose.
   * @throws CheckpointError, ConfigError, DeviceError
   */
  static async fromPretrained(
    path: string | Folder,
    options: PipelineOptions & Partial<StableDiffusionComponents> = {},
  ): Promise<StableDiffusionPipeline> {
    const { variant, device, deviceId, ...given } = options;
    const folder = typeof path === "string" ? openFolder(path) : path;
    const index = await readModelIndex(folder);
    const load = Object.hasOwn(PIPELINES, index.className) ? PIPELINES[index.className] : undefined;
    if (!load) {
      throw new ConfigError(
        `${folder.name}/model_index.json is of class ${index.className}; expected one of ${Object.keys(PIPELINES).join(", ")}`,
        {
          hint: "this checkpoint is for a pipeline that Darkroom does not have",
        },
      );
    }
    const [pipeline, engine] = await Promise.all([load(), createEngine({ device, deviceId })]);
    const source = new ComponentSource(folder, index, engine, variant);
    try {
      return await pipeline.open(source, index, given);
    } catch (error) {
      await source.dispose();
      throw error;
    }
  }

  /** Where the networks run. */
  get device(): ResolvedDevice {
    return this.source?.device ?? "cpu";
  }

  /** Frees the memory of the parts this pipeline loaded, and stops its thread. */
  async dispose(): Promise<void> {
    await this.source?.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
