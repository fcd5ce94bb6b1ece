import type { PublishedCheckpoint, SchedulerConfig } from "./family.js";

// What the families of Stable Diffusion have in common. A scheduler's config is the `scheduler_config.json` of its repository, unchanged: a
// field that the repository leaves out stays out, so that `fromConfig` of another scheduler class uses its own default.

const NOISE_SCHEDULE = {
  beta_end: 0.012,
  beta_schedule: "scaled_linear",
  beta_start: 0.00085,
  clip_sample: false,
  num_train_timesteps: 1000,
  set_alpha_to_one: false,
  skip_prk_steps: true,
  steps_offset: 1,
  trained_betas: null,
} as const;

export const PNDM: SchedulerConfig = { _class_name: "PNDMScheduler", ...NOISE_SCHEDULE };
export const DDIM: SchedulerConfig = { _class_name: "DDIMScheduler", ...NOISE_SCHEDULE };
export const EULER_ANCESTRAL: SchedulerConfig = {
  _class_name: "EulerAncestralDiscreteScheduler",
  ...NOISE_SCHEDULE,
  prediction_type: "epsilon",
};
export const EULER: SchedulerConfig = {
  _class_name: "EulerDiscreteScheduler",
  ...NOISE_SCHEDULE,
  interpolation_type: "linear",
  prediction_type: "epsilon",
  sample_max_value: 1,
  timestep_spacing: "leading",
  use_karras_sigmas: false,
};

/**
 * The latent consistency model of version 1. diffusers uses the config of Stable Diffusion 1.5 for such a file, and the pictures are noise.
 */
export const LCM: PublishedCheckpoint = {
  repository: "SimianLuo/LCM_Dreamshaper_v7",
  inChannels: 4,
  prediction: "epsilon",
  isConsistency: true,
  sampleSize: 512,
  scheduler: {
    _class_name: "LCMScheduler",
    beta_end: 0.012,
    beta_schedule: "scaled_linear",
    beta_start: 0.00085,
    clip_sample: false,
    clip_sample_range: 1,
    dynamic_thresholding_ratio: 0.995,
    num_train_timesteps: 1000,
    original_inference_steps: 50,
    prediction_type: "epsilon",
    rescale_betas_zero_snr: false,
    sample_max_value: 1,
    set_alpha_to_one: true,
    steps_offset: 1,
    thresholding: false,
    timestep_spacing: "leading",
    trained_betas: null,
  },
};

/** Where a UNet shows the width of its text features. */
export const UNET_CONTEXT = { tensor: ".attn2.to_k.weight", field: "crossAttentionDim" } as const;

/** Denoising steps of every pipeline with a prompt. */
export const STEPS = 50;

/** Channels of the latents, and of the latents with a mask and a masked picture. */
export const CHANNELS = 4;
export const MASKED_CHANNELS = 9;
/** Channels of the latents and of a depth map. */
export const DEPTH_CHANNELS = 5;
/** Channels of the latents, and of the latents of a picture that is edited. */
export const EDIT_CHANNELS = 8;

/** The latents of versions 1 and 2, and of an autoencoder whose family is not known. */
export const LATENTS = { channels: CHANNELS, factor: 8, scale: 0.18215, shift: 0 } as const;

/** The parts of a checkpoint that all families have. */
export const COMMON_PARTS = {
  unet: { library: "diffusers", className: "UNet2DConditionModel" },
  vae: { library: "diffusers", className: "AutoencoderKL" },
} as const;

/** The text encoder of version 1, and the first one of XL. */
export const CLIP_PARTS = {
  text_encoder: { library: "transformers", className: "CLIPTextModel" },
  tokenizer: { library: "transformers", className: "CLIPTokenizer", pad: "<|endoftext|>" },
} as const;

/** Parts of versions 1 and 2 besides their networks and tokenizers. */
export const SAFETY_PARTS = {
  safety_checker: { library: "stable_diffusion", className: "StableDiffusionSafetyChecker", isOnlyInFolders: true },
  feature_extractor: { library: "transformers", className: "CLIPImageProcessor" },
} as const;

/** The workflows of versions 1 and 2. */
export const WORKFLOWS = {
  noise: { className: "StableDiffusionPipeline", defaults: { steps: STEPS, guidance: 7.5 } },
  image: { className: "StableDiffusionImg2ImgPipeline", defaults: { steps: STEPS, guidance: 7.5, strength: 0.8 } },
  mask: { className: "StableDiffusionInpaintPipeline", defaults: { steps: STEPS, guidance: 7.5, strength: 1 } },
  "controlnet-noise": { className: "StableDiffusionControlNetPipeline", defaults: { steps: STEPS, guidance: 7.5, control: 1 } },
  "controlnet-image": {
    className: "StableDiffusionControlNetImg2ImgPipeline",
    defaults: { steps: STEPS, guidance: 7.5, strength: 0.8, control: 0.8 },
  },
  "controlnet-mask": {
    className: "StableDiffusionControlNetInpaintPipeline",
    defaults: { steps: STEPS, guidance: 7.5, strength: 1, control: 0.5 },
  },
  "adapter-noise": { className: "StableDiffusionAdapterPipeline", defaults: { steps: STEPS, guidance: 7.5, control: 1 } },
} as const;

/** How InstructPix2Pix changes a picture, with Stable Diffusion 1 and with XL. */
export const EDIT = {
  className: "StableDiffusionInstructPix2PixPipeline",
  defaults: { steps: 100, guidance: 7.5, imageGuidance: 1.5 },
} as const;
export const XL_EDIT = {
  className: "StableDiffusionXLInstructPix2PixPipeline",
  defaults: { steps: 100, guidance: 5, imageGuidance: 1.5 },
} as const;

/** How a picture is changed whose depth is known. */
export const DEPTH = { className: "StableDiffusionDepth2ImgPipeline", defaults: { steps: STEPS, guidance: 7.5, strength: 0.8 } } as const;

/** How a picture becomes four times as wide and high, and the scale of the latents that its networks need. */
export const UPSCALE = { className: "StableDiffusionUpscalePipeline", defaults: { steps: 75, guidance: 9 }, enlarges: 4 } as const;
export const UPSCALER_LATENT_SCALE = 0.08333;

/** The pipelines of versions 1 and 2 by the channels that their UNets take. */
export const PIPELINES = { [CHANNELS]: WORKFLOWS.noise.className, [MASKED_CHANNELS]: WORKFLOWS.mask.className } as const;
