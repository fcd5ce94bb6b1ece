import { type ModelIndex, readModelIndex } from "../checkpoint/model-index.js";
import type { DownloadProgress } from "../checkpoint/source.js";
import { ConfigError } from "../errors.js";
import { familiesByPipeline } from "../families/lookups.js";
import { openCheckpoint } from "../hub/open-checkpoint.js";
import type { Picture } from "../image/picture.js";
import { MotionAdapter } from "../models/motion-adapter.js";
import { AnimateDiffPipeline } from "../pipelines/animatediff.js";
import { latentsOf } from "../pipelines/shared/missing-parts.js";
import { expectChannels } from "../pipelines/unet-pipeline.js";
import type { Device, Quantisation, ResolvedDevice } from "../runtime/device.js";
import { loadLoras, type SourcedLoras } from "./load-loras.js";

/** What is animated. */
export interface AnimateRequest {
  readonly prompt: string;
  /** A checkpoint of Stable Diffusion 1: a folder, a single file or a hub id. */
  readonly model: string;
  /** The motion adapter for it: a folder, a single file or a hub id. */
  readonly motionAdapter: string;
  readonly loras?: SourcedLoras | undefined;
  readonly negativePrompt?: string | undefined;
  readonly numFrames?: number | undefined;
  readonly numInferenceSteps?: number | undefined;
  readonly guidanceScale?: number | readonly number[] | undefined;
  readonly seed: bigint;
  readonly width?: number | undefined;
  readonly height?: number | undefined;
  readonly scheduler?: string | undefined;
  readonly variant?: string | undefined;
  readonly device?: Device | undefined;
  readonly quantize?: Quantisation | undefined;
  readonly lowMemory?: boolean | undefined;
  readonly cacheDir?: string | undefined;
  readonly localFilesOnly?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onDownload?: ((progress: DownloadProgress, source: string) => void) | undefined;
  /** Called when the networks are loaded. */
  readonly onLoad?: ((loaded: { readonly device: ResolvedDevice; readonly scheduler: string }) => void) | undefined;
  /** Called after step `done` of `total`. */
  readonly onStep?: ((done: number, total: number) => void) | undefined;
}

/** The frames of a video. @throws ArgumentError, CheckpointError, ConfigError, DeviceError, HubError; the signal's reason */
export async function animate(request: AnimateRequest): Promise<readonly Picture[]> {
  const { model, motionAdapter: adapter, loras = [], variant, device, quantize, lowMemory, scheduler, ...others } = request;
  const { cacheDir, localFilesOnly, signal, onDownload, onLoad, onStep, ...options } = others;
  const from = (source: string) => ({
    ...{ cacheDir, localFilesOnly, signal },
    ...(onDownload && { onProgress: (progress: DownloadProgress) => onDownload(progress, source) }),
  });
  const accept = (index: ModelIndex) => expectAnimated(model, index);
  const checkpoint = await openCheckpoint(model, {
    ...from(model),
    variant,
    wanted: { kind: "pipeline", without: ["motion_adapter", "safety_checker"], accept },
  });
  accept(await readModelIndex(checkpoint));
  const modules = await openCheckpoint(adapter, { ...from(adapter), variant, wanted: { kind: "network", network: "motion_adapter" } });
  await using motionAdapter = await MotionAdapter.fromPretrained(modules, { device, variant });
  await using pipe = await AnimateDiffPipeline.fromPretrained(checkpoint, {
    device,
    quantize,
    lowMemory,
    variant,
    motionAdapter,
    scheduler,
  });
  expectChannels(pipe.unet, latentsOf(pipe.vae).latentChannels, "those of the latents: one for pictures from noise");
  await loadLoras(pipe, loras, from);
  onLoad?.({ device: pipe.device, scheduler: pipe.scheduler.className });
  const run = pipe.steps({ ...options, signal });
  for await (const { index, total } of run) onStep?.(index + 1, total);
  const { frames } = await run.result;
  return frames[0] ?? [];
}

/**
 * @throws ConfigError for a checkpoint that no motion adapter is for. The class does not tell Stable Diffusion 2: the adapter's shapes do.
 */
function expectAnimated(model: string, { className }: ModelIndex): void {
  const families = familiesByPipeline(className);
  if (families.some(({ id, workflows }) => "motion-noise" in workflows || id === "lcm")) return;
  const found = families[0]?.name ?? className;
  throw new ConfigError((name) => `${name("model")} is ${model}, a checkpoint of ${found}; animate is for Stable Diffusion 1`, {
    hint: "motion adapters are made for one family: give a checkpoint of Stable Diffusion 1 and an adapter for it",
  });
}
