import type { Value } from "../graph/graph.js";
import { attention } from "../graph/ops/attention.js";
import { add, addBatches, cos, log, mul, scale, sin } from "../graph/ops/elementwise.js";
import { spatialMean } from "../graph/ops/resampling.js";
import { concat, gather, reshape, transpose } from "../graph/ops/shapes.js";
import type { Scope } from "../graph/scope.js";
import { ACTIVATIONS, type Activation, layerNorm, linear } from "./basic.js";

/** How timesteps become sines and cosines. */
export interface SinusoidOptions {
  /** Width of the embedding. */
  readonly width: number;
  /** Whether cosines come first, then sines. */
  readonly flipSinToCos: boolean;
  readonly freqShift: number;
  /** Angles are multiplied by it; 1 by default. */
  readonly scale?: number;
}

/**
 * Sinusoidal embedding of timesteps [n] to [n, width] (Ho et al. 2020, after Vaswani et al. 2017). Matches diffusers'
 * get_timestep_embedding.
 */
export function sinusoidalEmbedding(timesteps: Value, { width, flipSinToCos, freqShift, scale: factor = 1 }: SinusoidOptions): Value {
  const half = Math.floor(width / 2);
  // torch computes the frequencies in float32. At timestep 999 their last bit changes the fourth decimal of the wave.
  const frequencies = Array.from({ length: half }, (_, i) => {
    const exponent = Math.fround(Math.fround(Math.fround(-Math.log(10000)) * i) / (half - freqShift));
    return Math.fround(Math.exp(exponent));
  });
  const angles = scale(mul(reshape(timesteps, [-1, 1]), timesteps.graph.constant(frequencies, [1, half])), factor);
  const waves: [Value, Value] = flipSinToCos ? [cos(angles), sin(angles)] : [sin(angles), cos(angles)];
  if (width % 2 === 0) return concat(waves, 1);
  const rows = angles.shape[0] ?? 1;
  return concat([...waves, timesteps.graph.constant(new Float32Array(rows), [rows, 1])], 1);
}

/**
 * Two linear layers with an activation between them: diffusers' TimestepEmbedding. `condition`, projected by `cond_proj`, is added to the
 * input.
 */
export function timestepEmbedding(x: Value, w: Scope, width: number, activation: Activation = "silu", condition?: Value): Value {
  const input = condition ? add(x, linear(condition, w.at("cond_proj"), x.shape.at(-1) ?? 0)) : x;
  const hidden = ACTIVATIONS[activation](linear(input, w.at("linear_1"), width));
  return linear(hidden, w.at("linear_2"), width);
}

/**
 * A text's features [batch, tokens, features] pooled to [batch, width]: a token that is their mean attends to them all. Matches diffusers'
 * TextTimeEmbedding.
 */
export function pooledTextEmbedding(context: Value, w: Scope, width: number, heads: number): Value {
  const [batch = 1, tokens = 0, features = 0] = context.shape;
  const normed = layerNorm(context, w.at("norm1"));
  const pool = w.at("pool");
  const mean = reshape(spatialMean(reshape(transpose(normed, [0, 2, 1]), [batch, features, tokens, 1])), [batch, 1, features]);
  const first = add(mean, pool.tensor("positional_embedding", [1, features], [1, 1, features]));
  const all = concat([first, normed], 1);
  const project = (x: Value, name: string) => linear(x, pool.at(name), features);
  const pooled = attention(project(first, "q_proj"), project(all, "k_proj"), project(all, "v_proj"), heads);
  return layerNorm(linear(reshape(pooled, [batch, features]), w.at("proj"), width), w.at("norm2"));
}

/** The timestep, the guidance scale if a network was distilled with it, and the pooled features of a text, each [1 or batch, ...]. */
export interface TimestepTextValues {
  readonly timestep: Value;
  readonly guidance?: Value | undefined;
  readonly pooled: Value;
}

/** Sines and cosines of a timestep in transformers. */
const TIMESTEP_WAVES: SinusoidOptions = { width: 256, flipSinToCos: true, freqShift: 0 };

/** One vector [batch, width] for all of them. Matches diffusers' CombinedTimestep(Guidance)TextProjEmbeddings. */
export function timestepTextEmbedding({ timestep, guidance, pooled }: TimestepTextValues, w: Scope, width: number): Value {
  const ofNumber = (x: Value, name: string) => timestepEmbedding(sinusoidalEmbedding(x, TIMESTEP_WAVES), w.at(name), width);
  const time = ofNumber(timestep, "timestep_embedder");
  const numbers = guidance ? addBatches(time, ofNumber(guidance, "guidance_embedder")) : time;
  return addBatches(numbers, timestepEmbedding(pooled, w.at("text_embedder"), width));
}

/** How class labels are embedded. */
export interface ClassEmbeddingOptions {
  /** undefined or null: a table with `classes` vectors. */
  readonly type: "timestep" | "identity" | "projection" | "simple_projection" | null | undefined;
  readonly classes: number | null | undefined;
  /** Width of the time embedding. */
  readonly width: number;
  /** The sines and cosines of a label, for a label that is embedded like a timestep. */
  readonly toWaves: (labels: Value) => Value;
  /** The activation in that embedding. */
  readonly activation?: Activation;
}

/** The vectors [batch, width] for class labels [batch] or class features [batch, features], which are added to the time embedding. */
export function classEmbedding(labels: Value, w: Scope, { type, classes, width, toWaves, activation }: ClassEmbeddingOptions): Value {
  if (type === "timestep") return timestepEmbedding(toWaves(labels), w, width, activation);
  if (type === "projection") return timestepEmbedding(labels, w, width);
  if (type === "simple_projection") return linear(labels, w, width);
  if (type === "identity") return labels;
  return gather(w.tensor("weight", [classes ?? 0, width]), labels);
}

/**
 * Sines, then cosines, [n, 2 * width] of the logarithms of noise levels [n], at random frequencies that the checkpoint has (Tancik et al.
 * 2020; Song et al. 2021). Other networks take the numbers as they are, or put cosines first. Matches diffusers' GaussianFourierProjection.
 */
export function fourierEmbedding(
  levels: Value,
  w: Scope,
  width: number,
  { ofLogarithm = true, flipSinToCos = false }: { readonly ofLogarithm?: boolean; readonly flipSinToCos?: boolean } = {},
): Value {
  const numbers = reshape(ofLogarithm ? log(levels) : levels, [-1, 1]);
  const angles = scale(mul(numbers, w.tensor("weight", [width], [1, width], "float32")), 2 * Math.PI);
  return concat(flipSinToCos ? [cos(angles), sin(angles)] : [sin(angles), cos(angles)], 1);
}
