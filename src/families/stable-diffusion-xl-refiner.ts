import type { LatentFamily } from "./family.js";
import { CHANNELS, COMMON_PARTS, EULER, UNET_CONTEXT } from "./stable-diffusion.js";
import { SECOND_CLIP_PARTS, SECOND_TEXT_ENCODER, XL_LATENTS, XL_REFINEMENT, XL_SAMPLE_SIZE, XL_WORKFLOWS } from "./stable-diffusion-xl.js";

/** The aesthetic scores of prompts and of negative prompts, if a call names none. They go from 1 to 10. */
export const AESTHETIC_SCORES = { positive: 6, negative: 2.5 } as const;

/** The refiner of Stable Diffusion XL. It takes pictures with little noise, so it has no workflow that starts from noise. */
export const STABLE_DIFFUSION_XL_REFINER = {
  id: "xl-refiner",
  name: "Stable Diffusion XL's refiner",
  shortName: "XL",
  series: "Stable Diffusion XL",
  classPrefix: "StableDiffusionXL",
  architecture: "stable-diffusion-xl-v1-refiner",
  takesPrompt: true,
  workflows: { image: XL_WORKFLOWS.image, mask: XL_WORKFLOWS.mask },
  parts: { ...COMMON_PARTS, text_encoder: null, tokenizer: null, ...SECOND_CLIP_PARTS },
  indexOptions: { force_zeros_for_empty_prompt: false, requires_aesthetics_score: true },
  denoiser: {
    part: "unet",
    context: { ...UNET_CONTEXT, width: 1280 },
    // The original size, the crop and the aesthetic score.
    sizeNumbers: 5,
    pipelines: { [CHANNELS]: XL_WORKFLOWS.image.className },
  },
  textEncoders: [SECOND_TEXT_ENCODER],
  latents: XL_LATENTS,
  published: [
    {
      repository: "stabilityai/stable-diffusion-xl-refiner-1.0",
      scheduler: EULER,
      inChannels: CHANNELS,
      prediction: "epsilon",
      sampleSize: XL_SAMPLE_SIZE,
    },
  ],
  ownOptions: { aestheticScore: ["image", "mask"], negativeAestheticScore: ["image", "mask"] },
  refinement: XL_REFINEMENT,
} as const satisfies LatentFamily;
