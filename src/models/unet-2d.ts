import * as v from "valibot";
import type { Folder } from "../checkpoint/folder.js";
import { blocks, checkPerBlock, count, depth, side } from "../checkpoint/schema.js";
import { ArgumentError, ConfigError } from "../errors.js";
import type { Value } from "../graph/graph.js";
import { add, div, gather, reshape, scale, shift, silu } from "../graph/ops.js";
import type { Scope } from "../graph/scope.js";
import { activationName, conv, groupNorm } from "../layers/basic.js";
import { classEmbedding, fourierEmbedding, sinusoidalEmbedding, timestepEmbedding } from "../layers/embeddings.js";
import { type BlockAttention, downBlock, midBlock, upBlock } from "../layers/unet-blocks.js";
import { checkOptions } from "../options/check-options.js";
import type { DType } from "../tensor/dtype.js";
import type { Tensor } from "../tensor/tensor.js";
import { expectShape } from "./expect-shape.js";
import { Model, type ModelOptions, openModel } from "./model.js";
import { CLASS_FIELDS, classFeed, resnetOptions, timestepFeed } from "./unet-encoder.js";

const DOWN_BLOCKS = ["DownBlock2D", "AttnDownBlock2D"] as const;
const UP_BLOCKS = ["UpBlock2D", "AttnUpBlock2D"] as const;
const sampler = v.nullish(v.picklist(["conv", "resnet"]), "conv");

const schema = v.object({
  /** Height and width of the pictures it was trained on. */
  sampleSize: v.nullish(v.union([side, v.tuple([side, side])])),
  inChannels: v.nullish(count, 3),
  outChannels: v.nullish(count, 3),
  /** Pictures come in 0..1 and are moved to -1..1. */
  centerInputSample: v.nullish(v.boolean(), false),
  timeEmbeddingType: v.nullish(v.picklist(["positional", "fourier", "learned"]), "positional"),
  timeEmbeddingDim: v.nullish(count),
  freqShift: v.nullish(v.number(), 0),
  flipSinToCos: v.nullish(v.boolean(), true),
  downBlockTypes: v.nullish(blocks(v.picklist(DOWN_BLOCKS)), ["DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"]),
  /** null: no middle block. */
  midBlockType: v.optional(v.nullable(v.literal("UNetMidBlock2D")), "UNetMidBlock2D"),
  upBlockTypes: v.nullish(blocks(v.picklist(UP_BLOCKS)), ["AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"]),
  blockOutChannels: v.nullish(blocks(count), [224, 448, 672, 896]),
  layersPerBlock: v.nullish(depth, 2),
  midBlockScaleFactor: v.nullish(v.number(), 1),
  downsamplePadding: v.nullish(v.picklist([0, 1]), 1),
  /** Sizes change between blocks with attention by a convolution or by a resnet block; the other blocks always convolve. */
  downsampleType: sampler,
  upsampleType: sampler,
  actFn: v.nullish(activationName, "silu"),
  /** Channels of one head; null: one head has all of them. */
  attentionHeadDim: v.optional(v.nullable(count), 8),
  normNumGroups: v.nullish(count, 32),
  /** Groups of the norm before the middle block's attention. */
  attnNormNumGroups: v.nullish(count),
  normEps: v.nullish(v.number(), 1e-5),
  resnetTimeScaleShift: v.nullish(v.picklist(["default", "scale_shift"]), "default"),
  /** Attention in the middle block. */
  addAttention: v.nullish(v.boolean(), true),
  classEmbedType: v.nullish(v.picklist(["timestep", "identity"])),
  numClassEmbeds: v.nullish(count),
  numTrainTimesteps: v.nullish(count),
});

/** `config.json` of a UNet2DModel, with diffusers' defaults. */
export type UNet2DConfig = v.InferOutput<typeof schema>;

/** What a denoising step can be conditioned on. */
export interface UNet2DInputs {
  /** Class numbers [batch], or with class_embed_type identity class features [batch, width]. */
  readonly classLabels?: Tensor<"int64"> | Tensor | undefined;
}

/** The unconditional denoising network over pixels or latents (Ho et al. 2020; Song et al. 2021). Matches diffusers' UNet2DModel. */
export class UNet2DModel extends Model<UNet2DConfig> {
  protected override readonly runsOften = true;

  /** @throws CheckpointError, ConfigError, DeviceError */
  static async fromPretrained(source: string | Folder, options: ModelOptions = {}): Promise<UNet2DModel> {
    const check = (owner: string, config: UNet2DConfig) =>
      checkPerBlock(owner, config, "downBlockTypes", ["upBlockTypes", "blockOutChannels"]);
    return new UNet2DModel(await openModel("UNet2DModel", schema, source, options, check));
  }

  /**
   * Height and width of the pictures it was trained on.
   * @throws ConfigError if the config does not say.
   */
  get sampleSize(): readonly [height: number, width: number] {
    const { sampleSize } = this.config;
    if (sampleSize === null || sampleSize === undefined) {
      throw new ConfigError("the UNet's config has no sample_size, so the picture's size is not known", {
        hint: 'write "sample_size" into its config.json: one number, or [height, width]',
      });
    }
    return typeof sampleSize === "number" ? [sampleSize, sampleSize] : sampleSize;
  }

