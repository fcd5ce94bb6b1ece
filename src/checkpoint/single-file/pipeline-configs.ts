import { ConfigError } from "../../errors.js";
import type { JsonObject } from "../json.js";
import type { Family } from "./family.js";
import type { LatentStatistics } from "./latent-statistics.js";
import type { LatentSpace } from "./network-configs.js";
import type { OriginalConfig } from "./original-config.js";
import type { Prediction } from "./prediction.js";
import {
  COSXL,
  LCM,
  PLAYGROUND,
  type Repository,
  type SchedulerConfig,
  SD1,
  SD1_INPAINTING,
  SD2,
  SD2_BASE,
  SD2_INPAINTING,
  XL,
  XL_INPAINTING,
  XL_LCM,
  XL_REFINER,
} from "./scheduler-configs.js";

// The configs of a folder apart from those of its networks, as in the hub checkpoints that diffusers takes the configs of a single file from.

/** What a single file with a UNet is. */
export interface PipelineKind {
  readonly family: Family;
  /** Channels the UNet takes: 4, or 9 with a masked picture. */
  readonly inChannels: number;
  /** Whether the UNet takes the guidance scale as an input: a latent consistency model. */
  readonly isConsistency: boolean;
  readonly prediction: Prediction;
  /** The config beside the file. */
  readonly original?: OriginalConfig;
  /** Set if the UNet was trained on normalised latents. */
  readonly statistics?: LatentStatistics;
}

/** Pixels to one latent, along each side. */
const LATENT = 8;

/** The class in `model_index.json` for UNets of so many channels. */
const CLASSES: Readonly<Record<Family, Readonly<Record<number, string>>>> = {
  sd1: { 4: "StableDiffusionPipeline", 9: "StableDiffusionInpaintPipeline" },
  sd2: { 4: "StableDiffusionPipeline", 9: "StableDiffusionInpaintPipeline" },
  xl: { 4: "StableDiffusionXLPipeline", 9: "StableDiffusionXLInpaintPipeline" },
  "xl-refiner": { 4: "StableDiffusionXLImg2ImgPipeline" },
};

const OTHER_CHANNELS: Readonly<Record<number, string>> = {
  5: "a model that is guided by depth",
  7: "an upscaler",
  8: "InstructPix2Pix or a model like it",
};

/** The pipeline's class; undefined if none of its family feeds a UNet so many channels. */
export function pipelineClass({ family, inChannels }: PipelineKind): string | undefined {
  return CLASSES[family][inChannels];
}

/** Describes, by its channels, a UNet that no pipeline can use. */
export function describeUNet({ inChannels }: PipelineKind): string {
  const other = OTHER_CHANNELS[inChannels];
  return `a UNet of ${inChannels} channels${other ? `, as that of ${other}` : ""}`;
}

/** The pipeline's class. @throws ConfigError if Darkroom has none for the UNet of the file `name`. */
export function expectPipelineClass(name: string, kind: PipelineKind): string {
  const className = pipelineClass(kind);
  if (className !== undefined) return className;
  throw new ConfigError(`${name} has ${describeUNet(kind)}; expected ${Object.keys(CLASSES[kind.family]).join(" or ")}`, {
    hint: "this checkpoint is for a pipeline that Darkroom does not have",
  });
}

/** `model_index.json` of a pipeline of class `className`. */
export function modelIndex(className: string, kind: PipelineKind): JsonObject {
  const isXL = kind.family === "xl" || kind.family === "xl-refiner";
  const isRefiner = kind.family === "xl-refiner";
  const none = [null, null];
  return {
    _class_name: className,
    unet: ["diffusers", "UNet2DConditionModel"],
    vae: ["diffusers", "AutoencoderKL"],
    scheduler: ["diffusers", schedulerConfig(kind)._class_name],
    text_encoder: isRefiner ? none : ["transformers", "CLIPTextModel"],
    tokenizer: isRefiner ? none : ["transformers", "CLIPTokenizer"],
    ...(!isXL && { feature_extractor: ["transformers", "CLIPImageProcessor"] }),
    ...(isXL && {
      text_encoder_2: ["transformers", "CLIPTextModelWithProjection"],
      tokenizer_2: ["transformers", "CLIPTokenizer"],
      force_zeros_for_empty_prompt: !isRefiner,
      requires_aesthetics_score: isRefiner,
    }),
  };
}

