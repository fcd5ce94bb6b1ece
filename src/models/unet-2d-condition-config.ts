import * as v from "valibot";
import { blocks, checkPerBlock, count, countOrNone, side } from "../checkpoint/schema.js";
import { ConfigError } from "../errors.js";
import { activationName } from "../layers/basic.js";
import { PER_BLOCK, unetEncoderFields } from "./unet-encoder.js";

const NORM_GROUPS = 32;

const DOWN_BLOCKS = [
  ...(["DownBlock2D", "CrossAttnDownBlock2D", "AttnDownBlock2D", "ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"] as const),
  ...(["KDownBlock2D", "KCrossAttnDownBlock2D"] as const),
] as const;
const UP_BLOCKS = [
  ...(["UpBlock2D", "CrossAttnUpBlock2D", "AttnUpBlock2D", "ResnetUpsampleBlock2D", "SimpleCrossAttnUpBlock2D"] as const),
  ...(["KUpBlock2D", "KCrossAttnUpBlock2D"] as const),
] as const;

export const unet2DConditionFields = {
  ...unetEncoderFields,
  /** The version of diffusers that wrote the config; none by default. */
  _diffusersVersion: v.optional(v.string()),
  /** Size of the latents that the network was trained on: one number or [height, width]. None by default, which means 64. */
  sampleSize: v.nullish(v.union([side, v.tuple([side, side])])),
  /** Channels of the prediction; 4 by default. */
  outChannels: v.nullish(count, 4),
  /** Move the input from 0..1 to -1..1 first; false by default. */
  centerInputSample: v.nullish(v.boolean(), false),
  /**
   * The down blocks, the finest first: "DownBlock2D", or "CrossAttnDownBlock2D" with attention to text; three of the second, then one of
   * the first, by default. Others are "AttnDownBlock2D" with attention over pixels, "ResnetDownsampleBlock2D", which halves the size by a
   * resnet block, and "SimpleCrossAttnDownBlock2D", which does so and attends to pixels and text at once. "KDownBlock2D" and
   * "KCrossAttnDownBlock2D" are those of the latent upscaler; they go with their own kind only.
   */
  downBlockTypes: v.nullish(blocks(v.picklist(DOWN_BLOCKS)), [
    "CrossAttnDownBlock2D",
    "CrossAttnDownBlock2D",
    "CrossAttnDownBlock2D",
    "DownBlock2D",
  ]),
  /**
   * The up blocks, the coarsest first: "UpBlock2D", or "CrossAttnUpBlock2D" with attention to text; one of the first, then three of the
   * second, by default; and the counterparts of the other down blocks: "AttnUpBlock2D", "ResnetUpsampleBlock2D",
   * "SimpleCrossAttnUpBlock2D", and "KUpBlock2D" and "KCrossAttnUpBlock2D" with their kind.
   */
  upBlockTypes: v.nullish(blocks(v.picklist(UP_BLOCKS)), ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"]),
  /** Transformer layers of the up blocks, the coarsest first; by default those of the down blocks in reverse. */
  reverseTransformerLayersPerBlock: v.nullish(v.array(v.union([countOrNone, v.array(countOrNone)]))),
  /** Groups of the group norms; 32 by default. K blocks have groups of 32 channels, whatever it is; with null, nothing follows them. */
  normNumGroups: v.optional(v.nullable(count), NORM_GROUPS),
  /** Only false, the default, is supported. */
  dualCrossAttention: v.nullish(v.literal(false), false),
  /** Width of the context tokens before they are projected to `crossAttentionDim`. None by default: they are not projected. */
  encoderHidDim: v.nullish(count),
  /** How context tokens are projected: "text_proj", a linear layer; none by default. */
  encoderHidDimType: v.nullish(v.literal("text_proj")),
  /** How timesteps are embedded: "positional" (sines and cosines, the default), or "fourier" (at random frequencies). */
  timeEmbeddingType: v.nullish(v.picklist(["positional", "fourier"]), "positional"),
  /** Width of the timestep's embedding; four times the first of `blockOutChannels` by default, twice with "fourier". */
  timeEmbeddingDim: v.nullish(count),
  /** Activation function of the whole embedding, before the blocks use it; none by default. */
  timeEmbeddingActFn: v.nullish(activationName),
  /** Activation function of the timestep's embedding, before anything is added; none by default. */
  timestepPostAct: v.nullish(activationName),
  /** Width of `timestepCond`, such as the embedding of the guidance scale in distilled networks; none by default. */
  timeCondProjDim: v.nullish(count),
  /** Side of the first convolution's kernel, in pixels; 3 by default. */
  convInKernel: v.nullish(count, 3),
  /** Side of the last convolution's kernel, in pixels; 3 by default. */
  convOutKernel: v.nullish(count, 3),
  /** Only "default", the default, is supported. */
  attentionType: v.nullish(v.literal("default"), "default"),
  /** Join the class embedding to the timestep's embedding instead of adding it; false by default. */
  classEmbeddingsConcat: v.nullish(v.boolean(), false),
  /** A norm of the context tokens in "SimpleCrossAttn" blocks: "layer_norm", or "group_norm" with 32 groups; none by default. */
  crossAttentionNorm: v.nullish(v.picklist(["layer_norm", "group_norm"])),
  /**
   * The middle block: "UNetMidBlock2DCrossAttn" with attention to text (the default), "UNetMidBlock2DSimpleCrossAttn" to pixels and text at
   * once, "UNetMidBlock2D" without, or null for no middle block.
   */
  midBlockType: v.optional(
    v.nullable(v.picklist(["UNetMidBlock2DCrossAttn", "UNetMidBlock2DSimpleCrossAttn", "UNetMidBlock2D"])),
    "UNetMidBlock2DCrossAttn",
  ),
  /** Whether a "UNetMidBlock2DSimpleCrossAttn" attends to the text alone; by default as `onlyCrossAttention` if that is one value. */
  midBlockOnlyCrossAttention: v.nullish(v.boolean()),
  /** In "Resnet" and "SimpleCrossAttn" blocks: the timestep's embedding enters without an activation; false by default. */
  resnetSkipTimeAct: v.nullish(v.boolean(), false),
  /** In "Resnet" and "SimpleCrossAttn" blocks: the results of resnet blocks are divided by this; 1 by default. */
  resnetOutScaleFactor: v.nullish(v.number(), 1),
  /**
   * "text_time": the pooled text embedding and the sizes are added to the timestep's embedding, as in Stable Diffusion XL; "text": the
   * context tokens are, pooled by the network itself; none by default.
   */
  additionEmbedType: v.nullish(v.picklist(["text_time", "text"])),
  /** Attention heads that pool the context tokens with "text"; 64 by default. */
  additionEmbedTypeNumHeads: v.nullish(count, 64),
};

export const unet2DConditionSchema = v.object(unet2DConditionFields);

/** `config.json` of a UNet2DConditionModel, with diffusers' defaults. @interface */
export type UNet2DConditionConfig = v.InferOutput<typeof unet2DConditionSchema>;

/** Checks what the fields of a config say together. @throws ConfigError */
export function checkUNet2DCondition(owner: string, config: UNet2DConditionConfig): void {
  const { downBlockTypes, upBlockTypes, midBlockType, normNumGroups, timeEmbeddingDim } = config;
  checkPerBlock(owner, config, "downBlockTypes", [...PER_BLOCK, "upBlockTypes", "reverseTransformerLayersPerBlock"]);
  if (hasKBlocks(config)) {
    const other = [...downBlockTypes, ...upBlockTypes].find((type) => !isKBlock(type)) ?? midBlockType;
    if (other) throw new ConfigError(`${owner} has blocks of the types ${downBlockTypes[0]} and ${other}; K blocks go with K blocks only`);
  } else if (normNumGroups === null) {
    throw new ConfigError(`${owner}: norm_num_groups is null; only networks of K blocks do without these norms`);
  }
  if (config.timeEmbeddingType === "fourier" && timeEmbeddingDim && timeEmbeddingDim % 2 !== 0) {
    throw new ConfigError(`${owner}: time_embedding_dim is ${timeEmbeddingDim}; with time_embedding_type "fourier" it must be even`);
  }
}

/** Whether the network has the latent upscaler's blocks. */
export function hasKBlocks({ downBlockTypes, upBlockTypes }: Pick<UNet2DConditionConfig, "downBlockTypes" | "upBlockTypes">): boolean {
  return [...downBlockTypes, ...upBlockTypes].some(isKBlock);
}

function isKBlock(type: string): boolean {
  return type.startsWith("K");
}
