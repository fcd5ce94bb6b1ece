import * as v from "valibot";
import { blocks, count, countOrNone, depth, perBlock } from "../checkpoint/schema.js";
import { ArgumentError } from "../errors.js";
import type { Value } from "../graph/graph.js";
import { add, addBatches } from "../graph/ops/elementwise.js";
import { concat, expand, reshape } from "../graph/ops/shapes.js";
import type { Scope } from "../graph/scope.js";
import type { Perturbation } from "../layers/attention.js";
import { ACTIVATIONS, type Activation, activationName } from "../layers/basic.js";
import { classEmbedding, fourierEmbedding, pooledTextEmbedding, sinusoidalEmbedding, timestepEmbedding } from "../layers/embeddings.js";
import type { MotionOptions } from "../layers/motion-module.js";
import type { ResnetOptions } from "../layers/resnet.js";
import { type BlockAttention, downBlock, midBlock, type Sampler } from "../layers/unet-blocks.js";
import { expectField } from "../options/check-options.js";
import { type Fields, field, group, needed, tensor } from "../options/fields.js";
import type { DType } from "../tensor/dtype.js";
import { Tensor } from "../tensor/tensor.js";
import { expectShape } from "./expect-shape.js";

// Parts that UNet2DConditionModel and ControlNetModel share: conditions, down blocks and the middle block.

const DOWN_BLOCKS = ["DownBlock2D", "CrossAttnDownBlock2D"] as const;
// A block without attention can have 0 of them.
const transformerLayers = v.union([countOrNone, v.array(v.union([countOrNone, v.array(countOrNone)]))]);

/** Config fields that both have. */
export const unetEncoderFields = {
  /** Channels of the noisy latents; 4 by default. */
  inChannels: v.nullish(count, 4),
  /** Put cosines before sines in the timestep's embedding; true by default. */
  flipSinToCos: v.nullish(v.boolean(), true),
  /** Subtracted from the number of frequencies in the timestep's embedding when they are spaced; 0 by default. */
  freqShift: v.nullish(v.number(), 0),
  /**
   * The down blocks, the finest first: "DownBlock2D", or "CrossAttnDownBlock2D" with attention to text; three of the second, then one of
   * the first, by default.
   */
  downBlockTypes: v.nullish(blocks(v.picklist(DOWN_BLOCKS)), [
    "CrossAttnDownBlock2D",
    "CrossAttnDownBlock2D",
    "CrossAttnDownBlock2D",
    "DownBlock2D",
  ]),
  /**
   * The middle block: "UNetMidBlock2DCrossAttn" with attention to text (the default), "UNetMidBlock2D" without, or null for no middle
   * block.
   */
  midBlockType: v.optional(v.nullable(v.picklist(["UNetMidBlock2DCrossAttn", "UNetMidBlock2D"])), "UNetMidBlock2DCrossAttn"),
  /**
   * Use cross-attention in place of self-attention in the transformers of down and up blocks: one value, or one for each block; false by
   * default.
   */
  onlyCrossAttention: v.nullish(perBlock(v.boolean()), false),
  /** Channels of each level, the finest first; [320, 640, 1280, 1280] by default. */
  blockOutChannels: v.nullish(blocks(count), [320, 640, 1280, 1280]),
  /** Resnet blocks in each down block, one number or one for each block; an up block has one more; 2 by default. */
  layersPerBlock: v.nullish(perBlock(depth), 2),
  /** Padding of the convolutions that halve the size, in pixels, 0 or 1; 1 by default. */
  downsamplePadding: v.nullish(v.picklist([0, 1]), 1),
  /** The results of the middle block's resnet blocks are divided by this; 1 by default. */
  midBlockScaleFactor: v.nullish(v.number(), 1),
  /** The activation function: "silu", "swish", "gelu", "mish" or "relu"; "silu" by default. */
  actFn: v.nullish(activationName, "silu"),
  /** Groups of the group norms; 32 by default. */
  normNumGroups: v.nullish(count, 32),
  /** Added to the variance in the group norms; 1e-5 by default. */
  normEps: v.nullish(v.number(), 1e-5),
  /** Width of the context tokens, one number or one for each block; 1280 by default. */
  crossAttentionDim: v.nullish(perBlock(count), 1280),
  /** Transformer layers after each resnet block: one number, one for each block, or a list for each block; 1 by default. */
  transformerLayersPerBlock: v.nullish(transformerLayers, 1),
  /** Attention heads: one number, or one for each block. Despite its name it is not a width (diffusers issue 2011); 8 by default. */
  attentionHeadDim: v.nullish(perBlock(count), 8),
  /** Attention heads, in place of `attentionHeadDim`, one number or one for each block; none by default. */
  numAttentionHeads: v.nullish(perBlock(count)),
  /**
   * "text_time": the pooled text embedding and the sizes are added to the timestep's embedding, as in Stable Diffusion XL; none by default.
   */
  additionEmbedType: v.nullish(v.literal("text_time")),
  /** Width of each size's embedding with "text_time"; 256 by default. */
  additionTimeEmbedDim: v.nullish(count),
  /**
   * How `classLabels` are embedded: "timestep", "identity", "projection" or "simple_projection". None by default: by a table if
   * `numClassEmbeds` is given.
   */
  classEmbedType: v.nullish(v.picklist(["timestep", "identity", "projection", "simple_projection"])),
  /** Classes in the table of class embeddings; none by default. */
  numClassEmbeds: v.nullish(count),
  /** Width of `classLabels`, or of the pooled text embedding and the sizes together with "text_time"; none by default. */
  projectionClassEmbeddingsInputDim: v.nullish(count),
  /**
   * How the timestep's embedding enters resnet blocks: added ("default"), or as a scale and a shift ("scale_shift"); "default" by default.
   */
  resnetTimeScaleShift: v.nullish(v.picklist(["default", "scale_shift"]), "default"),
};

