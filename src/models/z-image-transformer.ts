import * as v from "valibot";
import { blocks, count, countOrNone, depth } from "../checkpoint/schema.js";
import { ConfigError } from "../errors.js";
import { wrongArgument } from "../given.js";
import type { Value } from "../graph/graph.js";
import { silu, tanh } from "../graph/ops/activations.js";
import { add, mul, scale, shift, sub } from "../graph/ops/elementwise.js";
import { type RotaryValues, rotate } from "../graph/ops/rotary.js";
import { concat, expand, repeatBatch, reshape, split, transpose } from "../graph/ops/shapes.js";
import type { Scope } from "../graph/scope.js";
import { linear, linearRows, plainLayerNorm, rmsNorm } from "../layers/basic.js";
import { sinusoidalEmbedding } from "../layers/embeddings.js";
import { attendWithin, headNorm, sequences } from "../layers/heads.js";
import { gated } from "../layers/modulation.js";
import { rotaryTables } from "../layers/rotary.js";
import { checkOptions } from "../options/check-options.js";
import { type Fields, field, isListOf, needed } from "../options/fields.js";
import { pageTurn } from "../page-turn.js";
import type { Folder } from "../platform/folder.js";
import { gridPositions } from "../tensor/grid-positions.js";
import { concat as concatTensors, Tensor } from "../tensor/tensor.js";
import { expectShape } from "./expect-shape.js";
import { Model, type ModelOptions, openModel, type SingleFileModelOptions, singleFileModel } from "./model.js";
import { timestepFeed } from "./unet-encoder.js";

const schema = v.object({
  /** Sides of the patches of latents that the network can read; [2] by default. Patches of 2 x 2 are read. */
  allPatchSize: v.nullish(blocks(count), [2]),
  /** Frames of these patches; [1] by default. */
  allFPatchSize: v.nullish(blocks(count), [1]),
  /** Channels of the latents; 16 by default. */
  inChannels: v.nullish(count, 16),
  /** Width of every token; 3840 by default. */
  dim: v.nullish(count, 3840),
  /** Blocks that text and picture go through together; 30 by default. */
  nLayers: v.nullish(depth, 30),
  /** Blocks that the picture, and blocks that the text goes through alone at first; 2 by default. */
  nRefinerLayers: v.nullish(countOrNone, 2),
  /** Attention heads; 30 by default. */
  nHeads: v.nullish(count, 30),
  /** Added to the mean square in the norms; 1e-5 by default. */
  normEps: v.nullish(v.number(), 1e-5),
  /** Norms of queries and keys; true by default. */
  qkNorm: v.nullish(v.boolean(), true),
  /** Width of the text's features; 2560 by default. */
  capFeatDim: v.nullish(count, 2560),
  /** Width of the features of pictures beside the text (Z-Image Omni); null, the default, for none. */
  siglipFeatDim: v.nullish(v.null("null, for a network without features of pictures")),
  /** The base of the rotary frequencies; 256 by default. */
  ropeTheta: v.nullish(v.number(), 256),
  /** Times, 0 to 1, are multiplied by it before they are embedded; 1000 by default. */
  tScale: v.nullish(v.number(), 1000),
  /** Channels of a head that are rotated by a token's frame, row and column; [32, 48, 48] by default. */
  axesDims: v.nullish(blocks(count), [32, 48, 48]),
});

/** `config.json` of a ZImageTransformer2DModel, with diffusers' defaults. @interface */
export type ZImageTransformer2DConfig = v.InferOutput<typeof schema>;

/** What the network predicts for, beside noisy latents and time. */
export interface ZImageTransformer2DInputs {
  /** Features of the texts [tokens, cap_feat_dim], one tensor for each picture; texts may have different lengths. */
  readonly capFeats: readonly Tensor[];
}

