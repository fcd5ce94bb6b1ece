import { ArgumentError } from "../errors.js";
import type { PredictionType } from "../families/prediction-types.js";
import { embeddedCheckpointPath } from "../hub/embedded.js";
import type { PictureFormat } from "../image/picture-format.js";
import type { Device, Precision } from "../runtime/engine.js";
import type { TimestepSpacing } from "../schedulers/shared/timestep-spacing.js";
import { type AdapterOptions, type AdapterRequest, toAdapters } from "./adapter-options.js";
import { checkCombinations } from "./combinations.js";
import { isEmbedded } from "./package.js";
import { type Start, type StartOptions, toStart } from "./start.js";
import { randomSeed, type Size } from "./values.js";

/** What `darkroom generate` was asked for, checked as far as the words alone tell. Undefined is left to the checkpoint. */
export interface GenerateRequest extends AdapterRequest {
  readonly negativePrompt: string | undefined;
  /** The checkpoint: a folder, a single file or a hub id. */
  readonly model: string;
  /** Folder or hub id of configs for a checkpoint in a single file. */
  readonly config: string | undefined;
  /** Branch, tag or commit of the model on the hub. */
  readonly revision: string | undefined;
  readonly cacheDir: string | undefined;
  /** Whether the network must not be used. */
  readonly offline: boolean;
  readonly start: Start<string>;
  /** The second half of an ensemble. */
  readonly refiner: Refiner | undefined;
  /** Folder, single file or hub id of another autoencoder than the checkpoint's. */
  readonly vae: string | undefined;
  /** One picture each. */
  readonly seeds: readonly bigint[];
  readonly steps: number | undefined;
  readonly guidance: number | undefined;
  readonly guidanceRescale: number | undefined;
  readonly size: Size | undefined;
  readonly scheduler: string | undefined;
  /** What the model's network predicts. */
  readonly prediction: PredictionType | undefined;
  /** How the scheduler chooses its timesteps. */
  readonly spacing: TimestepSpacing | undefined;
  readonly clipSkip: number | undefined;
  readonly device: Device;
  readonly precision: Precision;
  readonly lowMemory: boolean;
  /** Every so many steps the whole UNet runs. */
  readonly cache: number | undefined;
  readonly variant: string | undefined;
  readonly out: string | undefined;
  /** The format that was asked for; without it, the ending of `out` decides. */
  readonly format: PictureFormat | undefined;
  readonly quality: number | undefined;
  readonly grid: boolean;
  readonly force: boolean;
}

/** A checkpoint that takes over towards the end. */
export interface Refiner {
  /** Its folder or hub id. */
  readonly folder: string;
  /** At this share of the denoising, 0..1. */
  readonly from: number;
}

/** The options as commander hands them over. */
export interface GenerateOptions extends StartOptions, AdapterOptions {
  readonly model?: string;
  readonly config?: string;
  readonly revision?: string;
  readonly cacheDir?: string;
  readonly offline?: boolean;
  readonly steps?: number;
  readonly guidance?: number;
  readonly guidanceRescale?: number;
  readonly seed?: bigint;
  readonly size?: Size;
  readonly count: number;
  readonly scheduler?: string;
  readonly prediction?: PredictionType;
  readonly spacing?: TimestepSpacing;
  readonly clipSkip?: number;
  readonly vae?: string;
  readonly refiner?: string;
  readonly refineFrom?: number;
  readonly device: Device;
  readonly fast?: boolean;
  readonly lowMemory?: boolean;
  readonly cache?: number;
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

/** When a refiner takes over: 0.8 is what the XL refiner was trained for (Podell et al. 2023, section 2.5). */
const REFINE_FROM = 0.8;

/**
 * @throws ArgumentError if `--model` is empty, options do not go together, a LoRA tag cannot be followed, or the last picture's seed would be beyond
 * 2^64 - 1.
 */
export function toRequest(prompt: string | undefined, options: GenerateOptions): GenerateRequest {
  const model = options.model ?? embeddedCheckpointPath();
  if (model === "") throw new ArgumentError("--model is empty; expected a folder, a file or a hub id");
  checkCombinations(options);
  const embedded = isEmbedded(model);
  return {
    ...toAdapters(prompt, options),
    negativePrompt: options.negative,
    model,
    config: options.config,
    revision: options.revision,
    cacheDir: options.cacheDir,
    offline: options.offline ?? false,
    start: toStart(options),
    refiner: options.refiner === undefined ? undefined : { folder: options.refiner, from: options.refineFrom ?? REFINE_FROM },
    vae: options.vae,
    seeds: seedsFrom(options),
    // The embedded checkpoint's as its model card advises.
    steps: options.steps ?? (embedded ? 20 : undefined),
    guidance: options.guidance ?? (embedded ? 5 : undefined),
    guidanceRescale: options.guidanceRescale,
    size: options.size,
    scheduler: options.scheduler,
    prediction: options.prediction,
    spacing: options.spacing,
    clipSkip: options.clipSkip,
    device: options.device,
    precision: options.fast ? "fast" : "exact",
    lowMemory: options.lowMemory ?? false,
    cache: options.cache,
    variant: options.variant,
    out: options.out,
    format: options.jpeg ? "jpeg" : options.webp ? "webp" : undefined,
    quality: options.quality,
    grid: options.grid ?? false,
    force: options.force ?? false,
  };
}

function seedsFrom({ seed, count }: GenerateOptions): readonly bigint[] {
  const first = seed ?? randomSeed();
  if (first + BigInt(count) > 2n ** 64n) {
    throw new ArgumentError(`--seed is ${first} and --count ${count}: the last picture's seed would be beyond 2^64 - 1`, {
      hint: "picture i uses seed + i; give a smaller seed",
    });
  }
  return Array.from({ length: count }, (_, i) => first + BigInt(i));
}