const schema = v.object(unetEncoderFields);

/** The config fields that both have. @interface */
export type UNetEncoderConfig = v.InferOutput<typeof schema>;

/** What the conditions depend on. */
interface ConditionsConfig extends Omit<UNetEncoderConfig, "downBlockTypes" | "midBlockType" | "normNumGroups" | "additionEmbedType"> {
  readonly additionEmbedType?: "text_time" | "text" | null | undefined;
}

/** The conditions of a prediction. */
export interface UNetConditions {
  /** Context tokens [batch or a multiple of it, tokens, features], from the text encoder. */
  readonly encoderHiddenStates: Tensor;
  /** Stable Diffusion XL's pooled text embedding [batch, width] and its size and crop numbers [batch, 5 or 6]. */
  readonly addedCond?: {
    /** Pooled embeddings of the prompts [batch, width]. */
    readonly textEmbeds: Tensor;
    /** Sizes and crops in pixels [batch, numbers]; for refiners the last number is the aesthetic score. */
    readonly timeIds: Tensor;
  };
  /** Class numbers [batch] or class features [batch, width], if the config has a class embedding. */
  readonly classLabels?: Tensor<"int64"> | Tensor | undefined;
}

const labels = field<Tensor<"int64"> | Tensor>(
  (value) => value instanceof Tensor && (value.dtype === "float32" || value.dtype === "int64"),
  "a Tensor of int64 or float32",
);

export const CLASS_FIELDS: Fields<Pick<UNetConditions, "classLabels">> = { classLabels: labels };

export const CONDITION_FIELDS: Fields<UNetConditions> = {
  ...CLASS_FIELDS,
  encoderHiddenStates: needed(tensor, "the output of a text encoder"),
  addedCond: group({
    textEmbeds: needed(tensor, "the pooled embeddings of the prompts"),
    timeIds: needed(tensor, "the sizes and crops of the pictures"),
  }),
};

/** A network's inputs by their names in its graph, checked against its config. `contextWidth` is the width of its context tokens. */
export function unetFeeds(
  network: string,
  sample: Tensor,
  timestep: number | Tensor | Tensor<"int64">,
  { encoderHiddenStates, addedCond, classLabels }: UNetConditions,
  config: ConditionsConfig,
  contextWidth: number,
): Record<string, Tensor<DType>> {
  if ((config.additionEmbedType === "text_time") !== (addedCond !== undefined)) {
    throw new ArgumentError(
      config.additionEmbedType === "text_time"
        ? `this ${network} needs addedCond: { textEmbeds, timeIds }`
        : `this ${network} takes no addedCond; it has no text_time embedding`,
    );
  }
  expectShape("sample", sample, ["batch", config.inChannels, "height", "width"]);
  const [samples = 0] = sample.shape;
  const [contexts = 0] = encoderHiddenStates.shape;
  // Only a multiple of the samples is valid.
  const batch = contexts % samples === 0 ? contexts : samples;
  expectShape("encoderHiddenStates", encoderHiddenStates, [batch, "tokens", contextWidth]);
  return {
    sample,
    timestep: timestepFeed(timestep, samples),
    encoder_hidden_states: encoderHiddenStates,
    ...(addedCond && { text_embeds: addedCond.textEmbeds, time_ids: addedCond.timeIds }),
    ...classFeed(network, classLabels, config),
  };
}

