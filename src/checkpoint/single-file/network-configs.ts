import { CheckpointError } from "../../errors.js";
import type { LatentFamily } from "../../families/family.js";
import { SIZE_WIDTH } from "../../families/stable-diffusion-xl.js";
import type { Wording } from "../../wording.js";
import type { Json, JsonObject } from "../json.js";
import type { Weights } from "../weights.js";
import { levelsOf } from "./count-levels.js";
import { contextWidth } from "./find-family.js";
import { diffusersLayout } from "./unet-names.js";

// Makes a network's config.json from the shapes of its tensors, and from its family if the shapes do not suffice.

/** Groups of every normalisation. */
const GROUPS = 32;
/** The layer that takes the guidance scale in latent consistency models. */
const GUIDANCE = "time_embedding.cond_proj.weight";
/** Width of an attention head in the networks since Stable Diffusion 2, and in all CLIPs. */
const HEAD_WIDTH = 64;
/** Heads of the transformer in a ControlNet Union. */
const UNION_HEADS = 8;
/** The way out for networks with other numbers of heads or groups. */
const OTHER_COUNTS: Wording = (name) =>
  `no tensor shows the number of heads or groups. For a whole checkpoint, give the folder of a similar one as ${name("config")}. A single network opens as a folder in diffusers' layout or, in a program, with its config.json: fromSingleFile(path, { config })`;

/** `config.json` of a UNet2DConditionModel; `sampleSize` is the side of the latents it was trained on. */
export function unetConfig(weights: Weights, family: LatentFamily, sampleSize: number): JsonObject {
  const { layers } = diffusersLayout(weights.names());
  const up = depthsOf(weights, "up_blocks", layers.map((count) => count + 1).toReversed());
  const encoder = encoderConfig(weights, family);
  return {
    _class_name: "UNet2DConditionModel",
    ...encoder,
    ...(weights.has(GUIDANCE) && { time_cond_proj_dim: weights.shapeOf(GUIDANCE)[1] ?? 0 }),
    sample_size: sampleSize,
    out_channels: weights.shapeOf("conv_out.weight")[0] ?? 0,
    up_block_types: up.map((depths) => (isAttending(depths) ? "CrossAttnUpBlock2D" : "UpBlock2D")),
    ...reversedDepths(up, encoder.transformer_layers_per_block),
  };
}

/** `config.json` of a ControlNetModel. */
export function controlNetConfig(weights: Weights, family: LatentFamily): JsonObject {
  const embedding = "controlnet_cond_embedding";
  const [first = 0, conditioningChannels = 0] = weights.shapeOf(`${embedding}.conv_in.weight`);
  const widths = [first];
  // Every second convolution halves the picture and widens its features.
  for (let i = 1; weights.has(`${embedding}.blocks.${i}.weight`); i += 2)
    widths.push(weights.shapeOf(`${embedding}.blocks.${i}.weight`)[0] ?? 0);
  return {
    _class_name: "ControlNetModel",
    ...encoderConfig(weights, family),
    conditioning_channels: conditioningChannels,
    conditioning_embedding_out_channels: widths,
  };
}

/** `config.json` of a ControlNetUnionModel. */
export function controlNetUnionConfig(weights: Weights, family: LatentFamily): JsonObject {
  const [types = 0, width = 0] = weights.shapeOf("task_embedding");
  return {
    ...controlNetConfig(weights, family),
    _class_name: "ControlNetUnionModel",
    num_control_type: types,
    num_trans_channel: width,
    num_trans_head: UNION_HEADS,
    num_trans_layer: levelsOf(weights.names(), /^transformer_layes\.(\d{1,2})\./),
    num_proj_channel: weights.shapeOf("spatial_ch_projs.weight")[0] ?? 0,
  };
}

/** The latents of a checkpoint. */
export interface LatentSpace {
  readonly channels: number;
  readonly scalingFactor: number;
  /** What is subtracted from latents before they are scaled. */
  readonly shiftFactor: number;
  /** Side in pixels of the pictures that the checkpoint was trained with. */
  readonly sampleSize: number;
  readonly latentsMean?: readonly number[];
  readonly latentsStd?: readonly number[];
}

