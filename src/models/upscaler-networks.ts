import type { Value } from "../graph/graph.js";
import { leakyRelu, parametricRelu } from "../graph/ops/activations.js";
import { add, scale } from "../graph/ops/elementwise.js";
import { doubled, pixelShuffle, pixelUnshuffle, resizeNearest } from "../graph/ops/resampling.js";
import { concat } from "../graph/ops/shapes.js";
import type { Scope } from "../graph/scope.js";
import { conv } from "../layers/basic.js";
import { pageTurn } from "../page-turn.js";
import type { UpscalerConfig } from "./upscaler.js";

/** Channels of the pictures. */
const CHANNELS = 3;
/** How much of a block's result is added to its input. */
const RESIDUAL = 0.2;

/** RRDBNet of ESRGAN (Wang et al. 2018) and Real-ESRGAN (Wang et al. 2021). Both sides of `pixels` are multiples of `unshuffle`. */
export async function rrdbNet(pixels: Value, w: Scope, { features, growth, blocks, doublings, unshuffle }: UpscalerConfig): Promise<Value> {
  const first = conv(unshuffle === 1 ? pixels : pixelUnshuffle(pixels, unshuffle), w.at("conv_first"), features);
  let h = first;
  for (let i = 0; i < blocks; i++) {
    const block = w.at("body", i);
    let inner = h;
    for (const part of ["rdb1", "rdb2", "rdb3"]) {
      await pageTurn();
      inner = denseBlock(inner, block.at(part), features, growth);
    }
    h = add(scale(inner, RESIDUAL), h);
  }
  h = add(first, conv(h, w.at("conv_body"), features));
  for (let i = 1; i <= doublings; i++) h = active(conv(doubled(h), w.at(`conv_up${i}`), features));
  return conv(active(conv(h, w.at("conv_hr"), features)), w.at("conv_last"), CHANNELS);
}

/** Every convolution takes the results of all before it. ESRGAN+ has two more residuals. */
function denseBlock(x: Value, w: Scope, features: number, growth: number): Value {
  const plus = w.has("conv1x1") ? conv(x, w.at("conv1x1"), growth, { kernel: 1 }) : undefined;
  const layer = (index: number, inputs: readonly [Value, ...Value[]]) => active(conv(concat(inputs, 1), w.at(`conv${index}`), growth));
  const a = layer(1, [x]);
  const b = layer(2, [x, a]);
  const second = plus ? add(b, plus) : b;
  const c = layer(3, [x, a, second]);
  const d = layer(4, [x, a, second, c]);
  const fourth = plus ? add(d, second) : d;
  return add(scale(conv(concat([x, a, second, c, fourth], 1), w.at("conv5"), features), RESIDUAL), x);
}

function active(x: Value): Value {
  return leakyRelu(x, 0.2);
}

/** SRVGGNetCompact of Real-ESRGAN: what it computes is added to the picture with larger pixels. */
export async function compactNet(pixels: Value, w: Scope, { features, blocks, scale: factor }: UpscalerConfig): Promise<Value> {
  const [, , height = 0, width = 0] = pixels.shape;
  let h = pixels;
  for (let i = 0; i < blocks; i++) {
    await pageTurn();
    const slopes = w.at("body", 2 * i + 1).tensor("weight", [features], [features, 1, 1]);
    h = parametricRelu(conv(h, w.at("body", 2 * i), features), slopes);
  }
  const added = pixelShuffle(conv(h, w.at("body", 2 * blocks), CHANNELS * factor ** 2), factor);
  return add(added, factor === 1 ? pixels : resizeNearest(pixels, height * factor, width * factor));
}
