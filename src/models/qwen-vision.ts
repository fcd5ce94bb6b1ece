import * as v from "valibot";
import { count, depth } from "../checkpoint/schema.js";
import type { Value } from "../graph/graph.js";
import { gelu } from "../graph/ops/activations.js";
import { attention } from "../graph/ops/attention.js";
import { add, mul } from "../graph/ops/elementwise.js";
import { linearProduct } from "../graph/ops/products.js";
import { rotate } from "../graph/ops/rotary.js";
import { reshape } from "../graph/ops/shapes.js";
import type { Scope } from "../graph/scope.js";
import { ACTIVATIONS, hiddenActivationName, linear, linearRows, rmsNorm } from "../layers/basic.js";
import { rotaryTables } from "../layers/rotary.js";
import { pageTurn } from "../page-turn.js";
import { Tensor } from "../tensor/tensor.js";
import { LOWEST_SCORE } from "./causal-mask.js";

/** Schema of `vision_config` of Qwen2.5-VL. */
export const qwenVisionSchema = v.object({
  /** Transformer layers; 32 by default. */
  depth: v.nullish(depth, 32),
  /** Width of each patch's features; 3584 by default. */
  hiddenSize: v.nullish(count, 3584),
  /** The activation function of the perceptrons; "silu" by default. */
  hiddenAct: v.nullish(hiddenActivationName, "silu"),
  /** Width of the hidden layer in each perceptron; 3420 by default. */
  intermediateSize: v.nullish(count, 3420),
  /** Attention heads of each layer; 16 by default. */
  numHeads: v.nullish(count, 16),
  /** Channels of the pictures; 3 by default. */
  inChannels: v.nullish(count, 3),
  /** Height and width of a patch in pixels; 14 by default. */
  patchSize: v.nullish(count, 14),
  /** Patches on a side of the square that becomes one token; 2 by default. */
  spatialMergeSize: v.nullish(count, 2),
  /** Frames of a patch; a picture is repeated. 2 by default. */
  temporalPatchSize: v.nullish(count, 2),
  /** Height and width in pixels of the windows that patches attend in; 112 by default. */
  windowSize: v.nullish(count, 112),
  /** Width of the tokens' features; 3584 by default. */
  outHiddenSize: v.nullish(count, 3584),
  /** The layers in which patches attend to the whole picture; 7, 15, 23 and 31 by default. */
  fullattBlockIndexes: v.nullish(v.array(v.number()), [7, 15, 23, 31]),
});

/** `vision_config` of Qwen2.5-VL, with transformers' defaults. @interface */
export type QwenVisionConfig = v.InferOutput<typeof qwenVisionSchema>;

/** Patches of a picture: frames, rows, columns. */
export type PatchGrid = readonly [frames: number, rows: number, columns: number];

/** The base of the vision tower's rotary frequencies. */
const THETA = 10_000;
const EPSILON = 1e-6;

/** A picture's patches, ordered by windows, as what the vision tower is fed with. */
export interface VisionFeeds {
  readonly [name: string]: Tensor;
  /** [patches, numbers of a patch] */
  readonly patches: Tensor;
  readonly cos: Tensor;
  readonly sin: Tensor;
  /** Added to the scores, so that patches attend in their window: [1, 1, patches, patches]. */
  readonly windows: Tensor;
}

/**
 * The patches [patches, numbers of a patch] of one picture as the tower is fed with them, and the place of each of its tokens in the
 * tower's order.
 */
