import type { Family } from "./family.js";

/** The only network of pipelines without a prompt. It denoises pixels. */
export const PIXEL_PARTS = { unet: { library: "diffusers", className: "UNet2DModel" } } as const;

/** Pictures out of noise (Ho et al. 2020, arXiv:2006.11239), with as many steps as the training had. */
export const DDPM = {
  id: "ddpm",
  name: "DDPM",
  shortName: "DDPM",
  takesPrompt: false,
  workflows: { noise: { className: "DDPMPipeline", defaults: { steps: 1000 } } },
  parts: PIXEL_PARTS,
} as const satisfies Family;
