import * as v from "valibot";
import { camelCaseKeys } from "../checkpoint/config.js";
import type { JsonObject } from "../checkpoint/json.js";
import { blocks, CHECKPOINT_HINT, checkPerBlock, count, parseConfig, perBlock } from "../checkpoint/schema.js";
import { ArgumentError, ConfigError } from "../errors.js";
import { wrongArgument } from "../given.js";
import type { Folder } from "../platform/folder.js";
import { Tensor } from "../tensor/tensor.js";
import { expectShape } from "./expect-shape.js";
import { type ModelOptions, type ModelParts, openModel } from "./model.js";
import { MotionAdapter, type MotionAdapterConfig } from "./motion-adapter.js";
import { type UNet2DConditionInputs, UNet2DConditionModel, type UNet2DConditionOutput } from "./unet-2d-condition.js";
import { type UNet2DConditionConfig, unet2DConditionFields } from "./unet-2d-condition-config.js";
import { level, type Motion, PER_BLOCK, unetEncoderFields } from "./unet-encoder.js";

const DOWN_BLOCKS = ["DownBlockMotion", "CrossAttnDownBlockMotion"] as const;
const UP_BLOCKS = ["UpBlockMotion", "CrossAttnUpBlockMotion"] as const;

const schema = v.object({
  ...unet2DConditionFields,
  /** Groups of the group norms; 32 by default. */
  normNumGroups: unetEncoderFields.normNumGroups,
  /** The middle block: "UNetMidBlock2DCrossAttn" with attention to text (the default), "UNetMidBlock2D" without, or null for none. */
  midBlockType: unetEncoderFields.midBlockType,
  /** "text_time", as in Stable Diffusion XL; none by default. */
  additionEmbedType: unetEncoderFields.additionEmbedType,
  /** The down blocks, the finest first, by the names of the blocks without motion. */
  downBlockTypes: v.pipe(blocks(v.picklist(DOWN_BLOCKS)), v.mapItems(withoutMotion)),
  /** The up blocks, the coarsest first, by the names of the blocks without motion. */
  upBlockTypes: v.pipe(blocks(v.picklist(UP_BLOCKS)), v.mapItems(withoutMotion)),
  /** Transformer blocks of the motion modules of down and up blocks, one number or one for each block; 1 by default. */
  temporalTransformerLayersPerBlock: v.nullish(perBlock(count), 1),
  /** Transformer blocks of the middle block's motion module; 1 by default. */
  temporalTransformerLayersPerMidBlock: v.nullish(count, 1),
  /** The most frames of a video; 32 by default. */
  motionMaxSeqLength: v.nullish(count, 32),
  /** Attention heads of the motion modules, one number or one for each block; 8 by default. */
  motionNumAttentionHeads: v.nullish(perBlock(count), 8),
  /** Whether the middle block has a motion module, too; true by default. */
  useMotionMidBlock: v.nullish(v.boolean(), true),
});

/** `config.json` of a UNetMotionModel, with diffusers' defaults. @interface */
export type UNetMotionConfig = v.InferOutput<typeof schema>;

/** Fields of a UNet's config that a UNetMotionModel has in diffusers, too. */
const SHARED_FIELDS = [
  ...["_diffusers_version", "sample_size", "in_channels", "out_channels", "block_out_channels", "layers_per_block", "downsample_padding"],
  ...["mid_block_scale_factor", "act_fn", "norm_num_groups", "norm_eps", "cross_attention_dim", "transformer_layers_per_block"],
  ...["reverse_transformer_layers_per_block", "use_linear_projection", "encoder_hid_dim", "encoder_hid_dim_type", "addition_embed_type"],
  ...["addition_time_embed_dim", "projection_class_embeddings_input_dim", "time_cond_proj_dim"],
];

/**
 * A UNet that denoises all frames of a video together: a {@link UNet2DConditionModel} with motion modules between its layers (Guo et al.
 * 2023, AnimateDiff). Matches diffusers' UNetMotionModel.
 */
export class UNetMotionModel extends UNet2DConditionModel {
  /** The checkpoint's `config.json` in camelCase, with diffusers' defaults filled in. */
  declare readonly config: Readonly<UNetMotionConfig>;
  private readonly frameEmbeds = new WeakMap<Tensor, { readonly frames: number; readonly tensor: Tensor }>();

