import type { LatentFamily } from "./family.js";
import {
  CHANNELS,
  COMMON_PARTS,
  DDIM,
  DEPTH,
  DEPTH_CHANNELS,
  LATENTS,
  LCM,
  MASKED_CHANNELS,
  PIPELINES,
  PNDM,
  SAFETY_PARTS,
  UNET_CONTEXT,
  WORKFLOWS,
} from "./stable-diffusion.js";

/** Stable Diffusion 2.0 and 2.1: the smaller checkpoint (base) predicts noise, the larger one velocity. */
export const STABLE_DIFFUSION_2 = {
  id: "sd2",
  name: "Stable Diffusion 2",
  shortName: "SD 2",
  series: "Stable Diffusion",
  classPrefix: "StableDiffusion",
  architecture: "stable-diffusion-v2",
  takesPrompt: true,
  takesImagePrompts: true,
  workflows: WORKFLOWS,
  parts: {
    ...COMMON_PARTS,
    text_encoder: { library: "transformers", className: "CLIPTextModel" },
    tokenizer: { library: "transformers", className: "CLIPTokenizer", pad: "!" },
    ...SAFETY_PARTS,
  },
  indexOptions: {},
  // A UNet of this width that has labels is unCLIP's. They embed a picture.
  denoiser: {
    part: "unet",
    context: { ...UNET_CONTEXT, width: 1024 },
    labels: "class_embedding",
    pipelines: { ...PIPELINES, [DEPTH_CHANNELS]: DEPTH.className },
  },
  textEncoders: [{ part: "text_encoder", ordinal: "", maker: "laion", width: 1024 }],
  latents: LATENTS,
  published: [
    // First, because diffusers takes every file that states nothing for this one.
    {
      repository: "stabilityai/stable-diffusion-2-1",
      scheduler: { ...DDIM, prediction_type: "v_prediction" },
      inChannels: CHANNELS,
      prediction: "v_prediction",
      sampleSize: 768,
      wrongLatentSize: 64,
      architecture: "stable-diffusion-v2-768-v",
    },
    // diffusers uses the larger one's config for it, too, and the pictures are noise.
    {
      repository: "stabilityai/stable-diffusion-2-1-base",
      scheduler: { ...PNDM, prediction_type: "epsilon" },
      inChannels: CHANNELS,
      prediction: "epsilon",
      sampleSize: 512,
      architecture: "stable-diffusion-v2-512",
      globalStep: 875_000,
    },
    {
      repository: "stabilityai/stable-diffusion-2-inpainting",
      scheduler: PNDM,
      inChannels: MASKED_CHANNELS,
      prediction: "epsilon",
      sampleSize: 512,
    },
    {
      repository: "stabilityai/stable-diffusion-2-depth",
      scheduler: PNDM,
      inChannels: DEPTH_CHANNELS,
      prediction: "epsilon",
      sampleSize: 512,
    },
    // Latent consistency models keep the size of the checkpoint they were made from.
    { ...LCM, prediction: "v_prediction", sampleSize: 768, wrongLatentSize: 64 },
    LCM,
  ],
  embeddings: "one table",
} as const satisfies LatentFamily;
