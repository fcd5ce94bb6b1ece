import * as v from "valibot";
import { blocks, checkPerBlock, count, depth, side } from "../checkpoint/schema.js";
import { ArgumentError, ConfigError } from "../errors.js";
import type { Value } from "../graph/graph.js";
import { silu } from "../graph/ops/activations.js";
import { add, div, scale, shift } from "../graph/ops/elementwise.js";
import { gather, reshape } from "../graph/ops/shapes.js";
import type { Scope } from "../graph/scope.js";
import { activationName, conv, groupNorm } from "../layers/basic.js";
import { classEmbedding, fourierEmbedding, sinusoidalEmbedding, timestepEmbedding } from "../layers/embeddings.js";
import { type SkipBlockOptions, skipDownBlock, skipUpBlock } from "../layers/skip-blocks.js";
import { type BlockAttention, downBlock, midBlock, type Sampler, upBlock } from "../layers/unet-blocks.js";
import { checkOptions } from "../options/check-options.js";
import type { Folder } from "../platform/folder.js";
import type { DType } from "../tensor/dtype.js";
import type { Tensor } from "../tensor/tensor.js";
import { expectShape } from "./expect-shape.js";
import { Model, type ModelOptions, openModel } from "./model.js";
import { CLASS_FIELDS, classFeed, resnetOptions, timestepFeed } from "./unet-encoder.js";

const DOWN_BLOCKS = ["DownBlock2D", "AttnDownBlock2D", "ResnetDownsampleBlock2D", "SkipDownBlock2D", "AttnSkipDownBlock2D"] as const;
const UP_BLOCKS = ["UpBlock2D", "AttnUpBlock2D", "ResnetUpsampleBlock2D", "SkipUpBlock2D", "AttnSkipUpBlock2D"] as const;
const sampler = v.nullish(v.picklist(["conv", "resnet"]), "conv");

const schema = v.object({
  /** Size of the pictures that the network was trained on: one number or [height, width]; none by default. */
  sampleSize: v.nullish(v.union([side, v.tuple([side, side])])),
  /** Channels of the noisy pictures; 3 by default. */
  inChannels: v.nullish(count, 3),
  /** Channels of the prediction; 3 by default. */
  outChannels: v.nullish(count, 3),
  /** Move the input from 0..1 to -1..1 first; false by default. */
  centerInputSample: v.nullish(v.boolean(), false),
  /**
   * How timesteps are embedded: "positional" (sines and cosines), "fourier" (noise levels, at random frequencies) or "learned" (a table);
   * "positional" by default.
   */
  timeEmbeddingType: v.nullish(v.picklist(["positional", "fourier", "learned"]), "positional"),
  /** Width of the timestep's embedding; four times the first of `blockOutChannels` by default. */
  timeEmbeddingDim: v.nullish(count),
  /** Subtracted from the number of frequencies of a "positional" embedding when they are spaced; 0 by default. */
  freqShift: v.nullish(v.number(), 0),
  /** Put cosines before sines in a "positional" embedding; true by default. */
  flipSinToCos: v.nullish(v.boolean(), true),
  /**
   * The down blocks, the finest first: "DownBlock2D", "AttnDownBlock2D" with attention, "ResnetDownsampleBlock2D", which halves the size by
   * a resnet block, or "SkipDownBlock2D" and, with attention, "AttnSkipDownBlock2D", which the halved picture enters (NCSN++); one of the
   * first, then three of the second, by default.
   */
  downBlockTypes: v.nullish(blocks(v.picklist(DOWN_BLOCKS)), ["DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"]),
  /** The middle block: "UNetMidBlock2D" (the default), or null for none. */
  midBlockType: v.optional(v.nullable(v.literal("UNetMidBlock2D")), "UNetMidBlock2D"),
  /**
   * The up blocks, the coarsest first: "UpBlock2D", "AttnUpBlock2D" with attention, "ResnetUpsampleBlock2D", which doubles the size by a
   * resnet block, or "SkipUpBlock2D" and, with attention, "AttnSkipUpBlock2D", whose pictures are added to the prediction (NCSN++); three
   * of the second, then one of the first, by default.
   */
  upBlockTypes: v.nullish(blocks(v.picklist(UP_BLOCKS)), ["AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"]),
  /** Channels of each level, the finest first; [224, 448, 672, 896] by default. */
  blockOutChannels: v.nullish(blocks(count), [224, 448, 672, 896]),
  /** Resnet blocks in each down block; an up block has one more; 2 by default. */
  layersPerBlock: v.nullish(depth, 2),
  /** The results of the middle block's resnet blocks and attention are divided by this; 1 by default. */
  midBlockScaleFactor: v.nullish(v.number(), 1),
  /** Padding of the convolutions that halve the size, in pixels, 0 or 1; 1 by default. */
  downsamplePadding: v.nullish(v.picklist([0, 1]), 1),
  /** What halves the size after a down block with attention: "conv" or "resnet"; other blocks use a convolution; "conv" by default. */
  downsampleType: sampler,
  /** What doubles the size after an up block with attention: "conv" or "resnet"; other blocks use a convolution; "conv" by default. */
  upsampleType: sampler,
  /** The activation function of resnet blocks: "silu", "swish", "gelu", "mish" or "relu"; "silu" by default. */
  actFn: v.nullish(activationName, "silu"),
  /** Channels of one attention head; null means one head with all channels; 8 by default. */
  attentionHeadDim: v.optional(v.nullable(count), 8),
  /** Groups of the group norms; 32 by default. With null a quarter of the channels, at most 32, as "Skip" blocks always have it. */
  normNumGroups: v.optional(v.nullable(count), 32),
  /** Groups of the norm before the middle block's attention; by default `normNumGroups`, or no norm with "scale_shift". */
  attnNormNumGroups: v.nullish(count),
  /** Added to the variance in the group norms; 1e-5 by default. */
  normEps: v.nullish(v.number(), 1e-5),
  /**
   * How the timestep's embedding enters resnet blocks: added ("default"), or as a scale and a shift ("scale_shift"); "default" by default.
   */
  resnetTimeScaleShift: v.nullish(v.picklist(["default", "scale_shift"]), "default"),
  /** Put attention into the middle block; true by default. */
  addAttention: v.nullish(v.boolean(), true),
  /** How `classLabels` are embedded: "timestep" or "identity". None by default: by a table if `numClassEmbeds` is given. */
  classEmbedType: v.nullish(v.picklist(["timestep", "identity"])),
  /** Classes in the table of class embeddings; none by default. */
  numClassEmbeds: v.nullish(count),
  /** Timesteps in the table of a "learned" embedding; none by default. */
  numTrainTimesteps: v.nullish(count),
});