const FIELDS: Fields<ZImageTransformer2DInputs> = {
  capFeats: needed(
    field<readonly Tensor[]>((value) => isListOf(value, (each) => each instanceof Tensor), "a list of Tensors, one for each picture"),
    "give capFeats, the features of each picture's text",
  ),
};

/** Side of the patches of latents that become one token. */
const PATCH = 2;
/** Sequences of tokens are filled up to a multiple of this many. The fillings are learned, and all tokens attend to them. */
const FILLED_TO = 32;
/** Width of the time's embedding, unless tokens are narrower. */
const TIME_WIDTH = 256;
const TIME_WAVES = 256;
const TIME_HIDDEN = 1024;
/** diffusers' Attention has its own epsilon for the norms of queries and keys. */
const HEAD_EPSILON = 1e-5;
const FINAL_EPSILON = 1e-6;

/**
 * The denoising network of Z-Image (Z-Image Team 2025, arXiv:2511.22699): a transformer that text and picture go through as one sequence.
 * Matches diffusers' ZImageTransformer2DModel.
 */
export class ZImageTransformer2DModel extends Model<ZImageTransformer2DConfig> {
  protected override readonly runsOften = true;

  /** @throws CheckpointError, ConfigError, DeviceError */
  static async fromPretrained(source: string | Folder, options: ModelOptions = {}): Promise<ZImageTransformer2DModel> {
    return new ZImageTransformer2DModel(await openModel("ZImageTransformer2DModel", schema, source, options, checkConfig));
  }

  /**
   * Opens the transformer of a single file, in its authors' layout (as ComfyUI has it) or with diffusers' names: a path, or a file on the
   * hub. It may hold a whole checkpoint. `config` is a folder or hub id whose config replaces the one that the shapes suggest.
   * @throws CheckpointError, ConfigError, DeviceError, HubError
   */
  static async fromSingleFile(path: string, options: SingleFileModelOptions = {}): Promise<ZImageTransformer2DModel> {
    return ZImageTransformer2DModel.fromPretrained(...(await singleFileModel(path, "transformer", options)));
  }

  /**
   * One prediction for noisy latents `x` [batch, in_channels, height, width], or [batch, in_channels, 1, height, width], at the times `t`,
   * one number or one for each picture: 0 for noise alone, 1 for a picture. Both sides must be even. With n times as many texts as
   * pictures, as for guidance, it predicts for n copies of `x`, one whole batch after another. Pictures with different times are
   * computed one by one.
   * @throws ArgumentError if a shape is wrong
   */
  async forward(
    x: Tensor,
    t: number | Tensor,
    inputs: ZImageTransformer2DInputs,
  ): Promise<{
    /** The velocity towards the picture, of the shape of `x`, a row for each text. */
    sample: Tensor;
  }> {
    const { capFeats } = checkOptions<ZImageTransformer2DInputs>(inputs, FIELDS, { call: "ZImageTransformer2DModel.forward" });
    const { inChannels, capFeatDim } = this.config;
    const latents = x.shape.length === 5 && x.shape[2] === 1 ? x.reshape([...x.shape.slice(0, 2), ...x.shape.slice(3)]) : x;
    expectShape("x", latents, ["batch", inChannels, "height", "width"]);
    const [batch = 0, , height = 0, width = 0] = latents.shape;
    if (height % PATCH !== 0 || width % PATCH !== 0) throw wrongArgument("x", `[${x.shape}]`, "a tensor with even sides");
    if (capFeats.length % batch !== 0) {
      throw wrongArgument("capFeats", `a list of ${capFeats.length}`, `one text for each of ${batch} pictures, or a multiple of them`);
    }
    for (const [i, features] of capFeats.entries()) expectShape(`capFeats[${i}]`, features, ["tokens", capFeatDim]);
    const times = timestepFeed(t, capFeats.length);
    const isOneTime = times.data.every((time) => time === times.data[0]);
    const sample = isOneTime
      ? await this.predict(latents, times.slice(0, 1), capFeats)
      : concatTensors(
          await inTurn(capFeats, (features, i) =>
            this.predict(latents.slice(i % batch, (i % batch) + 1), times.slice(i, i + 1), [features]),
          ),
        );
    return { sample: sample.reshape([capFeats.length, ...x.shape.slice(1)]) };
  }

