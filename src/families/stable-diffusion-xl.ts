import type { LatentFamily } from "./family.js";
import {
  CHANNELS,
  CLIP_PARTS,
  COMMON_PARTS,
  EDIT_CHANNELS,
  EULER,
  LATENTS,
  MASKED_CHANNELS,
  STEPS,
  UNET_CONTEXT,
  XL_EDIT,
} from "./stable-diffusion.js";

// What XL and its refiner share.

/** Numbers by which XL embeds one size or crop. */
export const SIZE_WIDTH = 256;

export const XL_LATENTS = { ...LATENTS, scale: 0.13025 } as const;
/** Side in pixels of the pictures XL was trained on. */
export const XL_SAMPLE_SIZE = 1024;

/** The second text encoder, the only one of the refiner. */
export const SECOND_TEXT_ENCODER = { part: "text_encoder_2", ordinal: "second", maker: "laion", width: 1280 } as const;
export const SECOND_CLIP_PARTS = {
  text_encoder_2: { library: "transformers", className: "CLIPTextModelWithProjection" },
  tokenizer_2: { library: "transformers", className: "CLIPTokenizer", pad: "!" },
} as const;

export const XL_WORKFLOWS = {
  noise: { className: "StableDiffusionXLPipeline", defaults: { steps: STEPS, guidance: 5 } },
  image: { className: "StableDiffusionXLImg2ImgPipeline", defaults: { steps: STEPS, guidance: 5, strength: 0.3 } },
  // Just under 1, so that a trace of the picture's colours stays.
  mask: { className: "StableDiffusionXLInpaintPipeline", defaults: { steps: STEPS, guidance: 7.5, strength: 0.9999 } },
  "controlnet-noise": { className: "StableDiffusionXLControlNetPipeline", defaults: { steps: STEPS, guidance: 5, control: 1 } },
  "controlnet-image": {
    className: "StableDiffusionXLControlNetImg2ImgPipeline",
    defaults: { steps: STEPS, guidance: 5, strength: 0.8, control: 0.8 },
  },
  "controlnet-mask": {
    className: "StableDiffusionXLControlNetInpaintPipeline",
    defaults: { steps: STEPS, guidance: 5, strength: 0.9999, control: 1 },
  },
  "union-noise": { className: "StableDiffusionXLControlNetUnionPipeline", defaults: { steps: STEPS, guidance: 5, control: 1 } },
  "union-image": {
    className: "StableDiffusionXLControlNetUnionImg2ImgPipeline",
    defaults: { steps: STEPS, guidance: 5, strength: 0.8, control: 0.8 },
  },
  "union-mask": {
    className: "StableDiffusionXLControlNetUnionInpaintPipeline",
    defaults: { steps: STEPS, guidance: 5, strength: 0.9999, control: 1 },
  },
  "adapter-noise": { className: "StableDiffusionXLAdapterPipeline", defaults: { steps: STEPS, guidance: 5, control: 1 } },
} as const;

/** The refiner was trained on the last fifth of the noise levels (Podell et al. 2023, section 2.5). A base can refine as well. */
export const XL_REFINEMENT = { families: ["xl-refiner", "xl"], from: 0.8 } as const;

/** As InstantStyle found them (Wang et al. 2024, arXiv:2404.02733), in diffusers' notation. */
export const XL_IMAGE_PROMPT_PARTS = { style: { up: { block_0: [0, 1, 0] } }, layout: { down: { block_2: [0, 1] } } } as const;

const ALL = Object.keys(XL_WORKFLOWS) as (keyof typeof XL_WORKFLOWS)[];
/** Workflows that can continue the unfinished run of another model, and those that can leave their run unfinished. */
const CONTINUING = ["image", "mask", "controlnet-mask", "union-mask"] as const;
const ENDING = ["noise", "controlnet-noise", "union-noise", "adapter-noise", ...CONTINUING] as const;

/** The options of its two text encoders, of sizes and crops, and of a share of the denoising. */
const OWN_OPTIONS = {
  prompt2: ALL,
  negativePrompt2: ALL,
  pooledPromptEmbeds: ALL,
  negativePooledPromptEmbeds: ALL,
  originalSize: ALL,
  targetSize: ALL,
  cropsCoordsTopLeft: ALL,
  negativeOriginalSize: ALL,
  negativeTargetSize: ALL,
  negativeCropsCoordsTopLeft: ALL,
  textEncoder2: ALL,
  tokenizer2: ALL,
  denoisingEnd: ENDING,
  denoisingStart: CONTINUING,
  controlMode: ["union-noise", "union-image", "union-mask"],
  adapterConditioningFactor: ["adapter-noise"],
} as const;

/** Stable Diffusion XL (Podell et al. 2023, arXiv:2307.01952), also SDXL Turbo, SSD-1B, Segmind Vega and what was trained from them. */
export const STABLE_DIFFUSION_XL = {
  id: "xl",
  name: "Stable Diffusion XL",
  shortName: "XL",
  series: "Stable Diffusion XL",
  classPrefix: "StableDiffusionXL",
  architecture: "stable-diffusion-xl",
  takesPrompt: true,
  takesImagePrompts: true,
  imagePromptParts: XL_IMAGE_PROMPT_PARTS,
  workflows: XL_WORKFLOWS,
  parts: { ...COMMON_PARTS, ...CLIP_PARTS, ...SECOND_CLIP_PARTS },
  indexOptions: { force_zeros_for_empty_prompt: true, requires_aesthetics_score: false },
  denoiser: {
    part: "unet",
    context: { ...UNET_CONTEXT, width: 2048 },
    // The original size, the crop and the target size.
    sizeNumbers: 6,
    pipelines: {
      [CHANNELS]: XL_WORKFLOWS.noise.className,
      [EDIT_CHANNELS]: XL_EDIT.className,
      [MASKED_CHANNELS]: XL_WORKFLOWS.mask.className,
    },
  },
  textEncoders: [{ part: "text_encoder", ordinal: "first", maker: "openai", width: 768 }, SECOND_TEXT_ENCODER],
  latents: XL_LATENTS,
  published: [
    // diffusers uses its config for every XL file.
    {
      repository: "stabilityai/stable-diffusion-xl-base-1.0",
      scheduler: EULER,
      inChannels: CHANNELS,
      prediction: "epsilon",
      sampleSize: XL_SAMPLE_SIZE,
    },
    {
      repository: "diffusers/stable-diffusion-xl-1.0-inpainting-0.1",
      scheduler: EULER,
      inChannels: MASKED_CHANNELS,
      prediction: "epsilon",
      sampleSize: XL_SAMPLE_SIZE,
    },
    {
      repository: "diffusers/sdxl-instructpix2pix-768",
      scheduler: EULER,
      inChannels: EDIT_CHANNELS,
      prediction: "epsilon",
      sampleSize: 768,
    },
    // The result of `LCMScheduler.from_config` with XL's config, as on the model card.
    {
      repository: "latent-consistency/lcm-sdxl",
      scheduler: { ...EULER, _class_name: "LCMScheduler" },
      inChannels: CHANNELS,
      prediction: "epsilon",
      isConsistency: true,
      sampleSize: XL_SAMPLE_SIZE,
    },
  ],
  loraTensors: /^(lora_te2[._]|text_encoder_2\.|(text_encoders\.)?clip_g\.)/,
  embeddings: "table per encoder",
  ownOptions: OWN_OPTIONS,
  refinement: XL_REFINEMENT,
} as const satisfies LatentFamily;
