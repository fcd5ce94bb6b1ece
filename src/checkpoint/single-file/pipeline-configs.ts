import { ConfigError } from "../../errors.js";
import { COSXL, type EdmCheckpoint } from "../../families/edm.js";
import type { LatentFamily, PublishedCheckpoint, SchedulerConfig } from "../../families/family.js";
import { describeChannels, mostSimilar } from "../../families/lookups.js";
import { XL_EDIT } from "../../families/stable-diffusion.js";
import type { JsonObject } from "../json.js";
import type { LatentStatistics } from "./latent-statistics.js";
import type { LatentSpace } from "./network-configs.js";
import type { OriginalConfig } from "./original-config.js";
import type { Prediction } from "./prediction.js";

// Makes the configs of a checkpoint's folder, except those of its networks, after the most similar checkpoint on the hub.

/** What identifies the checkpoint of a single file. */
export interface PipelineKind {
  readonly family: LatentFamily;
  /** Channels the UNet takes: 4, 8 with a picture to edit, or 9 with a masked picture. */
  readonly inChannels: number;
  /** Whether the UNet takes the guidance scale as an input: a latent consistency model. */
  readonly isConsistency: boolean;
  readonly prediction: Prediction;
  /** The config beside the file. */
  readonly original?: OriginalConfig;
  /** Set if the UNet was trained on normalised latents. */
  readonly statistics?: LatentStatistics;
}

/** The pipeline's class; undefined if no pipeline of the family feeds a UNet this many channels. */
export function pipelineClass({ family, inChannels }: PipelineKind): string | undefined {
  return family.denoiser.pipelines[inChannels];
}

/** The pipeline's class. @throws ConfigError if Darkroom has none for the UNet of the file `name`. */
export function expectPipelineClass(name: string, kind: PipelineKind): string {
  const className = pipelineClass(kind);
  if (className !== undefined) return className;
  throw new ConfigError(
    `${name} has ${describeChannels(kind.inChannels)}; expected ${Object.keys(kind.family.denoiser.pipelines).join(" or ")}`,
    {
      hint: "this checkpoint is for a pipeline that Darkroom does not have",
    },
  );
}

/** `model_index.json` of a pipeline of class `className`. */
export function modelIndex(className: string, kind: PipelineKind): JsonObject {
  const { parts, indexOptions } = kind.family;
  const listed = Object.entries(parts).filter(([, part]) => !part?.isOnlyInFolders);
  return {
    _class_name: className,
    scheduler: ["diffusers", schedulerConfig(kind)._class_name],
    ...Object.fromEntries(listed.map(([name, part]) => [name, part ? [part.library, part.className] : [null, null]])),
    ...indexOptions,
    ...(className === XL_EDIT.className && kind.prediction.edm === COSXL && { is_cosxl_edit: true }),
  };
}

/** `scheduler_config.json` of the repository, with the settings in the file and in the config beside it. */
export function schedulerConfig(kind: PipelineKind): SchedulerConfig {
  const { prediction, original } = kind;
  const { scheduler, prediction: usual } = schedulerSource(kind);
  const { _class_name: className, ...config } = scheduler;
  const { type, zeroSnr = false, sigmas } = prediction;
  // PNDM's first step divides by the share of the signal, which is 0 at full noise. PNDM does not take networks that predict the picture,
  // either.
  const needsOther = className === "PNDMScheduler" && (zeroSnr || type === "sample");
  return {
    _class_name: needsOther ? "DDIMScheduler" : className,
    ...config,
    ...(type !== (config.prediction_type ?? usual) && { prediction_type: type }),
    ...(zeroSnr && { rescale_betas_zero_snr: true }),
    ...(sigmas?.min !== undefined && { sigma_min: sigmas.min }),
    ...(sigmas?.max !== undefined && { sigma_max: sigmas.max }),
    ...(original?.betaStart !== undefined && { beta_start: original.betaStart }),
    ...(original?.betaEnd !== undefined && { beta_end: original.betaEnd }),
    ...(original?.betaSchedule !== undefined && { beta_schedule: original.betaSchedule }),
    ...(original?.trainTimesteps !== undefined && { num_train_timesteps: original.trainTimesteps }),
  };
}

/** The checkpoint on the hub from which a file gets its scheduler config. */
export function schedulerSource(kind: PipelineKind): PublishedCheckpoint | EdmCheckpoint {
  return kind.prediction.edm ?? mostSimilarTo(kind);
}

function mostSimilarTo({ family, inChannels, isConsistency, prediction }: PipelineKind) {
  return mostSimilar(family, { inChannels, isConsistency, prediction: prediction.type });
}

/** The latents of a checkpoint. */
export function latentSpace(kind: PipelineKind): LatentSpace {
  const { family, original, statistics } = kind;
  const { sampleSize } = mostSimilarTo(kind);
  const { channels, scale, shift } = family.latents;
  const common = { channels, shiftFactor: shift, sampleSize };
  if (statistics) return { ...common, scalingFactor: statistics.scale, latentsMean: statistics.mean, latentsStd: statistics.std };
  return { ...common, scalingFactor: original?.scalingFactor ?? scale };
}

/** Height and width of the latents that a UNet was trained on, and the source of that number as text for users. */
export function latentSize(kind: PipelineKind): { readonly side: number; readonly source: string } {
  const { original, family } = kind;
  const { sampleSize, wrongLatentSize } = mostSimilarTo(kind);
  const stated = original?.latentSize;
  if (!original || stated === undefined || stated === wrongLatentSize) {
    return { side: sampleSize / family.latents.factor, source: "usual for the family" };
  }
  return { side: stated, source: original.name };
}

/** CLIP's `tokenizer_config.json`, with the token that fills prompts up. */
export function tokenizerConfig(pad: "<|endoftext|>" | "!"): JsonObject {
  const token = (content: string) => ({
    __type: "AddedToken",
    content,
    normalized: true,
    lstrip: false,
    rstrip: false,
    single_word: false,
  });
  const end = token("<|endoftext|>");
  return {
    tokenizer_class: "CLIPTokenizer",
    model_max_length: 77,
    bos_token: token("<|startoftext|>"),
    eos_token: end,
    unk_token: end,
    pad_token: pad,
  };
}