/** Class labels in the dtype of their embedding: row numbers of a table, or features. */
export function classFeed(
  network: string,
  labels: Tensor<"int64"> | Tensor | undefined,
  { classEmbedType, numClassEmbeds }: Pick<UNetEncoderConfig, "classEmbedType" | "numClassEmbeds">,
): Record<string, Tensor<DType>> {
  if (!classEmbedType && !numClassEmbeds) {
    if (labels) throw new ArgumentError(`this ${network} takes no classLabels; it has no class embedding`);
    return {};
  }
  if (!labels) throw new ArgumentError(`this ${network} needs classLabels: its config has a class embedding`);
  if (classEmbedType) return { class_labels: labels.to("float32") };
  const unknown = labels.toArray().find((label) => !(0 <= label && label < (numClassEmbeds ?? 0)));
  if (unknown !== undefined) throw new ArgumentError(`class ${unknown} is outside the ${numClassEmbeds} classes of this ${network}`);
  return { class_labels: labels.to("int64") };
}

const TIMESTEP = field<number | Tensor | Tensor<"int64">>(
  (value) => Number.isFinite(value) || (value instanceof Tensor && (value.dtype === "float32" || value.dtype === "int64")),
  "a finite number, or a Tensor of int64 or float32 with one for each picture",
);

/** A timestep, one number or one per picture, as a graph's input: float32 [1] or [batch]. */
export function timestepFeed(timestep: number | Tensor | Tensor<"int64">, batch: number): Tensor {
  expectField("timestep", timestep, TIMESTEP);
  const timesteps = typeof timestep === "number" ? Tensor.from([timestep]) : timestep.reshape([timestep.size]).to("float32");
  if (timesteps.size !== 1) expectShape("timestep", timesteps, [batch]);
  return timesteps;
}

/** Config fields of {@link timeEmbedding} that only some configs have. */
interface TimeEmbeddingConfig extends ConditionsConfig {
  readonly timeEmbeddingType?: "positional" | "fourier" | undefined;
  readonly additionEmbedTypeNumHeads?: number | undefined;
  readonly timeEmbeddingDim?: number | null | undefined;
  readonly timestepPostAct?: Activation | null | undefined;
  readonly timeEmbeddingActFn?: Activation | null | undefined;
  readonly classEmbeddingsConcat?: boolean | undefined;
}

/**
 * The vector that conditions every resnet block: the embedding of the timestep, and others that the config adds. `classActivation` is for
 * class labels that are embedded like timesteps.
 */
