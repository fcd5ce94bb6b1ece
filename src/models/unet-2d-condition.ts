import * as v from "valibot";
import type { Folder } from "../checkpoint/folder.js";
import { checkPerBlock, count, perBlock } from "../checkpoint/schema.js";
import { ArgumentError } from "../errors.js";
import type { Value } from "../graph/graph.js";
import { add, concat, expand, gather, reshape, scale, shift } from "../graph/ops.js";
import type { Scope } from "../graph/scope.js";
import { ACTIVATIONS, activationName, conv, groupNorm, linear } from "../layers/basic.js";
import { sinusoidalEmbedding, timestepEmbedding } from "../layers/embeddings.js";
import type { ResnetOptions } from "../layers/resnet.js";
import { type BlockAttention, downBlock, midBlock, upBlock } from "../layers/unet-blocks.js";
import type { DType } from "../tensor/dtype.js";
import { Tensor } from "../tensor/tensor.js";
import { expectShape } from "./expect-shape.js";
import { Model, type ModelOptions, openModel } from "./model.js";

const DOWN_BLOCKS = ["DownBlock2D", "CrossAttnDownBlock2D"] as const;
const UP_BLOCKS = ["UpBlock2D", "CrossAttnUpBlock2D"] as const;
const transformerLayers = v.union([v.number(), v.array(v.union([v.number(), v.array(v.number())]))]);