  /** The prediction for pictures with the same time. */
  private async predict(latents: Tensor, time: Tensor, capFeats: readonly Tensor[]): Promise<Tensor> {
    const [, , height = 0, width = 0] = latents.shape;
    const [rows, columns] = [height / PATCH, width / PATCH];
    const lengths = capFeats.map(({ shape }) => filled(shape[0] ?? 0));
    const { axesDims: axes, ropeTheta: theta } = this.config;
    const positions = lengths.flatMap((length) => [
      ...gridPositions(rows, columns, length + 1),
      ...Array.from({ length: filled(rows * columns) - rows * columns }, () => [0, 0, 0]),
      ...Array.from({ length }, (_, i) => [i + 1, 0, 0]),
    ]);
    const feeds = { latents, time, ...captionFeeds(capFeats, lengths), ...rotaryTables(positions, { axes, theta }) };
    const { prediction } = await this.run(`z-image, texts of ${lengths}`, feeds, async (values, w) => ({
      prediction: await zImage(values, w, this.config, lengths),
    }));
    return prediction;
  }
}

/** The number of tokens of a sequence of `length` that is filled up. */
function filled(length: number): number {
  return Math.ceil(length / FILLED_TO) * FILLED_TO;
}

/**
 * The texts' features one after another, each filled up to its length, and a mask that is 1 where a learned filling takes the place: so
 * texts of similar lengths share a graph.
 */
function captionFeeds(capFeats: readonly Tensor[], lengths: readonly number[]): { captions: Tensor; fillings: Tensor } {
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const width = capFeats[0]?.shape[1] ?? 0;
  const [captions, fillings] = [new Float32Array(total * width), new Float32Array(total)];
  let start = 0;
  for (const [i, { data, shape }] of capFeats.entries()) {
    captions.set(data, start * width);
    fillings.fill(1, start + (shape[0] ?? 0), start + (lengths[i] ?? 0));
    start += lengths[i] ?? 0;
  }
  return { captions: Tensor.from(captions, [1, total, width]), fillings: Tensor.from(fillings, [1, total, 1]) };
}

async function inTurn<Item, Result>(items: readonly Item[], fn: (item: Item, index: number) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = [];
  for (const [i, item] of items.entries()) results.push(await fn(item, i));
  return results;
}

/** @throws ConfigError for patches of another size, or heads that the axes do not fill. */
function checkConfig(owner: string, { allPatchSize, allFPatchSize, dim, nHeads, axesDims }: ZImageTransformer2DConfig): void {
  if (!allPatchSize.some((side, i) => side === PATCH && allFPatchSize[i] === 1)) {
    throw new ConfigError(`${owner}: all_patch_size is ${JSON.stringify(allPatchSize)}; expected a ${PATCH} among them, with 1 frame`);
  }
  const width = axesDims.reduce((sum, channels) => sum + channels, 0);
  if (width * nHeads !== dim || axesDims.some((channels) => channels % 2 !== 0))
    throw new ConfigError(
      `${owner}: axes_dims are ${JSON.stringify(axesDims)}; expected even numbers whose sum is ${dim / nHeads}, the width of a head`,
    );
}

interface ZImageValues {
  readonly latents: Value;
  readonly time: Value;
  readonly captions: Value;
  readonly fillings: Value;
  readonly cos: Value;
  readonly sin: Value;
}

/** Several sequences one after another, and the rotary embedding of their tokens. */
interface Sequences {
  readonly lengths: readonly number[];
  readonly rotary: RotaryValues;
}

