import type { LatentFamily } from "./family.js";
import {
  CHANNELS,
  CLIP_PARTS,
  COMMON_PARTS,
  DDIM,
  LATENTS,
  LCM,
  MASKED_CHANNELS,
  PIPELINES,
  PNDM,
  SAFETY_PARTS,
  UNET_CONTEXT,
  WORKFLOWS,
} from "./stable-diffusion.js";

/** Stable Diffusion 1.1 to 1.5 (Rombach et al. 2022, arXiv:2112.10752) and what was trained from them. */
export const STABLE_DIFFUSION_1 = {
  id: "sd1",
  name: "Stable Diffusion 1",
  shortName: "SD 1",
  series: "Stable Diffusion",
  classPrefix: "StableDiffusion",
  architecture: "stable-diffusion-v1",
  takesPrompt: true,
  workflows: WORKFLOWS,
  parts: { ...COMMON_PARTS, ...CLIP_PARTS, ...SAFETY_PARTS },
  indexOptions: {},
  denoiser: { part: "unet", context: { ...UNET_CONTEXT, width: 768 }, heads: 8, pipelines: PIPELINES },
  textEncoders: [{ part: "text_encoder", ordinal: "", maker: "openai", width: 768 }],
  latents: LATENTS,
  published: [
    {
      repository: "stable-diffusion-v1-5/stable-diffusion-v1-5",
      scheduler: PNDM,
      inChannels: CHANNELS,
      prediction: "epsilon",
      sampleSize: 512,
    },
    {
      repository: "stable-diffusion-v1-5/stable-diffusion-inpainting",
      scheduler: DDIM,
      inChannels: MASKED_CHANNELS,
      prediction: "epsilon",
      sampleSize: 512,
    },
    LCM,
  ],
  embeddings: "one table",
} as const satisfies LatentFamily;
