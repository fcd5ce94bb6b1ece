import type { Family } from "./family.js";
import { CLIP_PARTS, COMMON_PARTS } from "./stable-diffusion.js";

/** How a picture becomes twice as wide and high by its latents. */
export const LATENT_UPSCALE = {
  className: "StableDiffusionLatentUpscalePipeline",
  defaults: { steps: 75, guidance: 9 },
  enlarges: 2,
} as const;

/** The network that enlarges the latents of Stable Diffusion 1 and 2, whose autoencoder and first text encoder it has. */
export const LATENT_UPSCALER = {
  id: "latent-upscaler",
  name: "the Stable Diffusion x2 latent upscaler",
  shortName: "latent upscaler",
  takesPrompt: true,
  workflows: { image: LATENT_UPSCALE },
  lacks: ["guidanceRescale", "freeU", "tokenMerging", "pagScale", "pagAdaptiveScale", "pagAppliedLayers", "eta", "cache"],
  parts: { ...COMMON_PARTS, ...CLIP_PARTS },
} as const satisfies Family;