  /** Opens a saved UNet with motion modules: a folder or hub id. @throws CheckpointError, ConfigError, DeviceError, HubError */
  static override async fromPretrained(source: string | Folder, options: ModelOptions = {}): Promise<UNetMotionModel> {
    return new UNetMotionModel(await openModel("UNetMotionModel", schema, source, options, checkConfig));
  }

  /** A single file has no motion modules. @throws ConfigError always */
  static override async fromSingleFile(path: string): Promise<UNetMotionModel> {
    throw new ConfigError(`a UNetMotionModel does not open from a single file, such as ${path}`, {
      hint: "open UNet2DConditionModel.fromSingleFile(path) and a MotionAdapter, and join them: UNetMotionModel.fromUNet2D(unet, adapter)",
    });
  }

  /**
   * The UNet for videos of a UNet for pictures and an adapter's motion modules. Both sets of weights stay in their files. It runs on the
   * UNet's engine: dispose it before the UNet.
   * @throws ConfigError if the adapter is for a UNet of other blocks
   */
  static fromUNet2D(unet: UNet2DConditionModel, adapter: MotionAdapter): UNetMotionModel {
    if (!(unet instanceof UNet2DConditionModel) || unet instanceof UNetMotionModel)
      throw wrongArgument("unet", unet, "a UNet2DConditionModel without motion modules");
    if (!(adapter instanceof MotionAdapter)) throw wrongArgument("adapter", adapter, "a MotionAdapter");
    expectSameBlocks(unet.config, adapter.config);
    const { json, weights, engine } = unet.parts;
    const joined = motionJson(json, adapter.config);
    const owner = `${weights.name} with ${adapter.weights.name}`;
    const config = parseConfig(owner, schema, camelCaseKeys(joined), CHECKPOINT_HINT);
    checkConfig(owner, config);
    const parts: ModelParts<UNetMotionConfig> = {
      ...{ className: "UNetMotionModel", json: joined, config, engine, ownsEngine: false },
      weights: weights.with(adapter.weights),
    };
    return new UNetMotionModel(parts);
  }

  /**
   * One prediction for the noisy latents of videos [batch, in_channels, frames, height, width]; otherwise as
   * {@link UNet2DConditionModel.forward}. All frames of a video have its context. The prediction has the same axes.
   * @throws ArgumentError if a shape is wrong, there are more frames than `motionMaxSeqLength`, or an input is missing.
   */
  override async forward(
    sample: Tensor,
    timestep: number | Tensor | Tensor<"int64">,
    given: UNet2DConditionInputs,
  ): Promise<UNet2DConditionOutput> {
    const { encoderHiddenStates, addedCond, timestepCond, imageEmbeds, perturbed, ...inputs } = this.checked(given);
    const { inChannels, motionMaxSeqLength } = this.config;
    expectShape("sample", sample, ["batch", inChannels, "frames", "height", "width"]);
    const frames = sample.shape[2] ?? 0;
    if (frames > motionMaxSeqLength) {
      throw new ArgumentError(
        `a video of ${frames} frames was asked for; the motion modules were trained for ${motionMaxSeqLength} at most`,
        {
          argument: "numFrames",
        },
      );
    }
    const forFrames = (tensor: Tensor) => tensor.repeatInterleave(frames);
    const result = await this.predict(
      framesAsRows(sample),
      timestep instanceof Tensor && timestep.size > 1 ? (timestep.repeatInterleave(frames) as Tensor) : timestep,
      {
        ...inputs,
        encoderHiddenStates: forFrames(encoderHiddenStates),
        ...(addedCond && { addedCond: { textEmbeds: forFrames(addedCond.textEmbeds), timeIds: forFrames(addedCond.timeIds) } }),
        ...(timestepCond && { timestepCond: forFrames(timestepCond) }),
        ...(perturbed && { perturbed: { ...perturbed, rows: perturbed.rows * frames } }),
        ...(imageEmbeds && {
          imageEmbeds: imageEmbeds.map((embeds) => this.embedsForFrames(embeds, encoderHiddenStates.shape[0] ?? 1, frames)),
        }),
      },
      this.motion(frames),
    );
    return { ...result, sample: rowsAsFrames(result.sample, frames) };
  }

