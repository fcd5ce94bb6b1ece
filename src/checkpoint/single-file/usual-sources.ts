import { isNamed } from "../../families/lookups.js";
import type { JsonObject } from "../json.js";

// Where people get the files that go with a transformer in a single file. Each name is one that a checkpoint's options take.

const CLIP_AND_T5 = "comfyanonymous/flux_text_encoders";
const CLIP_L = `${CLIP_AND_T5}/clip_l.safetensors`;
const T5 = `${CLIP_AND_T5}/t5xxl_fp16.safetensors`;
const Z_IMAGE = "Comfy-Org/z_image_turbo/split_files";
const QWEN_IMAGE = "Comfy-Org/Qwen-Image_ComfyUI/split_files";
const AE = `${Z_IMAGE}/vae/ae.safetensors`;

/**
 * Files by the beginning of the pipeline's class, then by the part. Where a checkpoint comes in two sizes, the second is the larger one's.
 */
const SOURCES: readonly (readonly [pipeline: string, sources: Readonly<Record<string, string | readonly [string, string]>>])[] = [
  ["ZImage", { text_encoder: `${Z_IMAGE}/text_encoders/qwen_3_4b.safetensors`, vae: AE }],
  [
    "Flux2",
    {
      text_encoder: [
        "Comfy-Org/Flux-2-Klein-4B/split_files/text_encoders/qwen_3_4b.safetensors",
        "Comfy-Org/Flux-2-Klein-9B/split_files/text_encoders/qwen_3_8b.safetensors",
      ],
      vae: "Comfy-Org/flux2-dev/split_files/vae/flux2-vae.safetensors",
    },
  ],
  [
    "StableDiffusion3",
    {
      text_encoder: CLIP_L,
      text_encoder_2: "Comfy-Org/stable-diffusion-3.5-fp8/text_encoders/clip_g.safetensors",
      text_encoder_3: T5,
      vae: "stabilityai/stable-diffusion-3.5-medium/vae/diffusion_pytorch_model.safetensors",
    },
  ],
  [
    "QwenImage",
    {
      text_encoder: `${QWEN_IMAGE}/text_encoders/qwen_2.5_vl_7b.safetensors`,
      vae: `${QWEN_IMAGE}/vae/qwen_image_vae.safetensors`,
    },
  ],
  ["Chroma", { text_encoder: T5, vae: AE }],
  // FLUX.1.
  ["", { text_encoder: CLIP_L, text_encoder_2: T5, vae: AE }],
];

/**
 * Where a part usually comes from, for a pipeline of this class: a file on the hub. `isLarger` says which size of it, where there are two.
 */
export function usualSource(pipeline: string, part: string, isLarger = false): string | undefined {
  const source = SOURCES.find(([prefix]) => pipeline.startsWith(prefix))?.[1][part];
  return typeof source === "object" ? source[Number(isLarger)] : source;
}

/** The same in words, with both sizes. */
export function describeSource(pipeline: string, part: string): string | undefined {
  const [source, larger] = [usualSource(pipeline, part), usualSource(pipeline, part, true)];
  return source === larger ? source : `${source} (for the 9B: ${larger})`;
}

/**
 * The repository whose configs and tokenizers go with a transformer of this class and config, as its shapes show it. Checkpoints of one
 * shape (FLUX.1 dev and Kontext, klein and its base, Z-Image and its Turbo, 3.5 large and its turbo) are told apart by the file's name.
 */
export function usualConfig(className: string, config: JsonObject, name: string): string | undefined {
  const has = (word: string) => isNamed(name, word);
  switch (className) {
    case "FluxTransformer2DModel":
      if (config.in_channels === 384) return "black-forest-labs/FLUX.1-Fill-dev";
      if (config.guidance_embeds === true && has("kontext")) return "black-forest-labs/FLUX.1-Kontext-dev";
      return config.guidance_embeds === true ? "black-forest-labs/FLUX.1-dev" : "black-forest-labs/FLUX.1-schnell";
    case "ChromaTransformer2DModel":
      return "lodestones/Chroma1-HD";
    case "Flux2Transformer2DModel":
      return `black-forest-labs/FLUX.2-klein-${has("base") ? "base-" : ""}${config.num_layers === 5 ? "4B" : "9B"}`;
    case "ZImageTransformer2DModel":
      // Its name goes on, as in z_image_bf16 and z-image-Q8_0, and does not say turbo.
      return has("z[-_]?image[-_]") && !has("turbo") ? "Tongyi-MAI/Z-Image" : "Tongyi-MAI/Z-Image-Turbo";
    case "QwenImageTransformer2DModel":
      if (config.zero_cond_t === true) return "Qwen/Qwen-Image-Edit-2511";
      return has("edit") ? "Qwen/Qwen-Image-Edit-2509" : "Qwen/Qwen-Image";
    case "SD3Transformer2DModel":
      if (config.qk_norm === null) return "stabilityai/stable-diffusion-3-medium-diffusers";
      return Array.isArray(config.dual_attention_layers) && config.dual_attention_layers.length > 0
        ? "stabilityai/stable-diffusion-3.5-medium"
        : `stabilityai/stable-diffusion-3.5-large${has("turbo") ? "-turbo" : ""}`;
    default:
      return undefined;
  }
}
