import type { JsonObject } from "../json.js";

// `scheduler_config.json` of the hub repositories that diffusers' `from_single_file` takes configs from, unchanged. A field that a config leaves out stays
// out: `fromConfig` of another scheduler class then uses that class's default.

/** A scheduler's config with its class. */
export type SchedulerConfig = JsonObject & { readonly _class_name: string };

/** A repository on the hub and the config of its scheduler. */
export interface Repository {
  readonly name: string;
  readonly scheduler: SchedulerConfig;
}

const STABLE_DIFFUSION = {
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

const PNDM: SchedulerConfig = { _class_name: "PNDMScheduler", ...STABLE_DIFFUSION };
const DDIM: SchedulerConfig = { _class_name: "DDIMScheduler", ...STABLE_DIFFUSION };

export const SD1: Repository = { name: "stable-diffusion-v1-5/stable-diffusion-v1-5", scheduler: PNDM };
export const SD1_INPAINTING: Repository = { name: "stable-diffusion-v1-5/stable-diffusion-inpainting", scheduler: DDIM };

/** The larger Stable Diffusion 2, which predicts velocity. */
export const SD2: Repository = {
  name: "stabilityai/stable-diffusion-2-1",
  scheduler: { ...DDIM, prediction_type: "v_prediction" },
};
/** The smaller one, which predicts noise. diffusers uses the larger one's config for it, too, and the pictures are noise. */
export const SD2_BASE: Repository = {
  name: "stabilityai/stable-diffusion-2-1-base",
  scheduler: { ...PNDM, prediction_type: "epsilon" },
};
export const SD2_INPAINTING: Repository = { name: "stabilityai/stable-diffusion-2-inpainting", scheduler: PNDM };

const EULER: SchedulerConfig = {
  _class_name: "EulerDiscreteScheduler",
  ...STABLE_DIFFUSION,
  interpolation_type: "linear",
  prediction_type: "epsilon",
  sample_max_value: 1,
  timestep_spacing: "leading",
  use_karras_sigmas: false,
};

/** diffusers uses it for every XL file, also SDXL Turbo, SSD-1B and Segmind Vega. */
export const XL: Repository = { name: "stabilityai/stable-diffusion-xl-base-1.0", scheduler: EULER };
export const XL_REFINER: Repository = { name: "stabilityai/stable-diffusion-xl-refiner-1.0", scheduler: EULER };
export const XL_INPAINTING: Repository = { name: "diffusers/stable-diffusion-xl-1.0-inpainting-0.1", scheduler: EULER };

export const PLAYGROUND: Repository = {
  name: "playgroundai/playground-v2.5-1024px-aesthetic",
  scheduler: {
    _class_name: "EDMDPMSolverMultistepScheduler",
    algorithm_type: "dpmsolver++",
    dynamic_thresholding_ratio: 0.995,
    euler_at_final: false,
    final_sigmas_type: "zero",
    lower_order_final: true,
    num_train_timesteps: 1000,
    prediction_type: "epsilon",
    rho: 7,
    sample_max_value: 1,
    sigma_data: 0.5,
    sigma_max: 80,
    sigma_min: 0.002,
    solver_order: 2,
    solver_type: "midpoint",
    thresholding: false,
  },
};

/** diffusers uses Stable Diffusion 1.5's config for such a file, and the pictures are noise. */
export const LCM: Repository = {
  name: "SimianLuo/LCM_Dreamshaper_v7",
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

/** The result of `LCMScheduler.from_config` with XL's config, as on the model card. */
export const XL_LCM: Repository = { name: "latent-consistency/lcm-sdxl", scheduler: { ...EULER, _class_name: "LCMScheduler" } };

/** The noise levels on the model card; the repository has no config. */
export const COSXL: Repository = {
  name: "stabilityai/cosxl",
  scheduler: {
    _class_name: "EDMEulerScheduler",
    prediction_type: "v_prediction",
    sigma_data: 1,
    sigma_max: 120,
    sigma_min: 0.002,
  },
};