const schema = v.object({
  _diffusersVersion: v.optional(v.string()),
  /** Height and width of the latents the network was trained on. */
  sampleSize: v.nullish(v.union([count, v.tuple([count, count])])),
  inChannels: v.nullish(count, 4),
  outChannels: v.nullish(count, 4),
  centerInputSample: v.nullish(v.boolean(), false),
  flipSinToCos: v.nullish(v.boolean(), true),
  freqShift: v.nullish(v.number(), 0),
  downBlockTypes: v.nullish(v.array(v.picklist(DOWN_BLOCKS)), [
    "CrossAttnDownBlock2D",
    "CrossAttnDownBlock2D",
    "CrossAttnDownBlock2D",
    "DownBlock2D",
  ]),
  /** null: no middle block. */
  midBlockType: v.optional(v.nullable(v.picklist(["UNetMidBlock2DCrossAttn", "UNetMidBlock2D"])), "UNetMidBlock2DCrossAttn"),
  upBlockTypes: v.nullish(v.array(v.picklist(UP_BLOCKS)), ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"]),
  onlyCrossAttention: v.nullish(perBlock(v.boolean()), false),
  blockOutChannels: v.nullish(v.array(count), [320, 640, 1280, 1280]),
  layersPerBlock: v.nullish(perBlock(count), 2),
  downsamplePadding: v.nullish(v.number(), 1),
  midBlockScaleFactor: v.nullish(v.number(), 1),
  actFn: v.nullish(activationName, "silu"),
  normNumGroups: v.nullish(count, 32),
  normEps: v.nullish(v.number(), 1e-5),
  /** Width of the context tokens. */
  crossAttentionDim: v.nullish(perBlock(count), 1280),
  transformerLayersPerBlock: v.nullish(transformerLayers, 1),
  reverseTransformerLayersPerBlock: v.nullish(v.array(v.union([v.number(), v.array(v.number())]))),
  encoderHidDim: v.nullish(count),
  encoderHidDimType: v.nullish(v.literal("text_proj")),
  /** Heads per block, in spite of its name (diffusers issue 2011). */
  attentionHeadDim: v.nullish(perBlock(count), 8),
  numAttentionHeads: v.nullish(perBlock(count)),
  dualCrossAttention: v.nullish(v.literal(false), false),
  classEmbedType: v.nullish(v.picklist(["timestep", "identity", "projection", "simple_projection"])),
  additionEmbedType: v.nullish(v.literal("text_time")),
  additionTimeEmbedDim: v.nullish(count),
  numClassEmbeds: v.nullish(count),
  resnetTimeScaleShift: v.nullish(v.picklist(["default", "scale_shift"]), "default"),
  timeEmbeddingType: v.nullish(v.literal("positional"), "positional"),
  timeEmbeddingDim: v.nullish(count),
  timeEmbeddingActFn: v.nullish(activationName),
  timestepPostAct: v.nullish(activationName),
  timeCondProjDim: v.nullish(count),
  convInKernel: v.nullish(count, 3),
  convOutKernel: v.nullish(count, 3),
  projectionClassEmbeddingsInputDim: v.nullish(count),
  attentionType: v.nullish(v.literal("default"), "default"),
  classEmbeddingsConcat: v.nullish(v.boolean(), false),
  crossAttentionNorm: v.nullish(v.null()),
});

/** `config.json` of a UNet2DConditionModel, with diffusers' defaults. */
export type UNet2DConditionConfig = v.InferOutput<typeof schema>;

/** What a denoising step is conditioned on. */
export interface UNet2DConditionInputs {
  /** Context tokens [batch, tokens, features], from the text encoder. */
  readonly encoderHiddenStates: Tensor;
  /** Stable Diffusion XL's pooled text embedding [batch, width] and its size and crop numbers [batch, 5 or 6]. */
  readonly addedCond?: { readonly textEmbeds: Tensor; readonly timeIds: Tensor };
  /** Class numbers [batch] or class features [batch, width], where the config has a class embedding. */
  readonly classLabels?: Tensor<"int64"> | Tensor;
  /** Embedding of the guidance scale [batch, time_cond_proj_dim] for distilled networks (latent consistency models). */
  readonly timestepCond?: Tensor;
  /** A ControlNet's residuals, one for every skip, and the one for the middle block. */
  readonly downBlockAdditionalResiduals?: readonly Tensor[];
  readonly midBlockAdditionalResidual?: Tensor;
}

/**
 * The denoising network of Stable Diffusion (Rombach et al. 2022; XL: Podell et al. 2023): a UNet whose transformers look at text.
 * Matches diffusers' UNet2DConditionModel for the configs of Stable Diffusion 1.x, 2.x, XL base and refiner, inpainting and their kin.
 */
export class UNet2DConditionModel extends Model<UNet2DConditionConfig> {
  /** @throws CheckpointError, ConfigError, DeviceError */
  static async fromPretrained(source: string | Folder, options: ModelOptions = {}): Promise<UNet2DConditionModel> {
    const check = (owner: string, config: UNet2DConditionConfig) => checkPerBlock(owner, config, "downBlockTypes", PER_BLOCK);
    return new UNet2DConditionModel(await openModel("UNet2DConditionModel", schema, source, options, check));
  }

  /** Height and width of the latents it was trained on. */
  get sampleSize(): readonly [height: number, width: number] {
    const { sampleSize, _diffusersVersion = "1" } = this.config;
    if (Array.isArray(sampleSize)) return [sampleSize[0], sampleSize[1]];
    // Configs written before diffusers 0.9 carry 32 for networks trained at 64, and mean 64.
    const size = sampleSize ?? 64;
    return size < 64 && /^0\.[0-8]\./.test(_diffusersVersion) ? [64, 64] : [size, size];
  }

  /**
   * One prediction for noisy latents `sample` [batch, in_channels, height, width] at `timestep`, one number or one per picture [batch].
   * @returns `sample` [batch, out_channels, height, width]: the noise, the velocity or the picture, as the scheduler's prediction_type says.
   */
  async forward(sample: Tensor, timestep: number | Tensor | Tensor<"int64">, inputs: UNet2DConditionInputs): Promise<{ sample: Tensor }> {
    const { additionEmbedType, timeCondProjDim, inChannels, encoderHidDim, crossAttentionDim, classEmbedType } = this.config;
    if ((additionEmbedType === "text_time") !== (inputs.addedCond !== undefined)) {
      throw new ArgumentError(
        additionEmbedType
          ? "this UNet needs addedCond: { textEmbeds, timeIds }"
          : "this UNet takes no addedCond; it has no text_time embedding",
      );
    }
    const [batch = 0] = sample.shape;
    expectShape("sample", sample, ["batch", inChannels, "height", "width"]);
    expectShape("encoderHiddenStates", inputs.encoderHiddenStates, [batch, "tokens", encoderHidDim ?? level(crossAttentionDim, 0)]);
    const timesteps = typeof timestep === "number" ? Tensor.from([timestep]) : timestep.reshape([timestep.size]).to("float32");
    if (timesteps.size !== 1) expectShape("timestep", timesteps, [batch]);
    const feeds: Record<string, Tensor<DType>> = {
      sample,
      timestep: timesteps,
      encoder_hidden_states: inputs.encoderHiddenStates,
      ...(inputs.addedCond && { text_embeds: inputs.addedCond.textEmbeds, time_ids: inputs.addedCond.timeIds }),
      // Numbers of classes look rows up; everything else is computed with.
      ...(inputs.classLabels && { class_labels: inputs.classLabels.to(classEmbedType ? "float32" : "int64") }),
      ...(inputs.timestepCond && timeCondProjDim && { timestep_cond: inputs.timestepCond }),
      ...(inputs.midBlockAdditionalResidual && { mid_residual: inputs.midBlockAdditionalResidual }),
      ...Object.fromEntries((inputs.downBlockAdditionalResiduals ?? []).map((residual, i) => [`down_residual_${i}`, residual])),
    };
    const { prediction } = await this.run("unet", feeds, (values, w) => ({ prediction: unet(values, w, this.config) }));
    return { sample: prediction };
  }
}

function unet(inputs: Readonly<Record<string, Value | undefined>>, w: Scope, config: UNet2DConditionConfig): Value {
  const { sample, timestep, encoder_hidden_states } = inputs as { sample: Value; timestep: Value; encoder_hidden_states: Value };
  const { blockOutChannels, normNumGroups: groups, normEps: epsilon, actFn, resnetTimeScaleShift } = config;
  const resnet: ResnetOptions = { groups, epsilon, activation: actFn, timeScaleShift: resnetTimeScaleShift };
  const context = config.encoderHidDim
    ? linear(encoder_hidden_states, w.at("encoder_hid_proj"), level(config.crossAttentionDim, 0))
    : encoder_hidden_states;
  const temb = timeEmbedding(inputs, timestep, w, config);
  const centered = config.centerInputSample ? shift(scale(sample, 2), -1) : sample;

  const last = blockOutChannels.length - 1;
  const attentionAt = (i: number, isUsed: boolean, layers: number | readonly number[] | undefined): BlockAttention =>
    isUsed
      ? {
          kind: "transformer",
          context,
          heads: level(config.numAttentionHeads ?? config.attentionHeadDim, i),
          layers: (j) => (typeof layers === "number" ? layers : (layers?.[j] ?? 1)),
          groups,
          onlyCrossAttention: level(config.onlyCrossAttention, i),
        }
      : { kind: "none" };

  let h = conv(centered, w.at("conv_in"), blockOutChannels[0] ?? 0, { kernel: config.convInKernel });
  const skips = [h];
  for (const [i, type] of config.downBlockTypes.entries()) {
    const results = downBlock(h, temb, w.at("down_blocks", i), {
      channels: blockOutChannels[i] ?? 0,
      layers: level(config.layersPerBlock, i),
      resnet,
      attention: attentionAt(i, type === "CrossAttnDownBlock2D", level(config.transformerLayersPerBlock, i)),
      downsamplePadding: i < last ? config.downsamplePadding : undefined,
    });
    skips.push(...results);
    h = results.at(-1) ?? h;
  }

  if (config.midBlockType) {
    const isCross = config.midBlockType === "UNetMidBlock2DCrossAttn";
    h = midBlock(h, temb, w.at("mid_block"), {
      channels: blockOutChannels[last] ?? 0,
      layers: isCross ? 1 : 0,
      resnet: { ...resnet, outputScale: config.midBlockScaleFactor },
      attention: {
        ...attentionAt(last, isCross, level(config.transformerLayersPerBlock, last)),
        ...(isCross && { onlyCrossAttention: false }),
      },
    });
  }
  if (inputs.mid_residual) h = add(h, inputs.mid_residual);
  for (const [i, skip] of skips.entries()) {
    const residual = inputs[`down_residual_${i}`];
    if (residual) skips[i] = add(skip, residual);
  }

  for (const [j, type] of config.upBlockTypes.entries()) {
    const i = last - j;
    const layers = config.reverseTransformerLayersPerBlock?.[j] ?? level(config.transformerLayersPerBlock, i);
    h = upBlock(h, skips, temb, w.at("up_blocks", j), {
      channels: blockOutChannels[i] ?? 0,
      layers: level(config.layersPerBlock, i) + 1,
      resnet,
      attention: attentionAt(i, type === "CrossAttnUpBlock2D", layers),
      isLast: i === 0,
    });
  }
  h = ACTIVATIONS[actFn](groupNorm(h, w.at("conv_norm_out"), groups, epsilon));
  return conv(h, w.at("conv_out"), config.outChannels, { kernel: config.convOutKernel });
}

/** The vector every resnet block hears: the timestep, and whatever else the config adds to it. */
function timeEmbedding(
  inputs: Readonly<Record<string, Value | undefined>>,
  timestep: Value,
  w: Scope,
  config: UNet2DConditionConfig,
): Value {
  const { blockOutChannels, actFn, flipSinToCos, freqShift, timestepPostAct, timeEmbeddingActFn } = config;
  const firstWidth = blockOutChannels[0] ?? 0;
  const width = config.timeEmbeddingDim ?? 4 * firstWidth;
  const waves = { width: firstWidth, flipSinToCos, freqShift };
  let embedding = timestepEmbedding(sinusoidalEmbedding(timestep, waves), w.at("time_embedding"), width, actFn, inputs.timestep_cond);
  if (timestepPostAct) embedding = ACTIVATIONS[timestepPostAct](embedding);

  const classes = classEmbedding(inputs.class_labels, w.at("class_embedding"), width, config);
  if (classes) {
    embedding = config.classEmbeddingsConcat
      ? concat([expand(embedding, [classes.shape[0] ?? 1, width]), classes], 1)
      : add(embedding, classes);
  }

  const { text_embeds, time_ids } = inputs;
  if (text_embeds && time_ids) {
    const numbers = sinusoidalEmbedding(reshape(time_ids, [-1]), { ...waves, width: config.additionTimeEmbedDim ?? 256 });
    const both = concat([text_embeds, reshape(numbers, [text_embeds.shape[0] ?? 1, -1])], 1);
    embedding = add(embedding, timestepEmbedding(both, w.at("add_embedding"), width));
  }
  return timeEmbeddingActFn ? ACTIVATIONS[timeEmbeddingActFn](embedding) : embedding;
}

function classEmbedding(labels: Value | undefined, w: Scope, width: number, config: UNet2DConditionConfig): Value | undefined {
  const { classEmbedType, numClassEmbeds, blockOutChannels, flipSinToCos, freqShift, actFn } = config;
  if (!classEmbedType && !numClassEmbeds) return undefined;
  if (!labels) throw new ArgumentError("this UNet needs classLabels: its config has a class embedding");
  if (classEmbedType === "timestep") {
    const waves = sinusoidalEmbedding(labels, { width: blockOutChannels[0] ?? 0, flipSinToCos, freqShift });
    return timestepEmbedding(waves, w, width, actFn);
  }
  if (classEmbedType === "projection") return timestepEmbedding(labels, w, width);
  if (classEmbedType === "simple_projection") return linear(labels, w, width);
  if (classEmbedType === "identity") return labels;
  return gather(w.tensor("weight", [numClassEmbeds ?? 0, width]), labels);
}

/** A per-block setting's value for block `i`. */
function level<T>(setting: T | readonly T[], i: number): T {
  return (Array.isArray(setting) ? setting[i] : setting) as T;
}

const PER_BLOCK = [
  "upBlockTypes",
  "blockOutChannels",
  "onlyCrossAttention",
  "layersPerBlock",
  "crossAttentionDim",
  "attentionHeadDim",
  "numAttentionHeads",
  "transformerLayersPerBlock",
  "reverseTransformerLayersPerBlock",
] as const;
