import * as v from "valibot";
import { blocks, checkPerBlock, count, perBlock } from "../checkpoint/schema.js";
import { ConfigError } from "../errors.js";
import type { Folder } from "../platform/folder.js";
import { Model, type ModelOptions, openModel, type SingleFileModelOptions, singleFileModel } from "./model.js";

const schema = v.object({
  /** Channels of each level of the UNet, the finest first; [320, 640, 1280, 1280] by default. */
  blockOutChannels: v.nullish(blocks(count), [320, 640, 1280, 1280]),
  /** Motion modules in each down block, one number or one for each block; an up block has one more; 2 by default. */
  motionLayersPerBlock: v.nullish(perBlock(count), 2),
  /** Transformer blocks of the motion modules of down and up blocks, one number or one for each block; 1 by default. */
  motionTransformerLayersPerBlock: v.nullish(perBlock(count), 1),
  /** Motion modules in the middle block; only 1, the default, is supported. */
  motionMidBlockLayersPerBlock: v.nullish(v.literal(1), 1),
  /** Transformer blocks of the middle block's motion module; 1 by default. */
  motionTransformerLayersPerMidBlock: v.nullish(count, 1),
  /** Attention heads of the motion modules, one number or one for each block; 8 by default. */
  motionNumAttentionHeads: v.nullish(perBlock(count), 8),
  /**
   * Groups of the adapter's norms in its training; a UNet with the adapter takes its own `normNumGroups`, as in diffusers. 32 by default.
   */
  motionNormNumGroups: v.nullish(count, 32),
  /** The most frames of a video; 32 by default. */
  motionMaxSeqLength: v.nullish(count, 32),
  /** Whether the middle block has a motion module, too; true by default. Version 3 has none. */
  useMotionMidBlock: v.nullish(v.boolean(), true),
  /** Channels of a first convolution of its own (PIA): only null, for none, is supported. */
  convInChannels: v.nullish(v.null()),
});

/** `config.json` of a MotionAdapter, with diffusers' defaults. @interface */
export type MotionAdapterConfig = v.InferOutput<typeof schema>;

/**
 * The motion modules of AnimateDiff (Guo et al. 2023), which make a UNet for pictures one for videos. Give it to
 * {@link AnimateDiffPipeline}, or to {@link UNetMotionModel.fromUNet2D}. Matches diffusers' MotionAdapter.
 */
export class MotionAdapter extends Model<MotionAdapterConfig> {
  /**
   * Opens an adapter: a folder or hub id, such as `guoyww/animatediff-motion-adapter-v1-5-2`.
   * @throws CheckpointError, ConfigError, DeviceError, HubError
   */
  static async fromPretrained(source: string | Folder, options: ModelOptions = {}): Promise<MotionAdapter> {
    return new MotionAdapter(await openModel("MotionAdapter", schema, source, options, checkConfig));
  }

  /**
   * Opens the motion modules of a single `.safetensors` file with the names of AnimateDiff's own files (`mm_sd_v15_v2`, `v3_sd15_mm`) or of
   * diffusers: a path, or the address of a file on the hub. `config` is a folder or hub id whose config replaces the one that the file
   * suggests, such as for another number of attention heads than 8.
   * @throws CheckpointError, ConfigError, DeviceError, HubError
   */
  static async fromSingleFile(path: string, options: SingleFileModelOptions = {}): Promise<MotionAdapter> {
    return MotionAdapter.fromPretrained(...(await singleFileModel(path, "motion_adapter", options)));
  }
}

/** @throws ConfigError for lists of other lengths than there are blocks, and for channels that torch cannot divide into groups either */
function checkConfig(owner: string, config: MotionAdapterConfig): void {
  checkPerBlock(owner, config, "blockOutChannels", ["motionLayersPerBlock", "motionTransformerLayersPerBlock", "motionNumAttentionHeads"]);
  const { blockOutChannels, motionNormNumGroups: groups } = config;
  const odd = blockOutChannels.find((channels) => channels % groups !== 0);
  if (odd === undefined) return;
  throw new ConfigError(`${owner}: block_out_channels has ${odd}, which does not divide into ${groups} groups (motion_norm_num_groups)`, {
    hint: "a single file does not state its groups: for other ones than 32, give the option config, a folder whose config.json has motion_norm_num_groups",
  });
}