export function visionFeeds(
  pixelValues: Tensor,
  [frames, rows, columns]: PatchGrid,
  { hiddenSize, numHeads, patchSize, spatialMergeSize: merge, windowSize }: QwenVisionConfig,
): { readonly feeds: VisionFeeds; readonly places: readonly number[] } {
  const [tokenRows, tokenColumns] = [rows / merge, columns / merge];
  const side = Math.max(1, Math.floor(windowSize / merge / patchSize));
  const windowsAcross = Math.ceil(tokenColumns / side);
  const windowsDown = Math.ceil(tokenRows / side);
  const tokens = Array.from({ length: frames * tokenRows * tokenColumns }, (_, index) => {
    const [frame, row, column] = [
      Math.floor(index / (tokenRows * tokenColumns)),
      Math.floor(index / tokenColumns) % tokenRows,
      index % tokenColumns,
    ];
    const window = (frame * windowsDown + Math.floor(row / side)) * windowsAcross + Math.floor(column / side);
    return { index, row, column, window };
  });
  // The sort is stable: in a window, tokens stay row by row.
  const ordered = tokens.toSorted((a, b) => a.window - b.window);
  const unit = merge * merge;
  const count = ordered.length * unit;
  const width = pixelValues.size / count;
  const patches = new Float32Array(count * width);
  const positions: number[][] = [];
  for (const [place, { index, row, column }] of ordered.entries()) {
    patches.set(pixelValues.data.subarray(index * unit * width, (index + 1) * unit * width), place * unit * width);
    for (let i = 0; i < unit; i++) positions.push([row * merge + Math.floor(i / merge), column * merge + (i % merge)]);
  }
  const half = hiddenSize / numHeads / 2;
  const { cos, sin } = rotaryTables(positions, { axes: [half, half], theta: THETA, isSingle: true });
  const windowOf = ordered.flatMap(({ window }) => Array.from({ length: unit }, () => window));
  const mask = new Float32Array(count * count);
  for (let i = 0; i < count; i++) for (let k = 0; k < count; k++) if (windowOf[i] !== windowOf[k]) mask[i * count + k] = LOWEST_SCORE;
  const places = new Array<number>(ordered.length);
  for (const [place, { index }] of ordered.entries()) places[index] = place;
  return { feeds: { patches: Tensor.from(patches, [count, width]), cos, sin, windows: Tensor.from(mask, [1, 1, count, count]) }, places };
}

/** The features of a picture's tokens [tokens, out_hidden_size], in the order of the windows (Bai et al. 2025). */
export async function visionTower(
  { patches, cos, sin, windows }: Readonly<Record<keyof VisionFeeds, Value>>,
  w: Scope,
  config: QwenVisionConfig,
): Promise<Value> {
  const { hiddenSize, inChannels, patchSize, temporalPatchSize, spatialMergeSize, outHiddenSize } = config;
  const kernel = [hiddenSize, inChannels, temporalPatchSize, patchSize, patchSize];
  const numbers = inChannels * temporalPatchSize * patchSize ** 2;
  // A convolution whose stride is its kernel is a product for each patch.
  const embedded = linearProduct(patches as Value, w.at("patch_embed", "proj").tensor("weight", kernel, [hiddenSize, numbers]));
  const [tokens = 0] = embedded.shape;
  let x = reshape(embedded, [1, tokens, hiddenSize]);
  for (let i = 0; i < config.depth; i++) {
    const block = w.at("blocks", i);
    const mask = config.fullattBlockIndexes.includes(i) ? undefined : (windows as Value);
    x = add(
      x,
      visionAttention(rmsNorm(x, block.at("norm1"), EPSILON), block.at("attn"), config, { cos: cos as Value, sin: sin as Value }, mask),
    );
    x = add(x, visionPerceptron(rmsNorm(x, block.at("norm2"), EPSILON), block.at("mlp"), config));
    await pageTurn();
  }
  const merged = spatialMergeSize ** 2 * hiddenSize;
  const squares = reshape(rmsNorm(x, w.at("merger", "ln_q"), EPSILON), [-1, merged]);
  return linear(gelu(linear(squares, w.at("merger", "mlp", 0), merged)), w.at("merger", "mlp", 2), outHiddenSize);
}

function visionAttention(
  x: Value,
  w: Scope,
  { hiddenSize: width, numHeads }: QwenVisionConfig,
  rotary: { readonly cos: Value; readonly sin: Value },
  mask: Value | undefined,
): Value {
  const [query, key, value] = [0, 1, 2].map((i) => linearRows(x, w.at("qkv"), 3 * width, [i * width, (i + 1) * width])) as [
    Value,
    Value,
    Value,
  ];
  const turned = (each: Value) => rotate(each, rotary, { interleaved: false });
  return linear(attention(turned(query), turned(key), value, numHeads, mask), w.at("proj"), width);
}

function visionPerceptron(x: Value, w: Scope, { hiddenSize, intermediateSize, hiddenAct }: QwenVisionConfig): Value {
  const gate = ACTIVATIONS[hiddenAct](linear(x, w.at("gate_proj"), intermediateSize));
  return linear(mul(gate, linear(x, w.at("up_proj"), intermediateSize)), w.at("down_proj"), hiddenSize);
}
