import type { SchedulerConfig } from "./family.js";
import type { PredictionType } from "./prediction-types.js";

// Checkpoints that were trained from XL with the noise levels of Karras et al. (2022, arXiv:2206.00364). Tensors in their files show it.

/** A checkpoint with Karras' noise levels. */
export interface EdmCheckpoint {
  /** Its id on the hub. */
  readonly repository: string;
  readonly scheduler: SchedulerConfig;
  readonly prediction: PredictionType;
  /** The tensors that show it. All of them are in its files. */
  readonly tensors: readonly string[];
  /** Tensors with the lowest and the highest noise level, if its files state them. */
  readonly sigmas?: { readonly min: string; readonly max: string };
  /** Set if its UNet was trained on normalised latents. */
  readonly latents?: NormalisedLatents;
}

/** How a UNet's latents are normalised: a mean and a standard deviation for each channel, then a scale. */
export interface NormalisedLatents {
  readonly scale: number;
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** Tensors with these means and deviations, if a file has its own. */
  readonly tensors: { readonly mean: string; readonly std: string };
}

/** Its latents are those of the vae/config.json in its repository. */
export const PLAYGROUND = {
  repository: "playgroundai/playground-v2.5-1024px-aesthetic",
  prediction: "epsilon",
  tensors: ["edm_mean", "edm_std"],
  latents: {
    scale: 0.5,
    mean: [-1.6574, 1.886, -1.383, 2.5155],
    std: [8.4927, 5.9022, 6.5498, 5.2299],
    tensors: { mean: "edm_mean", std: "edm_std" },
  },
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
} as const satisfies EdmCheckpoint;

/** The noise levels are those on the model card; the repository has no config. A file may state others. */
export const COSXL = {
  repository: "stabilityai/cosxl",
  prediction: "v_prediction",
  tensors: ["edm_vpred.sigma_max"],
  sigmas: { min: "edm_vpred.sigma_min", max: "edm_vpred.sigma_max" },
  scheduler: {
    _class_name: "EDMEulerScheduler",
    prediction_type: "v_prediction",
    sigma_data: 1,
    sigma_max: 120,
    sigma_min: 0.002,
  },
} as const satisfies EdmCheckpoint;
