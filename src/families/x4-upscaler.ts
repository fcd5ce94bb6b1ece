import type { Family } from "./family.js";
import { COMMON_PARTS, UPSCALE } from "./stable-diffusion.js";
import { STABLE_DIFFUSION_2 } from "./stable-diffusion-2.js";

const { text_encoder, tokenizer } = STABLE_DIFFUSION_2.parts;

/** Stable Diffusion 2 that makes a picture four times as wide and high. Its UNet sees the small picture with noise. */
export const X4_UPSCALER = {
  id: "x4-upscaler",
  name: "the Stable Diffusion x4 upscaler",
  shortName: "x4 upscaler",
  takesPrompt: true,
  workflows: { image: UPSCALE },
  parts: { ...COMMON_PARTS, text_encoder, tokenizer, low_res_scheduler: { library: "diffusers", className: "DDPMScheduler" } },
  ownOptions: { noiseLevel: ["image"], lowResScheduler: ["image"] },
} as const satisfies Family;