/** What an AutoencoderKL's `config.json` says about latents. */
export function latentConfig({ scalingFactor, shiftFactor, sampleSize, latentsMean, latentsStd }: LatentSpace): JsonObject {
  return {
    _class_name: "AutoencoderKL",
    sample_size: sampleSize,
    scaling_factor: scalingFactor,
    ...(shiftFactor !== 0 && { shift_factor: shiftFactor }),
    ...(latentsMean && { latents_mean: latentsMean }),
    ...(latentsStd && { latents_std: latentsStd }),
  };
}

/** `config.json` of an AutoencoderKL. */
export function vaeConfig(weights: Weights, space: LatentSpace): JsonObject {
  const names = weights.names();
  const levels = levelsOf(names, /^encoder\.down_blocks\.(\d{1,2})\./);
  const widths = Array.from({ length: levels }, (_, i) => weights.shapeOf(`encoder.down_blocks.${i}.resnets.0.conv1.weight`)[0] ?? 0);
  const [, latentChannels = 0] = weights.shapeOf("decoder.conv_in.weight");
  if (latentChannels !== space.channels) {
    throw new CheckpointError(`${weights.name}: its latents have ${latentChannels} channels; expected ${space.channels}`, {
      hint: "it is the autoencoder of another family. To use it anyway, open it as a folder in diffusers' layout",
    });
  }
  return {
    ...latentConfig(space),
    in_channels: weights.shapeOf("encoder.conv_in.weight")[1] ?? 0,
    out_channels: weights.shapeOf("decoder.conv_out.weight")[0] ?? 0,
    down_block_types: widths.map(() => "DownEncoderBlock2D"),
    up_block_types: widths.map(() => "UpDecoderBlock2D"),
    block_out_channels: widths,
    layers_per_block: levelsOf(names, /^encoder\.down_blocks\.0\.resnets\.(\d{1,2})\./),
    latent_channels: latentChannels,
    norm_num_groups: groupsOf(weights, widths),
    mid_block_add_attention: weights.has("decoder.mid_block.attentions.0.to_q.weight"),
    use_quant_conv: weights.has("quant_conv.weight"),
    use_post_quant_conv: weights.has("post_quant_conv.weight"),
  };
}

/** `config.json` of a text encoder, with the ids of special tokens that the hub's configs have. */
export function textEncoderConfig(weights: Weights, isOpenClip: boolean, className: string): JsonObject {
  const [vocabulary = 0, width = 0] = weights.shapeOf("embeddings.token_embedding.weight");
  const projection = "text_projection.weight";
  return {
    architectures: [className],
    model_type: "clip_text_model",
    vocab_size: vocabulary,
    hidden_size: width,
    intermediate_size: weights.shapeOf("encoder.layers.0.mlp.fc1.weight")[0] ?? 0,
    num_hidden_layers: levelsOf(weights.names(), /^encoder\.layers\.(\d{1,2})\./),
    num_attention_heads: headsOf(weights, width),
    max_position_embeddings: weights.shapeOf("embeddings.position_embedding.weight")[0] ?? 0,
    hidden_act: isOpenClip ? "gelu" : "quick_gelu",
    projection_dim: weights.has(projection) ? (weights.shapeOf(projection)[0] ?? 0) : width,
    bos_token_id: 0,
    eos_token_id: 2,
    pad_token_id: 1,
  };
}