/** `config.json` of a UNet2DModel, with diffusers' defaults. @interface */
export type UNet2DConfig = v.InferOutput<typeof schema>;

/** The conditions of a prediction. */
export interface UNet2DInputs {
  /** Class numbers [batch]; with the class_embed_type "identity", class features [batch, width]. */
  readonly classLabels?: Tensor<"int64"> | Tensor | undefined;
}

/** The unconditional denoising network over pixels or latents (Ho et al. 2020; Song et al. 2021). Matches diffusers' UNet2DModel. */
export class UNet2DModel extends Model<UNet2DConfig> {
  protected override readonly runsOften = true;

  /** @throws CheckpointError, ConfigError, DeviceError */
  static async fromPretrained(source: string | Folder, options: ModelOptions = {}): Promise<UNet2DModel> {
    return new UNet2DModel(await openModel("UNet2DModel", schema, source, options, checkConfig));
  }

  /**
   * Height and width of the pictures it was trained on.
   * @throws ConfigError if the config does not have it.
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
   * @returns `sample` [batch, out_channels, height, width], the noise, the velocity or the picture, as the scheduler's prediction_type
   * says.
   * @throws ArgumentError if a shape is wrong, or class labels are missing or not used by this network.
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
    // Here diffusers truncates a plain number. Tensors keep their fractions.
    const timesteps = timestepFeed(typeof timestep === "number" ? Math.trunc(timestep) : timestep, batch);
    const isLearned = timeEmbeddingType === "learned";
    if (isLearned && timesteps.data.some((t) => t < 0 || t >= (numTrainTimesteps ?? 0))) {
      throw new ArgumentError(
        `timestep ${timesteps.data.join(", ")} is out of range; this UNet has learned ${numTrainTimesteps} timesteps, from 0`,
      );
    }
    const feeds: Record<string, Tensor<DType>> = {
      sample,
      timestep: isLearned ? timesteps.to("int64") : timesteps,
      ...classFeed("UNet", classLabels, this.config),
    };
    const { prediction } = await this.run("unet", feeds, async (values, w) => ({ prediction: await unet(values, w, this.config) }));
    return { sample: prediction };
  }
}

/** Checks what the fields of a config say together. @throws ConfigError */
function checkConfig(owner: string, config: UNet2DConfig): void {
  checkPerBlock(owner, config, "downBlockTypes", ["upBlockTypes", "blockOutChannels"]);
  const other = [...config.downBlockTypes, ...config.upBlockTypes].find((type) => !isSkipBlock(type));
  if (config.normNumGroups !== null || !other) return;
  throw new ConfigError(`${owner}: norm_num_groups is null; blocks of type ${other} need a number`);
}

function isSkipBlock(type: string): boolean {
  return /^(Attn)?Skip/.test(type);
}

async function unet(inputs: Readonly<Record<string, Value | undefined>>, w: Scope, config: UNet2DConfig): Promise<Value> {
  const { sample, timestep, class_labels } = inputs as { sample: Value; timestep: Value; class_labels?: Value };
  const { blockOutChannels, layersPerBlock, normEps: epsilon, attentionHeadDim } = config;
  // With null, only the middle block and the last norm use it.
  const groupsOf = (channels: number) => config.normNumGroups ?? Math.min(Math.floor(channels / 4), 32);
  const groups = config.normNumGroups ?? 0;
  const resnet = resnetOptions({ ...config, normNumGroups: groups });
  const temb = timeEmbedding(timestep, class_labels, w, config);
  const pixels: BlockAttention = { kind: "pixels", headWidth: attentionHeadDim ?? undefined, groups, epsilon };
  const none: BlockAttention = { kind: "none" };
  const last = blockOutChannels.length - 1;
  const skipOptions = (i: number, layers: number, hasAttention: boolean, isLast: boolean): SkipBlockOptions => ({
    ...{ epsilon, activation: config.actFn, timeScaleShift: config.resnetTimeScaleShift },
    ...{
      channels: blockOutChannels[i] ?? 0,
      layers,
      attention: hasAttention ? { headWidth: attentionHeadDim ?? undefined } : null,
      isLast,
    },
  });

  const centered = config.centerInputSample ? shift(scale(sample, 2), -1) : sample;
  let h = conv(centered, w.at("conv_in"), blockOutChannels[0] ?? 0);
  const skips = [h];
  let input = centered;
  for (const [i, type] of config.downBlockTypes.entries()) {
    const hasAttention = type.startsWith("Attn");
    if (isSkipBlock(type)) {
      const block = await skipDownBlock(h, input, temb, w.at("down_blocks", i), skipOptions(i, layersPerBlock, hasAttention, i === last));
      skips.push(...block.skips);
      h = skips.at(-1) ?? h;
      input = block.picture;
      continue;
    }
    const results = await downBlock(h, temb, w.at("down_blocks", i), {
      channels: blockOutChannels[i] ?? 0,
      layers: layersPerBlock,
      resnet,
      attention: hasAttention ? pixels : none,
      downsamplePadding: i < last ? config.downsamplePadding : undefined,
      sampler: hasAttention ? config.downsampleType : samplerOf(type),
    });
    skips.push(...results);
    h = results.at(-1) ?? h;
  }

  if (config.midBlockType) {
    const outputScale = config.midBlockScaleFactor;
    const own = groupsOf(blockOutChannels[last] ?? 0);
    const middleGroups = config.attnNormNumGroups ?? (config.resnetTimeScaleShift === "default" ? own : undefined);
    h = await midBlock(h, temb, w.at("mid_block"), {
      channels: blockOutChannels[last] ?? 0,
      layers: 1,
      resnet: { ...resnet, groups: own, outputScale },
      attention: config.addAttention ? { ...pixels, groups: middleGroups, outputScale } : none,
    });
  }

  let picture: Value | undefined;
  for (const [j, type] of config.upBlockTypes.entries()) {
    const hasAttention = type.startsWith("Attn");
    if (isSkipBlock(type)) {
      const options = skipOptions(last - j, layersPerBlock + 1, hasAttention, j === last);
      ({ x: h, picture } = await skipUpBlock(h, skips, picture, temb, w.at("up_blocks", j), options));
      continue;
    }
    h = await upBlock(h, skips, temb, w.at("up_blocks", j), {
      channels: blockOutChannels[last - j] ?? 0,
      layers: layersPerBlock + 1,
      resnet,
      attention: hasAttention ? pixels : none,
      isLast: j === last,
      sampler: hasAttention ? config.upsampleType : samplerOf(type),
    });
  }
  h = conv(silu(groupNorm(h, w.at("conv_norm_out"), groupsOf(blockOutChannels[0] ?? 0), epsilon)), w.at("conv_out"), config.outChannels);
  if (picture) h = add(h, picture);
  // Networks with noise levels instead of timesteps predict the score times the level (Song et al. 2021).
  return config.timeEmbeddingType === "fourier" ? div(h, reshape(timestep, [-1, 1, 1, 1])) : h;
}

/** What changes the size after a block without attention. */
function samplerOf(type: string): Sampler {
  return type.startsWith("Resnet") ? "resnet" : "conv";
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