export function timeEmbedding(
  inputs: Readonly<Record<string, Value | undefined>> & { readonly timestep: Value },
  w: Scope,
  config: TimeEmbeddingConfig,
  classActivation: Activation = "silu",
): Value {
  const { blockOutChannels, actFn, flipSinToCos, freqShift, timestepPostAct, timeEmbeddingActFn } = config;
  const firstWidth = blockOutChannels[0] ?? 0;
  const isFourier = config.timeEmbeddingType === "fourier";
  const width = config.timeEmbeddingDim ?? (isFourier ? 2 : 4) * firstWidth;
  const waves = { width: firstWidth, flipSinToCos, freqShift };
  const toWaves = (steps: Value) =>
    isFourier
      ? fourierEmbedding(steps, w.at("time_proj"), width / 2, { ofLogarithm: false, flipSinToCos })
      : sinusoidalEmbedding(steps, waves);
  let embedding = timestepEmbedding(toWaves(inputs.timestep), w.at("time_embedding"), width, actFn, inputs.timestep_cond);
  if (timestepPostAct) embedding = ACTIVATIONS[timestepPostAct](embedding);

  if (inputs.class_labels) {
    const options = { type: config.classEmbedType, classes: config.numClassEmbeds, width, toWaves, activation: classActivation };
    const classes = classEmbedding(inputs.class_labels, w.at("class_embedding"), options);
    embedding = config.classEmbeddingsConcat
      ? concat([expand(embedding, [classes.shape[0] ?? 1, width]), classes], 1)
      : add(embedding, classes);
  }

  const { text_embeds, time_ids, encoder_hidden_states } = inputs;
  if (config.additionEmbedType === "text" && encoder_hidden_states) {
    const heads = config.additionEmbedTypeNumHeads ?? 1;
    embedding = addBatches(embedding, pooledTextEmbedding(encoder_hidden_states, w.at("add_embedding"), width, heads));
  }
  if (text_embeds && time_ids) {
    const numbers = sinusoidalEmbedding(reshape(time_ids, [-1]), { ...waves, width: config.additionTimeEmbedDim ?? 256 });
    const both = concat([text_embeds, reshape(numbers, [text_embeds.shape[0] ?? 1, -1])], 1);
    embedding = addBatches(embedding, timestepEmbedding(both, w.at("add_embedding"), width));
  }
  return timeEmbeddingActFn ? ACTIVATIONS[timeEmbeddingActFn](embedding) : embedding;
}

/** The options of all resnet blocks of a config. */
export function resnetOptions(
  config: Pick<UNetEncoderConfig, "normNumGroups" | "normEps" | "actFn" | "resnetTimeScaleShift">,
): ResnetOptions {
  const { normNumGroups: groups, normEps: epsilon, actFn: activation, resnetTimeScaleShift: timeScaleShift } = config;
  return { groups, epsilon, activation, timeScaleShift };
}

/** A config, and what one pass adds to it. */
export interface PassConfig extends Omit<UNetEncoderConfig, "downBlockTypes" | "midBlockType" | "additionEmbedType"> {
  readonly downBlockTypes: readonly string[];
  readonly midBlockType?: string | null | undefined;
  readonly midBlockOnlyCrossAttention?: boolean | null | undefined;
  readonly crossAttentionNorm?: "layer_norm" | "group_norm" | null | undefined;
  readonly resnetSkipTimeAct?: boolean | undefined;
  readonly resnetOutScaleFactor?: number | undefined;
  /** Rows and layers whose self-attention is perturbed. */
  readonly perturbs?: Perturbation | undefined;
  /** The share of tokens that are merged before self-attention of the finest blocks that have any; none by default. */
  readonly mergeRatio?: number | undefined;
}

/** How the blocks of a type change the size, and how their resnet blocks are built. */
export function resnetsOf(type: string, config: PassConfig): { readonly resnet: ResnetOptions; readonly sampler: Sampler } {
  const resnet = resnetOptions(config);
  if (!/^(Resnet|SimpleCrossAttn)/.test(type)) return { resnet, sampler: "conv" };
  const { resnetSkipTimeAct: skipTimeActivation = false, resnetOutScaleFactor: outputScale = 1 } = config;
  return { resnet: { ...resnet, skipTimeActivation, outputScale }, sampler: "resnet" };
}

/** The finest level whose down block attends to texts; undefined if none does. */
function firstAttention({ downBlockTypes }: PassConfig): number | undefined {
  const level = downBlockTypes.findIndex((type) => type.includes("CrossAttn"));
  return level < 0 ? undefined : level;
}

/**
 * The attention after each resnet block of the block of this type at level `i`. `at` is the block's place among its own; as in diffusers,
 * the widths of heads are those of the down blocks in their own order.
 */
export function blockAttention(
  i: number,
  type: string,
  layers: number | readonly number[] | undefined,
  context: Value,
  config: PassConfig,
  at = i,
): BlockAttention {
  const groups = config.normNumGroups;
  const headWidth = level(config.attentionHeadDim, at);
  if (type.startsWith("Attn")) return { kind: "pixels", headWidth, groups, epsilon: config.normEps };
  if (type.includes("SimpleCrossAttn")) {
    const { crossAttentionNorm: contextNorm } = config;
    return { kind: "added", context, headWidth, groups, onlyCrossAttention: level(config.onlyCrossAttention, i), contextNorm };
  }
  if (!type.includes("CrossAttn")) return { kind: "none" };
  return {
    kind: "transformer",
    context,
    heads: level(config.numAttentionHeads ?? config.attentionHeadDim, i),
    layers: (j) => (typeof layers === "number" ? layers : (layers?.[j] ?? 1)),
    groups: config.normNumGroups,
    onlyCrossAttention: level(config.onlyCrossAttention, i),
    perturbs: config.perturbs,
    mergeRatio: i === firstAttention(config) ? config.mergeRatio : undefined,
  };
}

