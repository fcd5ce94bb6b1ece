import type { JsonObject } from "../json.js";

// Where people get the files that go with a transformer in a single file. Each name is one that a checkpoint's options take.

const CLIP_AND_T5 = "comfyanonymous/flux_text_encoders";
const Z_IMAGE = "Comfy-Org/z_image_turbo/split_files";
const FLUX_2 = "Comfy-Org/Flux-2-Klein-4B/split_files";
const QWEN_IMAGE = "Comfy-Org/Qwen-Image_ComfyUI/split_files";

/** Files by the beginning of the pipeline's class, then by the part's class. */
const SOURCES: readonly (readonly [pipeline: string, sources: Readonly<Record<string, string>>])[] = [
  ["ZImage", { Qwen3Model: `${Z_IMAGE}/text_encoders/qwen_3_4b.safetensors`, AutoencoderKL: `${Z_IMAGE}/vae/ae.safetensors` }],
  [
    "Flux2",
    {
      Qwen3ForCausalLM: `${FLUX_2}/text_encoders/qwen_3_4b.safetensors (for the 9B: Comfy-Org/Flux-2-Klein-9B/split_files/text_encoders/qwen_3_8b.safetensors)`,
      AutoencoderKLFlux2: "Comfy-Org/flux2-dev/split_files/vae/flux2-vae.safetensors",
    },
  ],
  [
    "StableDiffusion3",
    {
      CLIPTextModelWithProjection: `${CLIP_AND_T5}/clip_l.safetensors and Comfy-Org/stable-diffusion-3.5-fp8/text_encoders/clip_g.safetensors`,
      T5EncoderModel: `${CLIP_AND_T5}/t5xxl_fp16.safetensors`,
      AutoencoderKL: "the folder vae of stabilityai/stable-diffusion-3.5-medium",
    },
  ],
  [
    "QwenImage",
    {
      Qwen2_5_VLForConditionalGeneration: `${QWEN_IMAGE}/text_encoders/qwen_2.5_vl_7b.safetensors`,
      AutoencoderKLQwenImage: `${QWEN_IMAGE}/vae/qwen_image_vae.safetensors`,
    },
  ],
  // FLUX.1 and Chroma.
  [
    "",
    {
      CLIPTextModel: `${CLIP_AND_T5}/clip_l.safetensors`,
      T5EncoderModel: `${CLIP_AND_T5}/t5xxl_fp16.safetensors`,
      AutoencoderKL: `${Z_IMAGE}/vae/ae.safetensors`,
    },
  ],
];

/** Where a part of this class usually comes from, for a pipeline of this class. */
export function usualSource(pipeline: string, className: string): string | undefined {
  return SOURCES.find(([prefix]) => pipeline.startsWith(prefix))?.[1][className];
}

/**
 * The repository whose configs and tokenizers go with a transformer of this class and config, as its shapes show it. Checkpoints of one
 * shape (FLUX.1 dev and Kontext, klein and its base) are not told apart.
 */
export function usualConfig(className: string, config: JsonObject): string | undefined {
  switch (className) {
    case "FluxTransformer2DModel":
      if (config.in_channels === 384) return "black-forest-labs/FLUX.1-Fill-dev";
      return config.guidance_embeds === true ? "black-forest-labs/FLUX.1-dev" : "black-forest-labs/FLUX.1-schnell";
    case "ChromaTransformer2DModel":
      return "lodestones/Chroma1-HD";
    case "Flux2Transformer2DModel":
      return `black-forest-labs/FLUX.2-klein-${config.num_layers === 5 ? "4B" : "9B"}`;
    case "ZImageTransformer2DModel":
      return "Tongyi-MAI/Z-Image-Turbo";
    case "QwenImageTransformer2DModel":
      return config.zero_cond_t === true ? "Qwen/Qwen-Image-Edit-2511" : "Qwen/Qwen-Image";
    case "SD3Transformer2DModel":
      if (config.qk_norm === null) return "stabilityai/stable-diffusion-3-medium-diffusers";
      return Array.isArray(config.dual_attention_layers) && config.dual_attention_layers.length > 0
        ? "stabilityai/stable-diffusion-3.5-medium"
        : "stabilityai/stable-diffusion-3.5-large";
    default:
      return undefined;
  }
}
