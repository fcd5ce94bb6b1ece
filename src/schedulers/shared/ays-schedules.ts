/**
 * Noise schedules of 10 steps that were optimised for their models (Sabour et al. 2024, "Align Your Steps", arXiv:2404.14507). Give them to
 * a call: `pipe.generate({ prompt, timesteps: AysSchedules.StableDiffusionTimesteps })`, or `sigmas`, which end with the level after the
 * last step. Matches diffusers' AysSchedules.
 */
export const AysSchedules = {
  /** Timesteps for Stable Diffusion 1, for schedulers that take `timesteps`. */
  StableDiffusionTimesteps: [999, 850, 736, 645, 545, 455, 343, 233, 124, 24],
  /** Noise levels for Stable Diffusion 1, for schedulers that take `sigmas`. */
  StableDiffusionSigmas: [14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0],
  /** Timesteps for Stable Diffusion XL. */
  StableDiffusionXLTimesteps: [999, 845, 730, 587, 443, 310, 193, 116, 53, 13],
  /** Noise levels for Stable Diffusion XL. */
  StableDiffusionXLSigmas: [14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.38, 0.234, 0.113, 0],
  /** Noise levels for Stable Video Diffusion. */
  StableDiffusionVideoSigmas: [700, 54.5, 15.886, 7.977, 4.248, 1.789, 0.981, 0.403, 0.173, 0.034, 0],
} as const;