  /**
   * One prediction for noisy pictures `sample` [batch, in_channels, height, width] at `timestep`, one number or one per picture [batch].
   * @returns `sample` [batch, out_channels, height, width], the noise, the velocity or the picture, as the scheduler's prediction_type says.
   * @throws ArgumentError if a shape is wrong, or class labels are missing or of no use.
   */
  async forward(
    sample: Tensor,
    timestep: number | Tensor | Tensor<"int64">,
    inputs: UNet2DInputs = {},
  ): Promise<{
    /** The prediction. */
    sample: Tensor;
  }> {
    const { inChannels, timeEmbeddingType, numTrainTimesteps } = this.config;
    const { classLabels } = checkOptions<UNet2DInputs>(inputs, CLASS_FIELDS, { call: "UNet2DModel.forward" });
    expectShape("sample", sample, ["batch", inChannels, "height", "width"]);
    const [batch = 0] = sample.shape;
    // diffusers reads a plain number as a whole one here; tensors keep their fractions.
    const timesteps = timestepFeed(typeof timestep === "number" ? Math.trunc(timestep) : timestep, batch);
    const isLearned = timeEmbeddingType === "learned";
    if (isLearned && timesteps.data.some((t) => t < 0 || t >= (numTrainTimesteps ?? 0))) {
      throw new ArgumentError(`timestep ${timesteps.data.join(", ")} is outside the ${numTrainTimesteps} that this UNet has learned`);
    }
    const feeds: Record<string, Tensor<DType>> = {
      sample,
      timestep: isLearned ? timesteps.to("int64") : timesteps,
      ...classFeed("UNet", classLabels, this.config),
    };
    const { prediction } = await this.run("unet", feeds, (values, w) => ({ prediction: unet(values, w, this.config) }));
    return { sample: prediction };
  }
}

function unet(inputs: Readonly<Record<string, Value | undefined>>, w: Scope, config: UNet2DConfig): Value {
  const { sample, timestep, class_labels } = inputs as { sample: Value; timestep: Value; class_labels?: Value };
  const { blockOutChannels, layersPerBlock, normNumGroups: groups, normEps: epsilon, attentionHeadDim } = config;
  const resnet = resnetOptions(config);
  const temb = timeEmbedding(timestep, class_labels, w, config);
  const pixels: BlockAttention = { kind: "pixels", headWidth: attentionHeadDim ?? undefined, groups, epsilon };
  const none: BlockAttention = { kind: "none" };
  const last = blockOutChannels.length - 1;

  const centered = config.centerInputSample ? shift(scale(sample, 2), -1) : sample;
  let h = conv(centered, w.at("conv_in"), blockOutChannels[0] ?? 0);
  const skips = [h];
  for (const [i, type] of config.downBlockTypes.entries()) {
    const hasAttention = type === "AttnDownBlock2D";
    const results = downBlock(h, temb, w.at("down_blocks", i), {
      channels: blockOutChannels[i] ?? 0,
      layers: layersPerBlock,
      resnet,
      attention: hasAttention ? pixels : none,
      downsamplePadding: i < last ? config.downsamplePadding : undefined,
      sampler: hasAttention ? config.downsampleType : "conv",
    });
    skips.push(...results);
    h = results.at(-1) ?? h;
  }

  if (config.midBlockType) {
    const outputScale = config.midBlockScaleFactor;
    const middleGroups = config.attnNormNumGroups ?? (config.resnetTimeScaleShift === "default" ? groups : undefined);
    h = midBlock(h, temb, w.at("mid_block"), {
      channels: blockOutChannels[last] ?? 0,
      layers: 1,
      resnet: { ...resnet, outputScale },
      attention: config.addAttention ? { ...pixels, groups: middleGroups, outputScale } : none,
    });
  }

  for (const [j, type] of config.upBlockTypes.entries()) {
    const hasAttention = type === "AttnUpBlock2D";
    h = upBlock(h, skips, temb, w.at("up_blocks", j), {
      channels: blockOutChannels[last - j] ?? 0,
      layers: layersPerBlock + 1,
      resnet,
      attention: hasAttention ? pixels : none,
      isLast: j === last,
      sampler: hasAttention ? config.upsampleType : "conv",
    });
  }
  h = conv(silu(groupNorm(h, w.at("conv_norm_out"), groups, epsilon)), w.at("conv_out"), config.outChannels);
  // Networks that hear noise levels instead of timesteps give the score times the level (Song et al. 2021).
  return config.timeEmbeddingType === "fourier" ? div(h, reshape(timestep, [-1, 1, 1, 1])) : h;
}

/** The vector that conditions every resnet block: the timestep's embedding, plus the class's if the config has one. */
function timeEmbedding(timestep: Value, labels: Value | undefined, w: Scope, config: UNet2DConfig): Value {
  const { blockOutChannels, flipSinToCos, freqShift, classEmbedType, numClassEmbeds, numTrainTimesteps } = config;
  const firstWidth = blockOutChannels[0] ?? 0;
  const width = config.timeEmbeddingDim ?? 4 * firstWidth;
  const toWaves = (steps: Value) => {
    if (config.timeEmbeddingType === "fourier") return fourierEmbedding(steps, w.at("time_proj"), firstWidth);
    if (config.timeEmbeddingType === "learned") return gather(w.tensor("time_proj.weight", [numTrainTimesteps ?? 0, firstWidth]), steps);
    return sinusoidalEmbedding(steps, { width: firstWidth, flipSinToCos, freqShift });
  };
  const embedding = timestepEmbedding(toWaves(timestep), w.at("time_embedding"), width);
  if (!labels) return embedding;
  return add(embedding, classEmbedding(labels, w.at("class_embedding"), { type: classEmbedType, classes: numClassEmbeds, width, toWaves }));
}
