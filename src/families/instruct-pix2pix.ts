import type { Family } from "./family.js";
import { CLIP_PARTS, COMMON_PARTS, EDIT, SAFETY_PARTS, XL_EDIT } from "./stable-diffusion.js";
import { SECOND_CLIP_PARTS, XL_IMAGE_PROMPT_PARTS } from "./stable-diffusion-xl.js";

/**
 * Stable Diffusion trained to change a picture as a text says (Brooks et al. 2023, arXiv:2211.09800). Its UNet sees the picture's latents.
 */
export const INSTRUCT_PIX2PIX = {
  id: "pix2pix",
  name: "InstructPix2Pix",
  shortName: "InstructPix2Pix",
  takesPrompt: true,
  takesImagePrompts: true,
  workflows: { image: EDIT },
  parts: { ...COMMON_PARTS, ...CLIP_PARTS, ...SAFETY_PARTS },
  ownOptions: { imageGuidanceScale: ["image"] },
} as const satisfies Family;

/** The same with Stable Diffusion XL. */
export const INSTRUCT_PIX2PIX_XL = {
  id: "pix2pix-xl",
  name: "InstructPix2Pix XL",
  shortName: "InstructPix2Pix",
  takesPrompt: true,
  takesImagePrompts: true,
  imagePromptParts: XL_IMAGE_PROMPT_PARTS,
  workflows: { image: XL_EDIT },
  parts: { ...COMMON_PARTS, ...CLIP_PARTS, ...SECOND_CLIP_PARTS },
  ownOptions: { prompt2: ["image"], negativePrompt2: ["image"] },
} as const satisfies Family;
