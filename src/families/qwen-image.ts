import type { TransformerFamily } from "./family.js";

/** Steps and true guidance of diffusers' pipelines. */
const DEFAULTS = { steps: 50, guidance: 4 } as const;
const SCHEDULER = {
  _class_name: "FlowMatchEulerDiscreteScheduler",
  num_train_timesteps: 1000,
  shift: 1,
  use_dynamic_shifting: true,
  base_shift: 0.5,
  max_shift: 0.9,
  base_image_seq_len: 256,
  max_image_seq_len: 8192,
  shift_terminal: 0.02,
  time_shift_type: "exponential",
} as const;

const COMMON = {
  takesPrompt: true,
  guidance: "trueCfgScale",
  parts: {
    transformer: { library: "diffusers", className: "QwenImageTransformer2DModel" },
    vae: { library: "diffusers", className: "AutoencoderKLQwenImage" },
    text_encoder: { library: "transformers", className: "Qwen2_5_VLForConditionalGeneration" },
    tokenizer: { library: "transformers", className: "Qwen2Tokenizer" },
  },
  latents: { channels: 16, factor: 8, scale: 1, shift: 0 },
  patch: 2,
  sampleSize: 1024,
  lacks: ["guidanceRescale", "eta", "freeU", "tokenMerging", "pagScale", "clipSkip"],
} as const;

/** Qwen-Image (Qwen Team 2025, arXiv:2508.02324). Its text encoder is Qwen2.5-VL 7B, its autoencoder that of Wan 2.1. */
export const QWEN_IMAGE = {
  ...COMMON,
  id: "qwen-image",
  name: "Qwen-Image",
  shortName: "Qwen-Image",
  workflows: {
    noise: { className: "QwenImagePipeline", defaults: DEFAULTS },
    image: { className: "QwenImageImg2ImgPipeline", defaults: { ...DEFAULTS, strength: 0.6 } },
  },
  ownOptions: { maxSequenceLength: ["noise", "image"], trueCfgScale: ["noise", "image"] },
  published: [
    { repository: "Qwen/Qwen-Image-2512", scheduler: SCHEDULER },
    { repository: "Qwen/Qwen-Image", scheduler: SCHEDULER },
  ],
} as const satisfies TransformerFamily;

/** Qwen-Image-Edit since 2509: it changes pictures, and joins several, as a text says. */
export const QWEN_IMAGE_EDIT = {
  ...COMMON,
  id: "qwen-image-edit",
  name: "Qwen-Image-Edit",
  shortName: "Qwen-Image-Edit",
  takesReferences: true,
  workflows: { image: { className: "QwenImageEditPlusPipeline", defaults: { ...DEFAULTS, strength: 1 }, takesAllSteps: true } },
  ownOptions: { maxSequenceLength: ["image"], trueCfgScale: ["image"] },
  parts: { ...COMMON.parts, processor: { library: "transformers", className: "Qwen2VLProcessor" } },
  published: [
    { repository: "Qwen/Qwen-Image-Edit-2511", scheduler: SCHEDULER, config: { zero_cond_t: true }, defaults: { steps: 40 } },
    { repository: "Qwen/Qwen-Image-Edit-2509", scheduler: SCHEDULER, config: { zero_cond_t: false }, defaults: { steps: 40 } },
  ],
} as const satisfies TransformerFamily;
