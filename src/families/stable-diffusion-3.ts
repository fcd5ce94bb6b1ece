import type { TransformerFamily } from "./family.js";

const FLOW = { _class_name: "FlowMatchEulerDiscreteScheduler", num_train_timesteps: 1000, shift: 3 } as const;
const ALL = ["noise", "image", "mask"] as const;

/** Stable Diffusion 3 and 3.5 (Esser et al. 2024, arXiv:2403.03206). T5 may be left out. */
export const STABLE_DIFFUSION_3 = {
  id: "sd3",
  name: "Stable Diffusion 3",
  shortName: "3",
  takesPrompt: true,
  workflows: {
    noise: { className: "StableDiffusion3Pipeline", defaults: { steps: 28, guidance: 7 } },
    image: { className: "StableDiffusion3Img2ImgPipeline", defaults: { steps: 50, guidance: 7, strength: 0.6 } },
    mask: { className: "StableDiffusion3InpaintPipeline", defaults: { steps: 50, guidance: 7, strength: 0.6 } },
  },
  parts: {
    transformer: { library: "diffusers", className: "SD3Transformer2DModel" },
    vae: { library: "diffusers", className: "AutoencoderKL" },
    text_encoder: { library: "transformers", className: "CLIPTextModelWithProjection" },
    text_encoder_2: { library: "transformers", className: "CLIPTextModelWithProjection" },
    text_encoder_3: { library: "transformers", className: "T5EncoderModel" },
    tokenizer: { library: "transformers", className: "CLIPTokenizer", pad: "<|endoftext|>" },
    tokenizer_2: { library: "transformers", className: "CLIPTokenizer", pad: "!" },
    tokenizer_3: { library: "transformers", className: "T5Tokenizer" },
  },
  latents: { channels: 16, factor: 8, scale: 1.5305, shift: 0.0609 },
  patch: 2,
  sampleSize: 1024,
  ownOptions: {
    prompt2: ALL,
    negativePrompt2: ALL,
    maxSequenceLength: ALL,
    prompt3: ALL,
    negativePrompt3: ALL,
    textEncoder3: ALL,
    tokenizer3: ALL,
    skipGuidanceLayers: ["noise"],
    skipLayerGuidanceScale: ["noise"],
    skipLayerGuidanceStart: ["noise"],
    skipLayerGuidanceStop: ["noise"],
    mu: ALL,
  },
  lacks: ["guidanceRescale", "eta", "freeU", "tokenMerging", "pagScale", "promptSyntax", "cache"],
  published: [
    {
      repository: "stabilityai/stable-diffusion-3.5-large-turbo",
      scheduler: FLOW,
      config: { qk_norm: "rms_norm", num_layers: 38 },
      // Its configs are those of 3.5 large.
      named: "turbo",
      // As its model card advises.
      defaults: { steps: 4, guidance: 0 },
    },
    {
      repository: "stabilityai/stable-diffusion-3.5-large",
      scheduler: FLOW,
      config: { qk_norm: "rms_norm", num_layers: 38 },
      // As its model card advises.
      defaults: { steps: 28, guidance: 3.5 },
    },
    // Before 3.5 medium, because its config does not name the norms that it lacks.
    {
      repository: "stabilityai/stable-diffusion-3-medium-diffusers",
      scheduler: FLOW,
      config: { qk_norm: null, num_layers: 24 },
    },
    {
      repository: "stabilityai/stable-diffusion-3.5-medium",
      scheduler: FLOW,
      config: { qk_norm: "rms_norm", num_layers: 24 },
      defaults: { steps: 40, guidance: 4.5 },
    },
  ],
} as const satisfies TransformerFamily;
