import * as v from "valibot";
import { blocks, checkPerBlock, count } from "../checkpoint/schema.js";
import { UNION_EMBEDDING } from "../checkpoint/single-file/parts.js";
import { ConfigError } from "../errors.js";
import type { Value } from "../graph/graph.js";
import { add } from "../graph/ops/elementwise.js";
import { concat, split } from "../graph/ops/shapes.js";
import type { Scope } from "../graph/scope.js";
import { conv } from "../layers/basic.js";
import { checkOptions } from "../options/check-options.js";
import { type Fields, flag, needed, real, tensor } from "../options/fields.js";
import type { Folder } from "../platform/folder.js";
import type { DType } from "../tensor/dtype.js";
import type { Tensor } from "../tensor/tensor.js";
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
  /** The middle block: "UNetMidBlock2DCrossAttn" with attention to text (the default), or "UNetMidBlock2D" without. */
  midBlockType: v.nullish(v.picklist(["UNetMidBlock2DCrossAttn", "UNetMidBlock2D"]), "UNetMidBlock2DCrossAttn"),
  ...controlFields,
  /** Order of the channels in the network, "rgb" or "bgr". The pictures that callers give are always rgb; "rgb" by default. */
  controlnetConditioningChannelOrder: v.nullish(v.picklist(["rgb", "bgr"]), "rgb"),
  /**
   * Channels of the convolutions that reduce the control picture to the latents' size. All but the first halve it; [16, 32, 96, 256] by
   * default.
   */
  conditioningEmbeddingOutChannels: v.nullish(blocks(count), [16, 32, 96, 256]),
});

/** `config.json` of a ControlNetModel, with diffusers' defaults. @interface */
export type ControlNetConfig = v.InferOutput<typeof schema>;

/** A ControlNet's inputs, besides the noisy latents and the timestep. */
export interface ControlNetInputs extends UNetConditions {
  /**
   * The control pictures [batch, conditioning_channels, height, width] in 0..1. Height and width are {@link ControlNetModel.scaleFactor}
   * times the latents'.
   */
  readonly controlnetCond: Tensor;
  /** Weight of the residuals; 1 by default. */
  readonly conditioningScale?: number | undefined;
  /** Whether residuals get weights from 0.1, for the first, to 1, for the last: for control without a prompt. */
  readonly guessMode?: boolean | undefined;
}

const FIELDS: Fields<ControlNetInputs> = {
  ...CONDITION_FIELDS,
  controlnetCond: needed(tensor, "the control pictures"),
  conditioningScale: real(),
  guessMode: flag,
};

/**
 * A copy of a UNet's encoder with a control picture as input, such as edges, depth or poses (Zhang et al. 2023). Matches diffusers'
 * ControlNetModel.
 */
export class ControlNetModel extends Model<ControlNetConfig> {
  protected override readonly runsOften = true;

  /** @throws CheckpointError, ConfigError, DeviceError */
  static async fromPretrained(source: string | Folder, options: ModelOptions = {}): Promise<ControlNetModel> {
    const check = (owner: string, config: ControlNetConfig) => {
      checkPerBlock(owner, config, "downBlockTypes", PER_BLOCK);
      if (config.controlnetConditioningChannelOrder === "bgr" && config.conditioningChannels !== 3) {
        throw new ConfigError(`${owner}: conditioning_channels is ${config.conditioningChannels}; the order bgr is one of 3 channels`);
      }
    };
    const parts = await openModel("ControlNetModel", schema, source, options, check);
    const net = new ControlNetModel(parts);
    if (!parts.weights.has(UNION_EMBEDDING)) return net;
    await net.dispose();
    throw new ConfigError(`${parts.weights.name} is a ControlNet Union: its weights have ${UNION_EMBEDDING}`, {
      hint: "open it as ControlNetUnionModel",
    });
  }

  /**
   * Opens the ControlNet of a single `.safetensors` file, in the original layout or in that of diffusers: a path, or the address of a file
   * on the hub. `config` is a folder or hub id whose config replaces the one that the file suggests.
   * @throws CheckpointError, ConfigError, DeviceError, HubError
   */
  static async fromSingleFile(path: string, options: SingleFileModelOptions = {}): Promise<ControlNetModel> {
    return ControlNetModel.fromPretrained(...(await singleFileModel(path, "controlnet", options)));
  }

  /** Pixels of the control picture for each latent, along a side. */
  get scaleFactor(): number {
    return scaleFactorOf(this.config);
  }

  /**
   * The residuals for noisy latents `sample` [batch, in_channels, height, width] at `timestep`, one number or one per picture [batch].
   * If `encoderHiddenStates` has n times the batch, `sample` and `controlnetCond` are used n times.
   * @throws ArgumentError if a shape is wrong, or `addedCond` or `classLabels` is missing or not used by this network.
   */
  async forward(sample: Tensor, timestep: number | Tensor | Tensor<"int64">, given: ControlNetInputs): Promise<ControlNetOutput> {
    const inputs = checkOptions(given, FIELDS, { call: "ControlNetModel.forward" });
    expectShape("sample", sample, ["batch", this.config.inChannels, "height", "width"]);
    const { controlnetCond, conditioningScale = 1, guessMode = false } = inputs;
    const { config } = this;
    const [batch = 0, , height = 0, width = 0] = sample.shape;
    const size = [height * this.scaleFactor, width * this.scaleFactor];
    const feeds: Record<string, Tensor<DType>> = {
      ...unetFeeds("ControlNet", sample, timestep, inputs, config, level(config.crossAttentionDim, 0)),
      controlnet_cond: controlnetCond,
      // An input, not a constant: a scale that changes from step to step needs no new graph.
      scales: residualScales(residualCount(config), conditioningScale, guessMode && !config.globalPoolConditions),
    };
    expectShape("controlnetCond", controlnetCond, [controlnetCond.shape[0] === 1 ? 1 : batch, config.conditioningChannels, ...size]);
    return outputOf(await this.run("controlnet", feeds, (values, w) => controlNet(values, w, config)), config);
  }
}

function controlNet(
  inputs: Readonly<Record<string, Value | undefined>>,
  w: Scope,
  config: ControlNetConfig,
): Promise<Readonly<Record<`residual_${number}`, Value>>> {
  const { sample, timestep, encoder_hidden_states, controlnet_cond, scales } = inputs as Readonly<Record<string, Value>> & {
    sample: Value;
    timestep: Value;
    encoder_hidden_states: Value;
    controlnet_cond: Value;
    scales: Value;
  };
  const temb = timeEmbedding({ ...inputs, timestep }, w, config);
  const isReversed = config.controlnetConditioningChannelOrder === "bgr";
  const [red, green, blue] = isReversed ? split(controlnet_cond, 1, 3) : [];
  const ordered = red && green && blue ? concat([blue, green, red], 1) : controlnet_cond;
  const hint = conditioningEmbedding(ordered, w.at("controlnet_cond_embedding"), config);
  const first = add(conv(sample, w.at("conv_in"), config.blockOutChannels[0] ?? 0), hint);
  return controlResiduals(first, temb, encoder_hidden_states, scales, w, config);
}
