import type { Value } from "../graph/graph.js";
import { averagePool, doubled } from "../graph/ops/resampling.js";
import { concat, repeatBatch } from "../graph/ops/shapes.js";
import type { Scope } from "../graph/scope.js";
import { pageTurn } from "../page-turn.js";
import { type AddedAttentionOptions, addedAttention, type Perturbation, type PixelAttentionOptions, pixelAttention } from "./attention.js";
import { amplifiedHalf, type FreeUBlock, filteredLow } from "./freeu.js";
import { type MotionOptions, motionModule } from "./motion-module.js";
import { downsample, type ResnetOptions, resnetBlock, upsample } from "./resnet.js";
import { spatialTransformer } from "./spatial-transformer.js";

/** What follows each resnet block: nothing, attention over pixels, over pixels and a text, or a spatial transformer with a context. */
export type BlockAttention =
  | { readonly kind: "none" }
  | ({ readonly kind: "pixels" } & PixelAttentionOptions)
  | ({ readonly kind: "added" } & AddedAttentionOptions)
  | {
      readonly kind: "transformer";
      readonly context: Value;
      readonly heads: number;
      /** Transformer layers after resnet block i. */
      readonly layers: (i: number) => number;
      readonly groups: number;
      readonly onlyCrossAttention: boolean;
      readonly perturbs?: Perturbation | undefined;
      readonly mergeRatio?: number | undefined;
    };

/** How the size changes between levels: by a convolution, or by a resnet block that averages or repeats pixels. */
export type Sampler = "conv" | "resnet";

/** One level of a UNet. */
export interface BlockOptions {
  readonly channels: number;
  /** Resnet blocks. */
  readonly layers: number;
  readonly resnet: ResnetOptions;
  readonly attention: BlockAttention;
  /** Motion modules after the resnet blocks and their attention; none by default. */
  readonly motion?: MotionOptions | undefined;
}

/**
 * Down block: resnet blocks, then a downsampling if `downsamplePadding` is given. Every result is also a skip for the up blocks. `steer`
 * changes the last result before the downsampling, or after it in a block without attention; T2I-Adapters act there.
 */
export async function downBlock(
  x: Value,
  temb: Value | undefined,
  w: Scope,
  options: BlockOptions & {
    readonly downsamplePadding: number | undefined;
    readonly sampler?: Sampler;
    readonly steer?: ((h: Value) => Value) | undefined;
  },
): Promise<Value[]> {
  const skips: Value[] = [];
  const { steer = (h) => h } = options;
  const steersFirst = options.attention.kind === "transformer";
  let h = x;
  for (let i = 0; i < options.layers; i++) {
    await pageTurn();
    h = resnetBlock(h, temb, w.at("resnets", i), options.channels, options.resnet);
    h = await attend(h, w, i, options);
    if (steersFirst && i === options.layers - 1) h = steer(h);
    skips.push(h);
  }
  if (options.downsamplePadding !== undefined) {
    const scope = w.at("downsamplers", 0);
    skips.push(
      options.sampler === "resnet"
        ? resnetBlock(h, temb, scope, options.channels, { ...options.resnet, resample: averagePool })
        : downsample(h, scope, options.channels, options.downsamplePadding),
    );
  }
  const last = skips.pop();
  if (last) skips.push(steersFirst ? last : steer(last));
  return skips;
}

/** Middle block: a resnet block, then `layers` times attention and a resnet block. */
export async function midBlock(x: Value, temb: Value | undefined, w: Scope, options: BlockOptions): Promise<Value> {
  const { channels, layers, resnet } = options;
  let h = resnetBlock(x, temb, w.at("resnets", 0), channels, resnet);
  for (let i = 0; i < layers; i++) {
    h = await attend(h, w, i, options);
    await pageTurn();
    h = resnetBlock(h, temb, w.at("resnets", i + 1), channels, resnet);
  }
  return h;
}

/**
 * Up block: resnet blocks, each with the last skip as further channels, then an upsampling to the size of the next level's skips. `freeU`
 * changes both the value that meets a skip and the skip. `exchange` is called with the value that meets a skip and with the skip's number.
 * Its result takes the value's place.
 */
export async function upBlock(
  x: Value,
  skips: Value[],
  temb: Value | undefined,
  w: Scope,
  options: BlockOptions & {
    readonly isLast: boolean;
    readonly sampler?: Sampler;
    readonly exchange?: (h: Value, skip: number) => Value;
    readonly freeU?: FreeUBlock | undefined;
  },
): Promise<Value> {
  let h = x;
  for (let i = 0; i < options.layers; i++) {
    await pageTurn();
    const skip = skips.pop();
    h = options.exchange?.(h, skips.length) ?? h;
    if (skip) h = joinSkip(h, skip, options.freeU);
    h = resnetBlock(h, temb, w.at("resnets", i), options.channels, options.resnet);
    h = await attend(h, w, i, options);
  }
  if (options.isLast) return h;
  if (options.sampler === "resnet")
    return resnetBlock(h, temb, w.at("upsamplers", 0), options.channels, { ...options.resnet, resample: doubled });
  const next = skips.at(-1)?.shape;
  return upsample(h, w.at("upsamplers", 0), options.channels, next && [next[2] ?? 0, next[3] ?? 0]);
}

function joinSkip(h: Value, skip: Value, freeU: FreeUBlock | undefined): Value {
  const [backbone, features] = freeU ? [amplifiedHalf(h, freeU.backbone), filteredLow(skip, freeU.skip)] : [h, skip];
  return concat([backbone, repeatBatch(features, h.shape[0] ?? 1)], 1);
}

/** What follows resnet block `i`: attention, then motion between frames. */
async function attend(x: Value, w: Scope, i: number, { attention, motion }: Pick<BlockOptions, "attention" | "motion">): Promise<Value> {
  const attended = await attendInPicture(x, w, i, attention);
  return motion ? motionModule(attended, w.at("motion_modules", i), motion) : attended;
}

async function attendInPicture(x: Value, w: Scope, i: number, attention: BlockAttention): Promise<Value> {
  if (attention.kind === "none") return x;
  const scope = w.at("attentions", i);
  if (attention.kind === "transformer") {
    const layers = attention.layers(i);
    return spatialTransformer(x, attention.context, scope, { ...attention, layers });
  }
  return attention.kind === "added" ? addedAttention(x, scope, attention) : pixelAttention(x, scope, attention);
}
