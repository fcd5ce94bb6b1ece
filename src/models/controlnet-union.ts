import * as v from "valibot";
import { blocks, checkPerBlock, count } from "../checkpoint/schema.js";
import { ArgumentError } from "../errors.js";
import type { Value } from "../graph/graph.js";
import { quickGelu } from "../graph/ops/activations.js";
import { attention } from "../graph/ops/attention.js";
import { add, addBatches, mul } from "../graph/ops/elementwise.js";
import { affine } from "../graph/ops/products.js";
import { spatialMean } from "../graph/ops/resampling.js";
import { concat, gather, repeatBatch, reshape, rows, slice, transpose } from "../graph/ops/shapes.js";
import type { Scope } from "../graph/scope.js";
import { conv, layerNorm, linear } from "../layers/basic.js";
import { sinusoidalEmbedding, timestepEmbedding } from "../layers/embeddings.js";
import { checkOptions } from "../options/check-options.js";
import { anyNumber, type Fields, field, flag, isListOf, needed, numbers, oneOrList, tensor } from "../options/fields.js";
import type { Folder } from "../platform/folder.js";
import type { DType } from "../tensor/dtype.js";
import { Tensor } from "../tensor/tensor.js";
import {
  type ControlNetOutput,
  conditioningEmbedding,
  controlFields,
  controlResiduals,
  outputOf,
  residualCount,
  residualScales,
  scaleFactorOf,
} from "./controlnet-residuals.js";
import { expectShape } from "./expect-shape.js";
import { Model, type ModelOptions, openModel, type SingleFileModelOptions, singleFileModel } from "./model.js";
import { CONDITION_FIELDS, level, PER_BLOCK, timeEmbedding, type UNetConditions, unetEncoderFields, unetFeeds } from "./unet-encoder.js";

const schema = v.object({
  ...unetEncoderFields,
  ...controlFields,
  /** The middle block: "UNetMidBlock2DCrossAttn", with attention to text, the default. */
  midBlockType: v.nullish(v.picklist(["UNetMidBlock2DCrossAttn"]), "UNetMidBlock2DCrossAttn"),
  /** Order of the channels of the control pictures; only "rgb", the default, is supported. */
  controlnetConditioningChannelOrder: v.nullish(v.literal("rgb"), "rgb"),
  /**
   * Channels of the convolutions that reduce the control picture to the latents' size. All but the first halve it; [48, 96, 192, 384] by
   * default.
   */
  conditioningEmbeddingOutChannels: v.nullish(blocks(count), [48, 96, 192, 384]),
  /** Types of control, such as depth or edges; 6 by default. */
  numControlType: v.nullish(count, 6),
  /** Channels of the transformer that compares the pictures; 320 by default. */
  numTransChannel: v.nullish(count, 320),
  /** Its heads; 8 by default. */
  numTransHead: v.nullish(count, 8),
  /** Its layers; 1 by default. */
  numTransLayer: v.nullish(count, 1),
  /** Channels of its result; 320 by default. */
  numProjChannel: v.nullish(count, 320),
});

/** `config.json` of a ControlNetUnionModel, with diffusers' defaults. @interface */
export type ControlNetUnionConfig = v.InferOutput<typeof schema>;

/** A ControlNet Union's inputs, besides the noisy latents and the timestep. */
export interface ControlNetUnionInputs extends UNetConditions {
  /**
   * The control pictures, one for each entry of `controlTypeIdx` [batch or 1, conditioning_channels, height, width] in 0..1. Height and
   * width are {@link ControlNetUnionModel.scaleFactor} times the latents'.
   */
  readonly controlnetCond: readonly Tensor[];
  /** 1 for each type of control that is used, 0 for the others [batch or 1, num_control_type]. */
  readonly controlType: Tensor;
  /** The types of the pictures, counted from 0. */
  readonly controlTypeIdx: readonly number[];
  /**
   * Weight of the control: 1 by default. With several pictures, one for each: then the pictures are weighted, and the residuals are not.
   */
  readonly conditioningScale?: number | readonly number[] | undefined;
  /** Whether the residuals are weighted also with several pictures, as in a MultiControlNetUnionModel; false by default. */
  readonly fromMulti?: boolean | undefined;
  /** Whether residuals get weights from 0.1, for the first, to 1, for the last: for control without a prompt. */
  readonly guessMode?: boolean | undefined;
}

const FIELDS: Fields<ControlNetUnionInputs> = {
  ...CONDITION_FIELDS,
  controlnetCond: needed(
    field<readonly Tensor[]>((value) => isListOf(value, (each) => each instanceof Tensor), "a list of float32 Tensors"),
    "the control pictures",
  ),
  controlType: needed(tensor, "which types of control are used"),
  controlTypeIdx: needed(numbers(), "the types of the pictures"),
  conditioningScale: oneOrList(anyNumber, "a number, or a list with one for each picture"),
  fromMulti: flag,
  guessMode: flag,
};

