import type { Value } from "../graph/graph.js";
import { concat } from "../graph/ops.js";
import type { Scope } from "../graph/scope.js";
import { downsample, type ResnetOptions, resnetBlock, upsample } from "./resnet.js";
import { pixelAttention, spatialTransformer } from "./transformer.js";

/** What follows each resnet block: nothing, attention over the pixels, or a spatial transformer over the context. */
export type BlockAttention =
  | { readonly kind: "none" }
  | {
      readonly kind: "pixels";
      readonly headWidth: number | undefined;
      readonly groups: number;
      readonly epsilon: number;
      readonly outputScale?: number;
    }
  | {
      readonly kind: "transformer";
      readonly context: Value;
      readonly heads: number;
      /** Transformer layers after resnet block i. */
      readonly layers: (i: number) => number;
      readonly groups: number;
      readonly onlyCrossAttention: boolean;
    };

/** One level of a UNet. */
export interface BlockOptions {
  readonly channels: number;
  /** Resnet blocks in it. */
  readonly layers: number;
  readonly resnet: ResnetOptions;
  readonly attention: BlockAttention;
}

/** Down block: resnet blocks, then a downsampling where the checkpoint has one. Every result is also a skip for the way up. */
export function downBlock(
  x: Value,
  temb: Value | undefined,
  w: Scope,
  options: BlockOptions & { readonly downsamplePadding: number | undefined },
): Value[] {
  const skips: Value[] = [];
  let h = x;
  for (let i = 0; i < options.layers; i++) {
    h = resnetBlock(h, temb, w.at("resnets", i), options.channels, options.resnet);
    h = attend(h, w, i, options.attention);
    skips.push(h);
  }
  if (options.downsamplePadding !== undefined) {
    skips.push(downsample(h, w.at("downsamplers", 0), options.channels, options.downsamplePadding));
  }
  return skips;
}

/** Middle block: resnet, attention, resnet; a kind "none" leaves the first resnet alone. */
export function midBlock(x: Value, temb: Value | undefined, w: Scope, { channels, layers, resnet, attention }: BlockOptions): Value {
  let h = resnetBlock(x, temb, w.at("resnets", 0), channels, resnet);
  for (let i = 0; i < layers; i++) {
    h = attend(h, w, i, attention);
    h = resnetBlock(h, temb, w.at("resnets", i + 1), channels, resnet);
  }
  return h;
}

/** Up block: each resnet block takes the last skip as further channels; then an upsampling to the size of the next level's skips. */
export function upBlock(
  x: Value,
  skips: Value[],
  temb: Value | undefined,
  w: Scope,
  options: BlockOptions & { readonly isLast: boolean },
): Value {
  let h = x;
  for (let i = 0; i < options.layers; i++) {
    const skip = skips.pop();
    if (skip) h = concat([h, skip], 1);
    h = resnetBlock(h, temb, w.at("resnets", i), options.channels, options.resnet);
    h = attend(h, w, i, options.attention);
  }
  if (options.isLast) return h;
  const next = skips.at(-1)?.shape;
  return upsample(h, w.at("upsamplers", 0), options.channels, next && [next[2] ?? 0, next[3] ?? 0]);
}

function attend(x: Value, w: Scope, i: number, attention: BlockAttention): Value {
  if (attention.kind === "none") return x;
  const scope = w.at("attentions", i);
  if (attention.kind === "transformer") {
    const layers = attention.layers(i);
    return spatialTransformer(x, attention.context, scope, { ...attention, layers });
  }
  const channels = x.shape[1] ?? 0;
  return pixelAttention(x, scope, { ...attention, heads: channels / (attention.headWidth ?? channels) });
}
