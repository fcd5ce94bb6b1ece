import type { ClipTextConfig } from "./clip-text.js";
import type { UNetConfig } from "./unet.js";
import type { VaeConfig } from "./vae.js";
import type { ZImageName } from "./z-image.js";

/** The checkpoints of UNets that are measured. */
export type UNetFamilyName = "sd15" | "sdxl";

/** The checkpoints that are measured. */
export type FamilyName = UNetFamilyName | ZImageName;

/** Their names in tables. */
export const FAMILY_TITLES: Readonly<Record<FamilyName, string>> = {
  sd15: "Stable Diffusion 1.5",
  sdxl: "Stable Diffusion XL",
  "z-image": "Z-Image (2 of 30 layers, 1 of 2 refiners)",
  "z-image-full": "Z-Image",
};

/** The size of the networks: that of published checkpoints, half as wide, or just large enough to have every part. */
export type Scale = "real" | "half" | "tiny";

/** A family of checkpoints with a UNet: the shapes of its networks. */
export interface Family {
  readonly pipeline: "StableDiffusionPipeline" | "StableDiffusionXLPipeline";
  /** Its weight files: full ones, the fp16 variant, or both. */
  readonly variants: readonly ("fp32" | "fp16")[];
  readonly unet: UNetConfig;
  readonly vae: VaeConfig;
  readonly textEncoders: readonly ClipTextConfig[];
}

/** Pixels to a latent, along each side, in every family. */
export const VAE_FACTOR = 8;

/** Tokens of a prompt, in every family. */
export const CLIP_TOKENS = 77;

const clipL: ClipTextConfig = {
  architectures: ["CLIPTextModel"],
  vocab_size: 49408,
  hidden_size: 768,
  intermediate_size: 3072,
  num_hidden_layers: 12,
  num_attention_heads: 12,
  max_position_embeddings: CLIP_TOKENS,
  hidden_act: "quick_gelu",
  projection_dim: 768,
};

const vae = (sample_size: number, scaling_factor: number): VaeConfig => ({
  block_out_channels: [128, 256, 512, 512],
  down_block_types: Array(4).fill("DownEncoderBlock2D"),
  up_block_types: Array(4).fill("UpDecoderBlock2D"),
  layers_per_block: 2,
  latent_channels: 4,
  sample_size,
  scaling_factor,
});

const FAMILIES: Readonly<Record<UNetFamilyName, Family>> = {
  sd15: {
    pipeline: "StableDiffusionPipeline",
    variants: ["fp32", "fp16"],
    unet: {
      sample_size: 64,
      in_channels: 4,
      out_channels: 4,
      down_block_types: ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
      up_block_types: ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
      block_out_channels: [320, 640, 1280, 1280],
      layers_per_block: 2,
      cross_attention_dim: 768,
      attention_head_dim: 8,
      transformer_layers_per_block: 1,
      use_linear_projection: false,
    },
    vae: vae(512, 0.18215),
    textEncoders: [clipL],
  },
  sdxl: {
    pipeline: "StableDiffusionXLPipeline",
    // Its full files have 14 GB; people use the half-precision ones.
    variants: ["fp16"],
    unet: {
      sample_size: 128,
      in_channels: 4,
      out_channels: 4,
      down_block_types: ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
      up_block_types: ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
      block_out_channels: [320, 640, 1280],
      layers_per_block: 2,
      cross_attention_dim: 2048,
      attention_head_dim: [5, 10, 20],
      transformer_layers_per_block: [1, 2, 10],
      use_linear_projection: true,
      addition_embed_type: "text_time",
      addition_time_embed_dim: 256,
      projection_class_embeddings_input_dim: 2816,
    },
    vae: vae(1024, 0.13025),
    textEncoders: [
      clipL,
      {
        ...clipL,
        architectures: ["CLIPTextModelWithProjection"],
        hidden_size: 1280,
        intermediate_size: 5120,
        num_hidden_layers: 32,
        num_attention_heads: 20,
        hidden_act: "gelu",
        projection_dim: 1280,
      },
    ],
  },
};

/** The family at this scale. */
export function family(name: UNetFamilyName, scale: Scale): Family {
  return { real: (full: Family) => full, half, tiny }[scale](FAMILIES[name]);
}

/** Half as wide, with as many layers and heads of the same width, for pictures with half the side: a quarter of the weights. */
function half({ unet, vae, textEncoders, pipeline }: Family): Family {
  const halved = (widths: readonly number[]) => widths.map((width) => width / 2);
  const { attention_head_dim: heads } = unet;
  return {
    pipeline,
    variants: ["fp32"],
    unet: {
      ...unet,
      sample_size: unet.sample_size / 2,
      block_out_channels: halved(unet.block_out_channels),
      cross_attention_dim: unet.cross_attention_dim / 2,
      attention_head_dim: typeof heads === "number" ? heads / 2 : halved(heads),
    },
    vae: { ...vae, sample_size: vae.sample_size / 2, block_out_channels: halved(vae.block_out_channels) },
    textEncoders: textEncoders.map((encoder) => ({
      ...encoder,
      hidden_size: encoder.hidden_size / 2,
      intermediate_size: encoder.intermediate_size / 2,
      num_attention_heads: encoder.num_attention_heads / 2,
      projection_dim: encoder.projection_dim / 2,
    })),
  };
}

/**
 * The same parts with the same layers, but fewer transformers. They are a tenth as wide, for pictures with a quarter of the side or less.
 */
function tiny({ unet, vae, textEncoders, ...rest }: Family): Family {
  const widths = (full: readonly number[]) => full.map((width) => (width < 600 ? 32 : 64));
  const width = 32;
  return {
    ...rest,
    unet: {
      ...unet,
      sample_size: 8,
      block_out_channels: widths(unet.block_out_channels),
      cross_attention_dim: width * textEncoders.length,
      attention_head_dim: 4,
      transformer_layers_per_block: 1,
      ...(unet.addition_embed_type && { addition_time_embed_dim: 8, projection_class_embeddings_input_dim: width + 6 * 8 }),
    },
    vae: { ...vae, sample_size: 64, block_out_channels: vae.block_out_channels.map((full) => (full < 500 ? 32 : 64)) },
    textEncoders: textEncoders.map((encoder) => ({
      ...encoder,
      hidden_size: width,
      intermediate_size: 4 * width,
      num_hidden_layers: 2,
      num_attention_heads: 4,
      projection_dim: width,
    })),
  };
}