/** The fields that the configs of UNets and ControlNets have in common. */
function encoderConfig(weights: Weights, family: LatentFamily) {
  const { layers } = diffusersLayout(weights.names());
  const widths = layers.map((_, i) => weights.shapeOf(`down_blocks.${i}.resnets.0.conv1.weight`)[0] ?? 0);
  const down = depthsOf(weights, "down_blocks", layers);
  const middle = levelsOf(weights.names(), /^mid_block\.attentions\.0\.transformer_blocks\.(\d{1,2})\./);
  const labels = ["add_embedding", "class_embedding"].find((name) => weights.has(`${name}.linear_1.weight`));
  return {
    in_channels: weights.shapeOf("conv_in.weight")[1] ?? 0,
    block_out_channels: widths,
    layers_per_block: same(layers),
    down_block_types: down.map((depths) => (isAttending(depths) ? "CrossAttnDownBlock2D" : "DownBlock2D")),
    mid_block_type: weights.has("mid_block.resnets.0.conv1.weight") ? (middle > 0 ? "UNetMidBlock2DCrossAttn" : "UNetMidBlock2D") : null,
    // diffusers takes the middle's depth from the last level, which may have no transformers of its own.
    transformer_layers_per_block: same(
      down.map((depths, i) => (isAttending(depths) ? same(depths) : i < down.length - 1 ? 1 : Math.max(middle, 1))),
    ),
    // diffusers' name is wrong, but configs keep it: these are numbers of heads.
    attention_head_dim: family.denoiser.heads ?? widths.map((width) => headsOf(weights, width)),
    cross_attention_dim: contextWidth(weights) ?? 0,
    use_linear_projection: weights.names().some((name) => name.endsWith(".proj_in.weight") && weights.shapeOf(name).length === 2),
    norm_num_groups: groupsOf(weights, widths),
    ...(labels === "add_embedding" && { addition_embed_type: "text_time", addition_time_embed_dim: SIZE_WIDTH }),
    ...(labels === "class_embedding" && { class_embed_type: "projection" }),
    ...(labels && { projection_class_embeddings_input_dim: weights.shapeOf(`${labels}.linear_1.weight`)[1] ?? 0 }),
  } as const;
}

/** For each level, the number of transformers after each of its resnet blocks. `layers` has the number of resnet blocks of each level. */
function depthsOf(weights: Weights, way: "down_blocks" | "up_blocks", layers: readonly number[]): readonly (readonly number[])[] {
  const depths = layers.map((count) => Array.from({ length: count }, () => 0));
  const pattern = new RegExp(`^${way}\\.(\\d{1,2})\\.attentions\\.(\\d{1,2})\\.transformer_blocks\\.(\\d{1,2})\\.`);
  for (const name of weights.names()) {
    const [, i, j, block] = pattern.exec(name) ?? [];
    const level = depths[Number(i)];
    if (level && block !== undefined) level[Number(j)] = Math.max(level[Number(j)] ?? 0, Number(block) + 1);
  }
  return depths;
}

/** The depths of the way up if they differ from those of the way down, as in SSD-1B. */
function reversedDepths(up: readonly (readonly number[])[], down: Json): JsonObject {
  const last = up.length - 1;
  const isMirrored = up.every(
    (depths, i) => !isAttending(depths) || depths.every((depth) => depth === (Array.isArray(down) ? down[last - i] : down)),
  );
  return isMirrored ? {} : { reverse_transformer_layers_per_block: up.map((depths) => (isAttending(depths) ? same(depths) : 1)) };
}

function isAttending(depths: readonly number[]): boolean {
  return depths.some((depth) => depth > 0);
}

/** One value if all are the same; otherwise all of them. */
function same<Item extends Json>(values: readonly Item[]): Item | readonly Item[] {
  const [first] = values;
  return first !== undefined && values.every((value) => value === first) ? first : values;
}

function headsOf(weights: Weights, width: number): number {
  if (width > 0 && width % HEAD_WIDTH === 0) return width / HEAD_WIDTH;
  throw new CheckpointError(
    `${weights.name}: ${width} channels are not a multiple of ${HEAD_WIDTH}, the width of an attention head in such networks`,
    { hint: OTHER_COUNTS },
  );
}

function groupsOf(weights: Weights, widths: readonly number[]): number {
  const odd = widths.find((width) => width % GROUPS !== 0);
  if (odd === undefined) return GROUPS;
  throw new CheckpointError(
    `${weights.name}: ${odd} channels cannot be divided into the ${GROUPS} groups of a normalisation in such networks`,
    {
      hint: OTHER_COUNTS,
    },
  );
}
