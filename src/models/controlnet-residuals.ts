import * as v from "valibot";
import { count } from "../checkpoint/schema.js";
import type { Value } from "../graph/graph.js";
import { silu } from "../graph/ops/activations.js";
import { mul } from "../graph/ops/elementwise.js";
import { spatialMean } from "../graph/ops/resampling.js";
import { repeatBatch, slice } from "../graph/ops/shapes.js";
import type { Scope } from "../graph/scope.js";
import { conv } from "../layers/basic.js";
import { Tensor } from "../tensor/tensor.js";
import { downBlocks, level, middle, type UNetEncoderConfig } from "./unet-encoder.js";

// What ControlNets and ControlNet Unions share: the embedding of pictures, and the residuals.

/** Config fields that both have. */
export const controlFields = {
  /** How `classLabels` are embedded: "timestep", "identity" or "projection". None by default: by a table if `numClassEmbeds` is given. */
  classEmbedType: v.nullish(v.picklist(["timestep", "identity", "projection"])),
  /** Channels of the control picture; 3 by default. */
  conditioningChannels: v.nullish(count, 3),
  /** Average residuals over the picture, so that they have its content but not its layout; false by default. */
  globalPoolConditions: v.nullish(v.boolean(), false),
};

/** The config of either. */
export interface ControlConfig extends UNetEncoderConfig {
  readonly conditioningEmbeddingOutChannels: readonly number[];
  readonly globalPoolConditions: boolean;
}

/** The residuals that a ControlNet adds to its UNet. */
export interface ControlNetOutput {
  /** A residual for each skip of the UNet, the finest first. */
  readonly downBlockResSamples: Tensor[];
  /** The residual for the middle block. */
  readonly midBlockResSample: Tensor;
}

/** Pixels of the control picture for each latent, along a side. */
export function scaleFactorOf({ conditioningEmbeddingOutChannels }: ControlConfig): number {
  return 2 ** (conditioningEmbeddingOutChannels.length - 1);
}

/** Convolutions that reduce the control picture to the latents' size. Matches diffusers' ControlNetConditioningEmbedding. */
export function conditioningEmbedding(picture: Value, w: Scope, config: ControlConfig): Value {
  const widths = config.conditioningEmbeddingOutChannels;
  let h = silu(conv(picture, w.at("conv_in"), widths[0] ?? 0));
  for (const [i, width] of widths.slice(0, -1).entries()) {
    h = silu(conv(h, w.at("blocks", 2 * i), width));
    h = silu(conv(h, w.at("blocks", 2 * i + 1), widths[i + 1] ?? 0, { stride: 2 }));
  }
  return conv(h, w.at("conv_out"), config.blockOutChannels[0] ?? 0);
}

/** The way down from `first`, and a residual for each of its results, times its number of `scales` [residuals]. */
export async function controlResiduals(
  first: Value,
  temb: Value,
  context: Value,
  scales: Value,
  w: Scope,
  config: ControlConfig,
): Promise<Readonly<Record<`residual_${number}`, Value>>> {
  const skips = await downBlocks(first, temb, context, w, config);
  const last = await middle(skips.at(-1) ?? first, temb, context, w, config);
  const project = (x: Value, scope: Scope) => conv(x, scope, x.shape[1] ?? 0, { kernel: 1 });
  const residuals = [
    ...skips.map((skip, i) => project(skip, w.at("controlnet_down_blocks", i))),
    project(last, w.at("controlnet_mid_block")),
  ].map((residual, i) => repeatBatch(mul(residual, slice(scales, 0, i, i + 1)), context.shape[0] ?? 1));
  const pooled = config.globalPoolConditions ? residuals.map(spatialMean) : residuals;
  return Object.fromEntries(pooled.map((residual, i) => [`residual_${i}`, residual]));
}

/** The residuals among a graph's results. */
export function outputOf(results: Readonly<Record<string, Tensor>>, config: ControlConfig): ControlNetOutput {
  const all = Array.from({ length: residualCount(config) }, (_, i) => results[`residual_${i}`] as Tensor);
  return { downBlockResSamples: all.slice(0, -1), midBlockResSample: all.at(-1) as Tensor };
}

/** The number of residuals: one for the first convolution, for each layer, for each downsampling, and for the middle block. */
export function residualCount({ downBlockTypes, layersPerBlock }: ControlConfig): number {
  const layers = downBlockTypes.reduce((sum, _, i) => sum + level(layersPerBlock, i), 0);
  return 1 + layers + (downBlockTypes.length - 1) + 1;
}

/** The residuals' weights: `scale` for all, or 0.1 to 1 times it, in equal ratios. */
export function residualScales(count: number, scale: number, isGraded: boolean): Tensor {
  const graded = (i: number) => Math.fround(10 ** (i / (count - 1) - 1));
  return Tensor.from(Array.from({ length: count }, (_, i) => (isGraded ? graded(i) * scale : scale)));
}
