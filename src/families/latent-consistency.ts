import type { Family } from "./family.js";
import { CLIP_PARTS, COMMON_PARTS, SAFETY_PARTS } from "./stable-diffusion.js";

const DEFAULTS = { steps: 4, guidance: 8.5 } as const;

/** Stable Diffusion 1 distilled for few steps (Luo et al. 2023, arXiv:2310.04378). Its UNet takes the guidance scale as an input. */
export const LATENT_CONSISTENCY = {
  id: "lcm",
  name: "latent consistency models",
  shortName: "LCM",
  takesPrompt: true,
  takesImagePrompts: true,
  workflows: {
    noise: { className: "LatentConsistencyModelPipeline", defaults: DEFAULTS },
    image: { className: "LatentConsistencyModelImg2ImgPipeline", defaults: { ...DEFAULTS, strength: 0.8 }, takesAllSteps: true },
  },
  lacks: ["negativePrompt", "guidanceRescale", "guidanceInterval", "eta", "sigmas"],
  parts: { ...COMMON_PARTS, ...CLIP_PARTS, ...SAFETY_PARTS },
} as const satisfies Family;