/**
 * The down blocks. x is the result of the first convolution. Returns the skips: x, and the result of every layer and downsampling. Each
 * block adds the next of the `residuals`, and takes it out of the list.
 */
export async function downBlocks(
  x: Value,
  temb: Value,
  context: Value,
  w: Scope,
  config: PassConfig,
  residuals: IntrablockResidual[] = [],
  motion?: Motion,
): Promise<Value[]> {
  const last = config.blockOutChannels.length - 1;
  const skips = [x];
  for (const [i, type] of config.downBlockTypes.entries()) {
    const results = await downBlock(skips.at(-1) ?? x, temb, w.at("down_blocks", i), {
      channels: config.blockOutChannels[i] ?? 0,
      layers: level(config.layersPerBlock, i),
      ...resnetsOf(type, config),
      attention: blockAttention(i, type, level(config.transformerLayersPerBlock, i), context, config),
      downsamplePadding: i < last ? config.downsamplePadding : undefined,
      steer: (h) => addIntrablock(h, residuals.shift()),
      motion: motion?.inBlock(i),
    });
    skips.push(...results);
  }
  return skips;
}

/** The motion modules of a UNet whose rows are the frames of videos. */
export interface Motion {
  readonly frames: number;
  /** Motion modules of the down and up block at level `i`, the finest first. */
  inBlock(i: number): MotionOptions;
  /** Those of the middle block; undefined if it has none. */
  readonly inMiddle: MotionOptions | undefined;
}

/** A T2I-Adapter's feature for one block, with its name for messages. */
export interface IntrablockResidual {
  readonly name: string;
  readonly value: Value;
}

function addIntrablock(h: Value, residual: IntrablockResidual | undefined): Value {
  if (!residual) return h;
  const { name, value } = residual;
  if (isAlike(h, value)) return addBatches(h, value);
  throw new ArgumentError(`${name} is [${value.shape}]; the block it is for has [${h.shape}]`, {
    argument: name,
    hint: "a T2I-Adapter works with the UNets that it was trained for: those of Stable Diffusion 1, or those of XL",
  });
}

/** Whether two values [batch, channels, height, width] differ in their batch at most. */
export function isAlike(a: Value, b: Value): boolean {
  return String(a.shape.slice(1)) === String(b.shape.slice(1));
}

/** The middle block; x itself if the config has none. */
export async function middle(x: Value, temb: Value, context: Value, w: Scope, config: PassConfig, motion?: Motion): Promise<Value> {
  if (!config.midBlockType) return x;
  const last = config.blockOutChannels.length - 1;
  const { midBlockType, midBlockOnlyCrossAttention, onlyCrossAttention, midBlockScaleFactor: outputScale } = config;
  const attention = blockAttention(last, midBlockType, level(config.transformerLayersPerBlock, last), context, config);
  const isSimple = attention.kind === "added";
  const only = isSimple && (midBlockOnlyCrossAttention ?? onlyCrossAttention === true);
  return midBlock(x, temb, w.at("mid_block"), {
    channels: config.blockOutChannels[last] ?? 0,
    layers: attention.kind === "none" ? 0 : 1,
    resnet: { ...resnetOptions(config), outputScale, skipTimeActivation: isSimple && (config.resnetSkipTimeAct ?? false) },
    attention: { ...attention, ...(attention.kind !== "none" && { onlyCrossAttention: only }) },
    motion: motion?.inMiddle,
  });
}

/** A per-block setting's value for block `i`. */
export function level<T>(setting: T | readonly T[], i: number): T {
  return (Array.isArray(setting) ? setting[i] : setting) as T;
}

/** The fields that are lists with one entry for each block, or one value for all. */
export const PER_BLOCK = [
  "blockOutChannels",
  "onlyCrossAttention",
  "layersPerBlock",
  "crossAttentionDim",
  "attentionHeadDim",
  "numAttentionHeads",
  "transformerLayersPerBlock",
] as const;
