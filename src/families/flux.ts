import type { TransformerFamily } from "./family.js";
import { FLUX_LATENTS } from "./flux-latents.js";

const FLOW = { _class_name: "FlowMatchEulerDiscreteScheduler", num_train_timesteps: 1000 } as const;
/** The shift of noise levels grows with the picture. */
const DYNAMIC = {
  ...FLOW,
  shift: 3,
  use_dynamic_shifting: true,
  base_shift: 0.5,
  max_shift: 1.15,
  base_image_seq_len: 256,
  max_image_seq_len: 4096,
} as const;

/** T5 1.1 XXL, that all these checkpoints have. */
const T5 = { library: "transformers", className: "T5EncoderModel" } as const;
const T5_TOKENIZER = { library: "transformers", className: "T5Tokenizer" } as const;

const FLUX_PARTS = {
  transformer: { library: "diffusers", className: "FluxTransformer2DModel" },
  vae: { library: "diffusers", className: "AutoencoderKL" },
  text_encoder: { library: "transformers", className: "CLIPTextModel" },
  text_encoder_2: T5,
  tokenizer: { library: "transformers", className: "CLIPTokenizer", pad: "<|endoftext|>" },
  tokenizer_2: T5_TOKENIZER,
} as const;

/** Options of most pipelines with a prompt that these have not. */
const LACKS = ["guidanceRescale", "eta", "freeU", "tokenMerging", "pagScale", "clipSkip", "promptSyntax"] as const;

const ALL = ["noise", "image", "mask"] as const;
/** Options of its two text encoders. */
const TEXTS = { prompt2: ALL, negativePrompt2: ALL, maxSequenceLength: ALL } as const;

/** What the families of FLUX.1 share. */
const COMMON = {
  takesPrompt: true,
  guidance: "input",
  parts: FLUX_PARTS,
  latents: FLUX_LATENTS,
  patch: 2,
  sampleSize: 1024,
  lacks: LACKS,
} as const;

/** FLUX.1 schnell and dev (Black Forest Labs 2024). Guidance is an input of dev's transformer; schnell has none. */
export const FLUX = {
  ...COMMON,
  id: "flux",
  name: "FLUX.1",
  shortName: "FLUX.1",
  workflows: {
    noise: { className: "FluxPipeline", defaults: { steps: 28, guidance: 3.5 } },
    image: { className: "FluxImg2ImgPipeline", defaults: { steps: 28, guidance: 7, strength: 0.6 } },
    mask: { className: "FluxInpaintPipeline", defaults: { steps: 28, guidance: 7, strength: 0.6 } },
  },
  ownOptions: { ...TEXTS, trueCfgScale: ALL },
  published: [
    {
      repository: "black-forest-labs/FLUX.1-dev",
      scheduler: DYNAMIC,
      config: { guidance_embeds: true },
    },
    {
      repository: "black-forest-labs/FLUX.1-schnell",
      scheduler: { ...FLOW, shift: 1, use_dynamic_shifting: false },
      config: { guidance_embeds: false },
      // As its model card advises.
      defaults: { steps: 4, guidance: 0 },
    },
  ],
} as const satisfies TransformerFamily;

/** FLUX.1 Fill, whose transformer sees the masked picture and the mask. */
export const FLUX_FILL = {
  ...COMMON,
  id: "flux-fill",
  name: "FLUX.1 Fill",
  shortName: "FLUX.1 Fill",
  workflows: { mask: { className: "FluxFillPipeline", defaults: { steps: 50, guidance: 30, strength: 1 } } },
  ownOptions: { prompt2: ["mask"], maxSequenceLength: ["mask"] },
  published: [{ repository: "black-forest-labs/FLUX.1-Fill-dev", scheduler: DYNAMIC, config: { guidance_embeds: true, in_channels: 384 } }],
} as const satisfies TransformerFamily;

/** FLUX.1 Kontext, which edits the picture it is given as the text says (Black Forest Labs 2025, arXiv:2506.15742). */
export const FLUX_KONTEXT = {
  ...COMMON,
  id: "flux-kontext",
  name: "FLUX.1 Kontext",
  shortName: "FLUX.1 Kontext",
  workflows: {
    image: { className: "FluxKontextPipeline", defaults: { steps: 28, guidance: 3.5 }, takesAllSteps: true },
  },
  ownOptions: {
    prompt2: ["image"],
    negativePrompt2: ["image"],
    maxSequenceLength: ["image"],
    trueCfgScale: ["image"],
    maxArea: ["image"],
    autoResize: ["image"],
  },
  published: [
    // As its model card advises.
    {
      repository: "black-forest-labs/FLUX.1-Kontext-dev",
      scheduler: DYNAMIC,
      config: { guidance_embeds: true },
      defaults: { guidance: 2.5 },
    },
  ],
} as const satisfies TransformerFamily;

/** Chroma (lodestones 2025), made from FLUX.1 schnell: T5 alone, and guidance by negative prompts. */
export const CHROMA = {
  id: "chroma",
  name: "Chroma",
  shortName: "Chroma",
  takesPrompt: true,
  workflows: {
    noise: { className: "ChromaPipeline", defaults: { steps: 35, guidance: 5 } },
    image: { className: "ChromaImg2ImgPipeline", defaults: { steps: 35, guidance: 5, strength: 0.9 } },
  },
  parts: {
    transformer: { library: "diffusers", className: "ChromaTransformer2DModel" },
    vae: { library: "diffusers", className: "AutoencoderKL" },
    text_encoder: T5,
    tokenizer: T5_TOKENIZER,
  },
  latents: FLUX_LATENTS,
  patch: 2,
  sampleSize: 1024,
  ownOptions: {
    maxSequenceLength: ["noise", "image"],
    promptAttentionMask: ["noise", "image"],
    negativePromptAttentionMask: ["noise", "image"],
  },
  lacks: LACKS,
  published: [
    {
      repository: "lodestones/Chroma1-HD",
      scheduler: { ...FLOW, shift: 1, use_dynamic_shifting: false, use_beta_sigmas: true },
      // As its model card advises.
      defaults: { steps: 40, guidance: 3 },
    },
  ],
} as const satisfies TransformerFamily;