/** The network's graph, for texts that are filled up to these lengths. */
async function zImage(values: ZImageValues, w: Scope, config: ZImageTransformer2DConfig, lengths: readonly number[]): Promise<Value> {
  const { inChannels, dim, nLayers, nRefinerLayers, tScale } = config;
  const [, , height = 0, width = 0] = values.latents.shape;
  const tokens = (height / PATCH) * (width / PATCH);
  const pictures = lengths.map(() => filled(tokens));
  const both = lengths.flatMap((length, i) => [pictures[i] as number, length]);
  const tables = [values.cos, values.sin].map((table) => sequences(table, both, 0));
  const joined = (parity: number) => tables.map((parts) => concat(every2nd(parts, parity), 0)) as [Value, Value];
  const rotaryOf = ([cos, sin]: readonly [Value, Value]): RotaryValues => ({ cos, sin });

  const time = timeEmbedding(scale(values.time, tScale), w.at("t_embedder", "mlp"), Math.min(dim, TIME_WIDTH));
  let picture = pictureTokens(values.latents, w, config, lengths.length);
  const alone = { lengths: pictures, rotary: rotaryOf(joined(0)) };
  for (let i = 0; i < nRefinerLayers; i++) picture = block(picture, w.at("noise_refiner", i), config, alone, time);

  let text = captionTokens(values.captions, values.fillings, w, config);
  const texts = { lengths, rotary: rotaryOf(joined(1)) };
  for (let i = 0; i < nRefinerLayers; i++) text = block(text, w.at("context_refiner", i), config, texts);

  const captions = sequences(text, lengths);
  let h = concat(sequences(picture, pictures).flatMap((each, i) => [each, captions[i] as Value]) as [Value, ...Value[]], 1);
  const unified = { lengths: lengths.map((length) => filled(tokens) + length), rotary: { cos: values.cos, sin: values.sin } };
  for (let i = 0; i < nLayers; i++) {
    h = block(h, w.at("layers", i), config, unified, time);
    await pageTurn();
  }

  const rest = both.flatMap((length, i) => (i % 2 === 0 ? [tokens, length - tokens] : [length])).filter((length) => length > 0);
  const perPicture = rest.length / lengths.length;
  const results = sequences(h, rest).filter((_, i) => i % perPicture === 0);
  const last = finalLayer(concat(results as [Value, ...Value[]], 1), w.at("all_final_layer", `${PATCH}-1`), inChannels * PATCH ** 2, time);
  return unpatchify(last, [lengths.length, inChannels, height, width]);
}

function every2nd(values: readonly Value[], parity: number): [Value, ...Value[]] {
  return values.filter((_, i) => i % 2 === parity) as [Value, ...Value[]];
}

/** The embedding [1, width] of a time. */
function timeEmbedding(time: Value, w: Scope, width: number): Value {
  const waves = sinusoidalEmbedding(time, { width: TIME_WAVES, flipSinToCos: true, freqShift: 0 });
  return linear(silu(linear(waves, w.at(0), TIME_HIDDEN)), w.at(2), width);
}

/** The tokens [1, rows * tokens, dim] of latents, repeated for `rows` texts, each picture filled up. */
function pictureTokens(latents: Value, w: Scope, { inChannels, dim }: ZImageTransformer2DConfig, rows: number): Value {
  const [batch = 0, , height = 0, width = 0] = latents.shape;
  const squares = reshape(latents, [batch, inChannels, height / PATCH, PATCH, width / PATCH, PATCH]);
  const patches = reshape(transpose(squares, [0, 2, 4, 3, 5, 1]), [batch, -1, PATCH * PATCH * inChannels]);
  const tokens = repeatBatch(linear(patches, w.at("all_x_embedder", `${PATCH}-1`), dim), rows);
  const [, length = 0] = tokens.shape;
  const missing = filled(length) - length;
  const filling = () => expand(w.tensor("x_pad_token", [1, dim], [1, 1, dim]), [rows, missing, dim]);
  return reshape(missing > 0 ? concat([tokens, filling()], 1) : tokens, [1, -1, dim]);
}