/**
 * One ControlNet for several types of control, alone or together: poses, depth, edges, ... (xinsir's ControlNet++; ProMax has tiles and
 * repainting, too). Matches diffusers' ControlNetUnionModel.
 */
export class ControlNetUnionModel extends Model<ControlNetUnionConfig> {
  protected override readonly runsOften = true;

  /** @throws CheckpointError, ConfigError, DeviceError */
  static async fromPretrained(source: string | Folder, options: ModelOptions = {}): Promise<ControlNetUnionModel> {
    const check = (owner: string, config: ControlNetUnionConfig) => checkPerBlock(owner, config, "downBlockTypes", PER_BLOCK);
    // The configs of its authors name it otherwise.
    const others = ["ControlNetModel_Union", "ControlNetModel"];
    return new ControlNetUnionModel(await openModel("ControlNetUnionModel", schema, source, options, check, others));
  }

  /**
   * Opens the ControlNet Union of a single `.safetensors` file: a path, or the address of a file on the hub. `config` is a folder or hub id
   * whose config replaces the one that the file suggests.
   * @throws CheckpointError, ConfigError, DeviceError, HubError
   */
  static async fromSingleFile(path: string, options: SingleFileModelOptions = {}): Promise<ControlNetUnionModel> {
    return ControlNetUnionModel.fromPretrained(...(await singleFileModel(path, "controlnet_union", options)));
  }

  /** Pixels of the control picture for each latent, along a side. */
  get scaleFactor(): number {
    return scaleFactorOf(this.config);
  }

  /**
   * The residuals for noisy latents `sample` [batch, in_channels, height, width] at `timestep`, one number or one per picture [batch].
   * If `encoderHiddenStates` has n times the batch, the other inputs are used n times. As in diffusers, the pictures of a batch are
   * compared with each other, so that each picture depends a little on the others.
   * @throws ArgumentError if a shape is wrong, lists differ in length, or `addedCond` or `classLabels` is missing or not used by this
   * network.
   */
  async forward(sample: Tensor, timestep: number | Tensor | Tensor<"int64">, given: ControlNetUnionInputs): Promise<ControlNetOutput> {
    const inputs = checkOptions(given, FIELDS, { call: "ControlNetUnionModel.forward" });
    const { config, scaleFactor } = this;
    expectShape("sample", sample, ["batch", config.inChannels, "height", "width"]);
    const { controlnetCond, controlType, controlTypeIdx, conditioningScale = 1, fromMulti = false, guessMode = false } = inputs;
    const [batch = 0, , height = 0, width = 0] = sample.shape;
    const counted = controlnetCond.length;
    const scales = Array.isArray(conditioningScale)
      ? (conditioningScale as readonly number[])
      : controlnetCond.map(() => conditioningScale as number);
    for (const [name, found] of Object.entries({ controlTypeIdx: controlTypeIdx.length, conditioningScale: scales.length })) {
      if (found !== counted || counted === 0)
        throw new ArgumentError(`${found} were given as ${name} for ${counted} pictures; expected one for each`, { argument: name });
    }
    const unknown = controlTypeIdx.find((index) => !(Number.isInteger(index) && 0 <= index && index < config.numControlType));
    if (unknown !== undefined) {
      throw new ArgumentError(`control type ${unknown} is outside the ${config.numControlType} types of this ControlNet Union`, {
        argument: "controlTypeIdx",
      });
    }
    for (const cond of controlnetCond) {
      const rowsOf = cond.shape[0] === 1 ? 1 : batch;
      expectShape("controlnetCond", cond, [rowsOf, config.conditioningChannels, height * scaleFactor, width * scaleFactor]);
    }
    expectShape("controlType", controlType, [controlType.shape[0] === 1 ? 1 : batch, config.numControlType]);
    // One picture's weight is that of the residuals; several pictures have weights of their own.
    const weighsResiduals = fromMulti || counted === 1;
    const feeds: Record<string, Tensor<DType>> = {
      ...unetFeeds("ControlNet Union", sample, timestep, inputs, config, level(config.crossAttentionDim, 0)),
      ...Object.fromEntries(controlnetCond.map((cond, i) => [`cond_${i}`, cond])),
      control_type: controlType,
      control_type_idx: new Tensor("int64", [counted], BigInt64Array.from(controlTypeIdx, BigInt)),
      cond_scales: Tensor.from(weighsResiduals ? scales.map(() => 1) : scales),
      scales: residualScales(residualCount(config), weighsResiduals ? (scales[0] ?? 1) : 1, guessMode && !config.globalPoolConditions),
    };
    return outputOf(await this.run("controlnet union", feeds, (values, w) => union(values, w, config)), config);
  }
}

