import type { JsonObject } from "../json.js";

// `scheduler_config.json` of the repositories on the hub whose configs diffusers' `from_single_file` takes, word for word. What such a config leaves out
// is left out here too: a scheduler made of it by `fromConfig` takes its own default for a missing field, and another one's value for a field that is there.

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

/** The larger model of Stable Diffusion 2, which predicts velocity. */
export const SD2: Repository = {
  name: "stabilityai/stable-diffusion-2-1",
  scheduler: { ...DDIM, prediction_type: "v_prediction" },
};
/** The smaller one, which predicts noise. diffusers takes the larger one's config for it too, whose pictures are noise with this network. */
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

/** diffusers takes it for every XL file: also for SDXL Turbo, SSD-1B and Segmind Vega. */
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

/** diffusers takes the config of Stable Diffusion 1.5 for such a file, whose scheduler gives noise with this network. */
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

/** What `LCMScheduler.from_config` makes of XL's config, as the model card says. */
export const XL_LCM: Repository = { name: "latent-consistency/lcm-sdxl", scheduler: { ...EULER, _class_name: "LCMScheduler" } };

/** The noise levels that its model card names; the repository has no config. */
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