  /** An IP-Adapter's embeddings for each frame. One step after another gives the same tensor, whose projection is kept. */
  private embedsForFrames(embeds: Tensor, contexts: number, frames: number): Tensor {
    const kept = this.frameEmbeds.get(embeds);
    if (kept && kept.frames === frames) return kept.tensor;
    const [rows = 0, ...sides] = embeds.shape;
    const each = rows % contexts === 0 ? rows / contexts : 1;
    const tensor = embeds
      .reshape([rows / each, each, ...sides])
      .repeatInterleave(frames)
      .reshape([rows * frames, ...sides]);
    this.frameEmbeds.set(embeds, { frames, tensor });
    return tensor;
  }

  private motion(frames: number): Motion {
    const { normNumGroups: groups, motionNumAttentionHeads: heads, blockOutChannels, useMotionMidBlock } = this.config;
    const { temporalTransformerLayersPerBlock, temporalTransformerLayersPerMidBlock } = this.config;
    const inBlock = (i: number) => ({ frames, groups, heads: level(heads, i), layers: level(temporalTransformerLayersPerBlock, i) });
    const middle = { ...inBlock(blockOutChannels.length - 1), layers: temporalTransformerLayersPerMidBlock };
    return { frames, inBlock, inMiddle: useMotionMidBlock ? middle : undefined };
  }
}

/** The frames of videos [videos, channels, frames, height, width] as rows [videos * frames, channels, height, width]. */
export function framesAsRows(videos: Tensor): Tensor {
  const [count = 0, channels = 0, frames = 0, height = 0, width = 0] = videos.shape;
  return videos.permute(0, 2, 1, 3, 4).reshape([count * frames, channels, height, width]);
}

/** The opposite of {@link framesAsRows}. */
function rowsAsFrames(rows: Tensor, frames: number): Tensor {
  const [count = 0, ...sides] = rows.shape;
  return rows.reshape([count / frames, frames, ...sides]).permute(0, 2, 1, 3, 4);
}

function withoutMotion<Name extends string>(name: `${Name}Motion`): `${Name}2D` {
  return name.replace(/Motion$/, "2D") as `${Name}2D`;
}

function checkConfig(owner: string, config: UNet2DConditionConfig): void {
  const perBlock = [
    ...PER_BLOCK,
    "upBlockTypes",
    "reverseTransformerLayersPerBlock",
    "temporalTransformerLayersPerBlock",
    "motionNumAttentionHeads",
  ];
  checkPerBlock(owner, config, "downBlockTypes", perBlock as (keyof UNet2DConditionConfig)[]);
}

/** The config of a UNet with an adapter, as diffusers writes it. */
function motionJson(unet: JsonObject, adapter: MotionAdapterConfig): JsonObject {
  const withMotion = (names: unknown) => (names as readonly string[]).map((name) => name.replace(/2D$/, "Motion"));
  return {
    ...Object.fromEntries(Object.entries(unet).filter(([name]) => SHARED_FIELDS.includes(name))),
    _class_name: "UNetMotionModel",
    down_block_types: withMotion(
      unet.down_block_types ?? ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    ),
    up_block_types: withMotion(unet.up_block_types ?? ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"]),
    num_attention_heads: unet.num_attention_heads ?? unet.attention_head_dim ?? 8,
    motion_num_attention_heads: adapter.motionNumAttentionHeads,
    motion_max_seq_length: adapter.motionMaxSeqLength,
    use_motion_mid_block: adapter.useMotionMidBlock,
    temporal_transformer_layers_per_block: adapter.motionTransformerLayersPerBlock,
    temporal_transformer_layers_per_mid_block: adapter.motionTransformerLayersPerMidBlock,
  };
}

/** @throws ConfigError if the adapter is for a UNet of other blocks. */
function expectSameBlocks(unet: UNet2DConditionConfig, adapter: MotionAdapterConfig): void {
  const levels = (widths: readonly number[], layers: number | readonly number[]) =>
    widths.map((width, i) => `${level(layers, i)} x ${width}`).join(", ");
  const own = levels(unet.blockOutChannels, unet.layersPerBlock);
  const its = levels(adapter.blockOutChannels, adapter.motionLayersPerBlock);
  if (own === its && unet.midBlockType !== null) return;
  throw new ConfigError(`the motion adapter is for a UNet with layers of ${its} channels; this one has ${own}`, {
    hint: "the adapters v1-5, v1-5-2 and v1-5-3 are for checkpoints of Stable Diffusion 1.5",
  });
}
