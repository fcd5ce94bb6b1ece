import type { TransformerFamily } from "./family.js";
import { FLUX_LATENTS } from "./flux-latents.js";

/** Steps and guidance of diffusers' pipelines. */
const DEFAULTS = { steps: 50, guidance: 5 } as const;
const FLOW = { _class_name: "FlowMatchEulerDiscreteScheduler", num_train_timesteps: 1000, use_dynamic_shifting: false } as const;

/** Z-Image (Z-Image Team 2025, arXiv:2511.22699). Its text encoder is Qwen3 4B, its autoencoder that of FLUX.1. */
export const Z_IMAGE = {
  id: "z-image",
  name: "Z-Image",
  shortName: "Z-Image",
  takesPrompt: true,
  workflows: {
    noise: { className: "ZImagePipeline", defaults: DEFAULTS },
    image: { className: "ZImageImg2ImgPipeline", defaults: { ...DEFAULTS, strength: 0.6 } },
  },
  parts: {
    transformer: { library: "diffusers", className: "ZImageTransformer2DModel" },
    vae: { library: "diffusers", className: "AutoencoderKL" },
    text_encoder: { library: "transformers", className: "Qwen3Model" },
    tokenizer: { library: "transformers", className: "Qwen2Tokenizer" },
  },
  latents: FLUX_LATENTS,
  patch: 2,
  sampleSize: 1024,
  published: [
    {
      repository: "Tongyi-MAI/Z-Image-Turbo",
      scheduler: { ...FLOW, shift: 3 },
      // As its model card advises.
      defaults: { steps: 8, guidance: 0 },
    },
    { repository: "Tongyi-MAI/Z-Image", scheduler: { ...FLOW, shift: 6 }, defaults: { steps: 50, guidance: 4 } },
  ],
  ownOptions: { maxSequenceLength: ["noise", "image"], cfgTruncation: ["noise", "image"], cfgNormalization: ["noise", "image"] },
  lacks: ["guidanceRescale", "eta", "freeU", "tokenMerging", "pagScale", "clipSkip", "promptSyntax", "cache"],
} as const satisfies TransformerFamily;