/** The tokens [1, tokens, dim] of texts' features, with the learned filling where `fillings` is 1. */
function captionTokens(captions: Value, fillings: Value, w: Scope, { dim, normEps }: ZImageTransformer2DConfig): Value {
  const normed = rmsNorm(captions, w.at("cap_embedder", 0), normEps);
  const embedded = linearRows(normed, w.at("cap_embedder", 1), dim, [0, dim], { isExact: true });
  return add(embedded, mul(fillings, sub(w.tensor("cap_pad_token", [1, dim], [1, 1, dim]), embedded)));
}

/** A block of attention and perceptron, each between two norms. With a time's embedding [1, width], it is modulated. */
function block(x: Value, w: Scope, { nHeads, normEps, qkNorm }: ZImageTransformer2DConfig, sequence: Sequences, time?: Value): Value {
  const [, , dim = 0] = x.shape;
  const modulation = time && split(reshape(linear(time, w.at("adaLN_modulation", 0), 4 * dim), [1, 1, 4 * dim]), 2, 4);
  const [scaleAttention, gateAttention, scalePerceptron, gatePerceptron] = modulation ?? [];
  const branch = (x: Value, name: string, inner: (x: Value) => Value, gain: Value | undefined, gate: Value | undefined) => {
    const normed = rmsNorm(x, w.at(`${name}1`), normEps);
    const result = rmsNorm(inner(gain ? mul(normed, shift(gain, 1)) : normed), w.at(`${name}2`), normEps);
    return gate ? gated(x, tanh(gate), result) : add(x, result);
  };
  const attended = (x: Value) => selfAttention(x, w.at("attention"), { heads: nHeads, hasNorms: qkNorm, ...sequence });
  const h = branch(x, "attention_norm", attended, scaleAttention, gateAttention);
  return branch(h, "ffn_norm", (x) => perceptron(x, w.at("feed_forward")), scalePerceptron, gatePerceptron);
}

interface SelfAttentionOptions extends Sequences {
  readonly heads: number;
  readonly hasNorms: boolean;
}

function selfAttention(x: Value, w: Scope, { heads, hasNorms, lengths, rotary }: SelfAttentionOptions): Value {
  const [, , dim = 0] = x.shape;
  const project = (name: string) => linear(x, w.at(`to_${name}`), dim);
  const positioned = (name: string) => {
    const projected = project(name);
    return rotate(hasNorms ? headNorm(projected, w.at(`norm_${name}`), heads, HEAD_EPSILON) : projected, rotary, { interleaved: true });
  };
  return linear(attendWithin(positioned("q"), positioned("k"), project("v"), heads, lengths), w.at("to_out", 0), dim);
}

/** A gated perceptron (SwiGLU, Shazeer 2020) whose hidden layer is 8/3 as wide. */
function perceptron(x: Value, w: Scope): Value {
  const [, , dim = 0] = x.shape;
  const hidden = Math.trunc((dim / 3) * 8);
  return linear(mul(silu(linear(x, w.at("w1"), hidden)), linear(x, w.at("w3"), hidden)), w.at("w2"), dim);
}

function finalLayer(x: Value, w: Scope, width: number, time: Value): Value {
  const [, , dim = 0] = x.shape;
  const gain = reshape(linear(silu(time), w.at("adaLN_modulation", 1), dim), [1, 1, dim]);
  return linear(mul(plainLayerNorm(x, FINAL_EPSILON), shift(gain, 1)), w.at("linear"), width);
}

/** Tokens [1, pictures * tokens, patch * channels] as pictures of this shape. */
function unpatchify(x: Value, [batch, channels, height, width]: readonly [number, number, number, number]): Value {
  const patches = reshape(x, [batch, height / PATCH, width / PATCH, PATCH, PATCH, channels]);
  return reshape(transpose(patches, [0, 5, 1, 3, 2, 4]), [batch, channels, height, width]);
}
