import { ConfigError } from "../../errors.js";
import type { JsonObject } from "../json.js";
import type { Family } from "./family.js";
import type { LatentSpace } from "./network-configs.js";
import type { Prediction } from "./prediction.js";

// What a folder would hold beside its networks, as the checkpoints on the hub do from which diffusers takes the configs of a single file.

/** What a single file with a UNet is. */
export interface PipelineKind {
  readonly family: Family;
  /** Channels the UNet takes: 4, or 9 with a masked picture. */
  readonly inChannels: number;
  readonly prediction: Prediction;
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

/** What a UNet for which there is no pipeline seems to be of, by its channels. */
export function strangePipeline({ inChannels }: PipelineKind): string {
  const other = OTHER_CHANNELS[inChannels];
  return `a UNet of ${inChannels} channels${other ? `, as that of ${other}` : ""}`;
}

/** The pipeline's class. @throws ConfigError if Darkroom has none for the UNet of the file `name`. */
export function expectPipelineClass(name: string, kind: PipelineKind): string {
  const className = pipelineClass(kind);
  if (className !== undefined) return className;
  throw new ConfigError(`${name} has ${strangePipeline(kind)}; expected ${Object.keys(CLASSES[kind.family]).join(" or ")}`, {
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

const BETAS = { beta_start: 0.00085, beta_end: 0.012, beta_schedule: "scaled_linear", num_train_timesteps: 1000 };

/** `scheduler_config.json`. */
export function schedulerConfig({ family, inChannels, prediction: { type, zeroSnr = false, edm } }: PipelineKind): SchedulerConfig {
  // Stability's own numbers for CosXL, and Playground's for Playground 2.5.
  if (edm === "cosxl") return { _class_name: "EDMEulerScheduler", sigma_min: 0.002, sigma_max: 120, sigma_data: 1, prediction_type: type };
  if (edm === "playground") {
    return { _class_name: "EDMDPMSolverMultistepScheduler", sigma_min: 0.002, sigma_max: 80, sigma_data: 0.5, prediction_type: type };
  }
  const common = { ...BETAS, steps_offset: 1, timestep_spacing: "leading", prediction_type: type };
  if (family === "xl" || family === "xl-refiner")
    return { _class_name: "EulerDiscreteScheduler", ...common, rescale_betas_zero_snr: zeroSnr };
  // PNDM knows no noise at full strength.
  if (family === "sd1" && inChannels === 4 && !zeroSnr) {
    return { _class_name: "PNDMScheduler", ...common, set_alpha_to_one: false, skip_prk_steps: true };
  }
  return { _class_name: "DDIMScheduler", ...common, set_alpha_to_one: false, clip_sample: false, rescale_betas_zero_snr: zeroSnr };
}

type SchedulerConfig = JsonObject & { readonly _class_name: string };

/** What is particular to the latents of a family; of Stable Diffusion 1 for an autoencoder that comes alone, as in diffusers. */
export function latentSpace({ family, inChannels, prediction }: PipelineKind): LatentSpace {
  if (prediction.edm === "playground") {
    // Its autoencoder is XL's, but its UNet was trained on latents brought to a common mean and deviation.
    const statistics = { latentsMean: [-1.6574, 1.886, -1.383, 2.5155], latentsStd: [8.4927, 5.9022, 6.5498, 5.2299] };
    return { scalingFactor: 0.5, sampleSize: 1024, ...statistics };
  }
  if (family === "xl" || family === "xl-refiner") return { scalingFactor: 0.13025, sampleSize: 1024 };
  // The larger model of Stable Diffusion 2 is the one that predicts velocity.
  const isLarge = family === "sd2" && inChannels === 4 && prediction.type === "v_prediction";
  return { scalingFactor: 0.18215, sampleSize: isLarge ? 768 : 512 };
}

/** Side of the latents a UNet was trained on. */
export function latentSize(kind: PipelineKind): number {
  return latentSpace(kind).sampleSize / LATENT;
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