function union(
  inputs: Readonly<Record<string, Value | undefined>>,
  w: Scope,
  config: ControlNetUnionConfig,
): Promise<Readonly<Record<`residual_${number}`, Value>>> {
  const { sample, timestep, encoder_hidden_states, control_type, scales } = inputs as Readonly<Record<string, Value>> & {
    sample: Value;
    timestep: Value;
    encoder_hidden_states: Value;
    control_type: Value;
    scales: Value;
  };
  const temb = addBatches(timeEmbedding({ ...inputs, timestep }, w, config), controlEmbedding(control_type, w, config));
  const latents = conv(sample, w.at("conv_in"), config.blockOutChannels[0] ?? 0);
  const first = add(latents, fusedConditions(latents, inputs, w, config));
  return controlResiduals(first, temb, encoder_hidden_states, scales, w, config);
}

/** The embedding of the types of control [batch, width of the time embedding]. */
function controlEmbedding(types: Value, w: Scope, config: ControlNetUnionConfig): Value {
  const { flipSinToCos, freqShift, additionTimeEmbedDim, blockOutChannels } = config;
  const waves = sinusoidalEmbedding(reshape(types, [-1]), { width: additionTimeEmbedDim ?? 0, flipSinToCos, freqShift });
  return timestepEmbedding(reshape(waves, [types.shape[0] ?? 1, -1]), w.at("control_add_embedding"), 4 * (blockOutChannels[0] ?? 0));
}

/**
 * What the control pictures add to the latents [batch, channels, height, width]: their embeddings, each shifted by what a transformer makes
 * of the means of all.
 */
function fusedConditions(
  latents: Value,
  inputs: Readonly<Record<string, Value | undefined>>,
  w: Scope,
  config: ControlNetUnionConfig,
): Value {
  const [batch = 1, channels = 0] = latents.shape;
  const { control_type_idx, cond_scales } = inputs as { control_type_idx: Value; cond_scales: Value };
  const width = config.numTransChannel;
  const tasks = gather(w.tensor("task_embedding", [config.numControlType, width]), control_type_idx);
  const mean = (x: Value) => reshape(spatialMean(x), [-1, 1, x.shape[1] ?? 0]);
  const conditions: Value[] = [];
  const means: Value[] = [];
  for (let cond = inputs.cond_0; cond; cond = inputs[`cond_${conditions.length}`]) {
    const i = conditions.length;
    const weight = slice(cond_scales, 0, i, i + 1);
    const condition = repeatBatch(conditioningEmbedding(cond, w.at("controlnet_cond_embedding"), config), batch);
    means.push(mul(add(mean(condition), slice(tasks, 0, i, i + 1)), weight));
    conditions.push(mul(condition, weight));
  }
  let x = concat([mean(latents), ...means], 1);
  for (let i = 0; i < config.numTransLayer; i++) x = transformerLayer(x, w.at("transformer_layes", i), config.numTransHead);
  const shifts = linear(x, w.at("spatial_ch_projs"), config.numProjChannel);
  return conditions
    .map((condition, i) => {
      // The latents come first here, last in diffusers; the layers treat all places alike.
      const shift = reshape(slice(shifts, 1, i + 1, i + 2), [batch, channels, 1, 1]);
      return add(condition, mul(shift, slice(cond_scales, 0, i, i + 1)));
    })
    .reduce(add);
}

/**
 * A transformer layer over x [batch, pictures, channels]. diffusers' attention takes the first axis for the tokens: it compares the
 * pictures of a batch that have the same place. Matches diffusers' ResidualAttentionBlock.
 */
function transformerLayer(x: Value, w: Scope, heads: number): Value {
  const width = x.shape.at(-1) ?? 0;
  const normed = transpose(layerNorm(x, w.at("ln_1")), [1, 0, 2]);
  const [weight, bias] = [w.at("attn").tensor("in_proj_weight", [3 * width, width]), w.at("attn").tensor("in_proj_bias", [3 * width])];
  const project = (i: number) => affine(normed, rows(weight, i * width, (i + 1) * width), rows(bias, i * width, (i + 1) * width));
  const attended = attention(project(0), project(1), project(2), heads);
  const h = add(x, transpose(linear(attended, w.at("attn", "out_proj"), width), [1, 0, 2]));
  const hidden = quickGelu(linear(layerNorm(h, w.at("ln_2")), w.at("mlp", "c_fc"), 4 * width));
  return add(h, linear(hidden, w.at("mlp", "c_proj"), width));
}