/** `scheduler_config.json` of the repository, with the settings in the file and in the config beside it. */
export function schedulerConfig(kind: PipelineKind): SchedulerConfig {
  const { prediction, original } = kind;
  const { _class_name: className, ...config } = repositoryOf(kind).scheduler;
  const { type, zeroSnr = false, sigmas } = prediction;
  // PNDM's first step divides by the share of the signal, which is 0 at full noise. PNDM cannot predict the picture, either.
  const needsOther = className === "PNDMScheduler" && (zeroSnr || type === "sample");
  return {
    _class_name: needsOther ? "DDIMScheduler" : className,
    ...config,
    ...(type !== (config.prediction_type ?? "epsilon") && { prediction_type: type }),
    ...(zeroSnr && { rescale_betas_zero_snr: true }),
    ...(sigmas?.min !== undefined && { sigma_min: sigmas.min }),
    ...(sigmas?.max !== undefined && { sigma_max: sigmas.max }),
    ...(original?.betaStart !== undefined && { beta_start: original.betaStart }),
    ...(original?.betaEnd !== undefined && { beta_end: original.betaEnd }),
    ...(original?.betaSchedule !== undefined && { beta_schedule: original.betaSchedule }),
    ...(original?.trainTimesteps !== undefined && { num_train_timesteps: original.trainTimesteps }),
  };
}

/** The repository on the hub whose scheduler config a file gets. */
export function repositoryOf({ family, inChannels, isConsistency, prediction: { type, edm } }: PipelineKind): Repository {
  if (edm) return edm === "playground" ? PLAYGROUND : COSXL;
  const isInpainting = inChannels === 9;
  switch (family) {
    case "xl-refiner":
      return XL_REFINER;
    case "xl":
      return isConsistency ? XL_LCM : isInpainting ? XL_INPAINTING : XL;
    case "sd1":
      return isConsistency ? LCM : isInpainting ? SD1_INPAINTING : SD1;
    case "sd2":
      return isConsistency ? LCM : isInpainting ? SD2_INPAINTING : type === "v_prediction" ? SD2 : SD2_BASE;
  }
}

/** What is particular to the latents of a family; of Stable Diffusion 1 for an autoencoder that comes alone, as in diffusers. */
export function latentSpace({ family, inChannels, prediction, original, statistics }: PipelineKind): LatentSpace {
  const isXL = family === "xl" || family === "xl-refiner";
  // The larger model of Stable Diffusion 2 is the one that predicts velocity.
  const isLarge = family === "sd2" && inChannels === 4 && prediction.type === "v_prediction";
  const sampleSize = isXL ? 1024 : isLarge ? 768 : 512;
  // Playground has XL's autoencoder, but its UNet was trained on normalised latents.
  if (statistics) return { scalingFactor: 0.5, sampleSize, latentsMean: statistics.mean, latentsStd: statistics.std };
  return { scalingFactor: original?.scalingFactor ?? (isXL ? 0.13025 : 0.18215), sampleSize };
}

/** Height and width of the latents a UNet was trained on, and the source of that number as text for users. */
export function latentSize(kind: PipelineKind): { readonly side: number; readonly source: string } {
  const { original } = kind;
  const side = latentSpace(kind).sampleSize / LATENT;
  const stated = original?.latentSize;
  // Stability's config of the larger Stable Diffusion 2 says 64, like all ldm configs, but the model was trained at 96.
  if (!original || stated === undefined || (side === 96 && stated === 64)) return { side, source: "usual for the family" };
  return { side: stated, source: original.name };
}

/** `tokenizer_config.json`: CLIP's, but Stable Diffusion 2 and the second text encoder of XL were trained on prompts filled up with `!`. */
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
