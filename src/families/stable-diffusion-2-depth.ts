import type { Family } from "./family.js";
import { COMMON_PARTS, DEPTH } from "./stable-diffusion.js";
import { STABLE_DIFFUSION_2 } from "./stable-diffusion-2.js";

const { text_encoder, tokenizer } = STABLE_DIFFUSION_2.parts;

/** Stable Diffusion 2 whose UNet sees a depth map. The network that estimates depth is not loaded. */
export const STABLE_DIFFUSION_2_DEPTH = {
  id: "sd2-depth",
  name: "Stable Diffusion 2 depth",
  shortName: "SD 2 depth",
  takesPrompt: true,
  workflows: { image: DEPTH },
  parts: { ...COMMON_PARTS, text_encoder, tokenizer },
  ownOptions: { depthMap: ["image"] },
} as const satisfies Family;
