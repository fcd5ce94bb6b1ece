import * as v from "valibot";
import { count, depth } from "../checkpoint/schema.js";
import { ArgumentError, ConfigError } from "../errors.js";
import { wrongArgument } from "../given.js";
import type { Value } from "../graph/graph.js";
import { type RotaryValues, rotate } from "../graph/ops/rotary.js";
import { concat, repeatBatch, reshape, slice, split } from "../graph/ops/shapes.js";
import type { Scope } from "../graph/scope.js";
import { linear, linearRows, plainLayerNorm, rmsNorm } from "../layers/basic.js";
import { sinusoidalEmbedding, timestepEmbedding } from "../layers/embeddings.js";
import { plainFeedForward } from "../layers/feed-forward.js";
import { attendWithin, headNorm, sequences } from "../layers/heads.js";
import { gated, modulate, modulations } from "../layers/modulation.js";
import { rotaryTables } from "../layers/rotary.js";
import { checkOptions } from "../options/check-options.js";
import { type Fields, field, instanceOf, isListOf, needed, tensor } from "../options/fields.js";
import type { Folder } from "../platform/folder.js";
import { gridPositions } from "../tensor/grid-positions.js";
import { concat as concatTensors, Tensor } from "../tensor/tensor.js";
import { expectShape } from "./expect-shape.js";
import { type BlockStack, FirstBlockCache, graphsWith, type RunPart, type TransformerPart, writePart } from "./first-block-cache.js";
import { Model, type ModelOptions, openModel, type SingleFileModelOptions, singleFileModel } from "./model.js";
import { timestepFeed } from "./unet-encoder.js";

const schema = v.object({
  /** Side of the squares of latents that are one token; 2 by default. */
  patchSize: v.nullish(count, 2),
  /** Numbers of a token, the channels of its square of latents; 64 by default. */
  inChannels: v.nullish(count, 64),
  /** Channels of latents that are predicted; 16 by default, and with null as many as `inChannels`. */
  outChannels: v.optional(v.nullable(count), 16),
  /** Blocks; 60 by default. */
  numLayers: v.nullish(depth, 60),
  /** Channels of a head; 128 by default. */
  attentionHeadDim: v.nullish(count, 128),
  /** Attention heads; 24 by default. */
  numAttentionHeads: v.nullish(count, 24),
  /** Width of the text's features; 3584 by default. */
  jointAttentionDim: v.nullish(count, 3584),
  /** Only false, the default: as in diffusers, guidance is not embedded. */
  guidanceEmbeds: v.nullish(v.literal(false), false),
  /** Channels of a head that are rotated by a token's frame, row and column; [16, 56, 56] by default. */
  axesDimsRope: v.nullish(v.tuple([count, count, count]), [16, 56, 56]),
  /** Reference pictures are modulated as at time 0, as they have no noise (Qwen-Image-Edit-2511); false by default. */
  zeroCondT: v.nullish(v.boolean(), false),
  /** Only false, the default: the condition of Qwen-Image-Layered. */
  useAdditionalTCond: v.nullish(v.literal(false), false),
  /** Only false, the default: the positions of Qwen-Image-Layered. */
  useLayer3dRope: v.nullish(v.literal(false), false),
});

/** `config.json` of a QwenImageTransformer2DModel, with diffusers' defaults. @interface */
export type QwenImageTransformer2DConfig = v.InferOutput<typeof schema>;

/** Frames, rows and columns of a picture's tokens. A token is a square of `patch_size` latents. */
export type ImageShape = readonly [frames: number, rows: number, columns: number];

/** What the network predicts for, beside noisy latents and time. */
export interface QwenImageTransformer2DInputs {
  /** Features of the texts [batch, text tokens, joint_attention_dim]. With n times the batch, it predicts for n copies of the latents. */
  readonly encoderHiddenStates: Tensor;
  /** 1 for tokens that belong to a text, and 0 for its padding, [batch, text tokens]. By default all belong to it. */
  readonly encoderHiddenStatesMask?: Tensor | Tensor<"int64"> | undefined;
  /** The tokens' pictures: the one that is made, then references. They are the same for the whole batch. */
  readonly imgShapes: readonly ImageShape[];
  /** The step cache of the run, if it has one. */
  readonly firstBlock?: FirstBlockCache | undefined;
}

const isShape = (value: unknown): value is ImageShape =>
  isListOf(value, (side) => Number.isInteger(side) && Number(side) >= 1) && (value as readonly unknown[]).length === 3;

const FIELDS: Fields<QwenImageTransformer2DInputs> = {
  encoderHiddenStates: needed(tensor, "give encoderHiddenStates, the text's features"),
  encoderHiddenStatesMask: field<Tensor | Tensor<"int64">>((value) => value instanceof Tensor, "a float32 or int64 Tensor"),
  imgShapes: needed(
    field<readonly ImageShape[]>(
      (value) => isListOf(value, isShape) && (value as readonly unknown[]).length > 0,
      "a list of [frames, rows, columns]",
    ),
    "give imgShapes, the frames, rows and columns of each picture's tokens",
  ),
  firstBlock: instanceOf(FirstBlockCache),
};

/** The base of the rotary frequencies. */
const THETA = 10000;
const EPSILON = 1e-6;
const TIME_WAVES = 256;
/** Times are from 0 to 1. */
const TIME_SCALE = 1000;

/**
 * The denoising network of Qwen-Image and Qwen-Image-Edit (Qwen Team 2025, arXiv:2508.02324): a transformer in which picture and text have
 * weights of their own and attend together. Matches diffusers' QwenImageTransformer2DModel.
 */
export class QwenImageTransformer2DModel extends Model<QwenImageTransformer2DConfig> {
  protected override readonly runsOften = true;
  /** It has a step cache. */
  readonly cachesFirstBlock = true;

  protected override get overflowsHalf(): boolean {
    return true;
  }

  /** @throws CheckpointError, ConfigError, DeviceError */
  static async fromPretrained(source: string | Folder, options: ModelOptions = {}): Promise<QwenImageTransformer2DModel> {
    return new QwenImageTransformer2DModel(await openModel("QwenImageTransformer2DModel", schema, source, options, checkConfig));
  }

  /**
   * Opens the transformer of a single `.safetensors` file: a path, or a file on the hub. The file holds it alone, with or without ComfyUI's
   * prefix `model.diffusion_model.`, or a whole checkpoint. `config` is a folder or hub id whose config replaces the one that the shapes
   * suggest.
   * @throws CheckpointError, ConfigError, DeviceError, HubError
   */
  static async fromSingleFile(path: string, options: SingleFileModelOptions = {}): Promise<QwenImageTransformer2DModel> {
    return QwenImageTransformer2DModel.fromPretrained(...(await singleFileModel(path, "transformer", options)));
  }

  /**
   * One prediction for tokens of noisy latents, and of reference pictures after them, `hiddenStates` [batch, tokens, in_channels], at the
   * times `timestep`, one number or one for each row: 0 for a picture, 1 for noise alone. Pictures with different times are computed one by
   * one. Padding of texts is left out, not computed and masked.
   * @throws ArgumentError if a shape is wrong
   */
  async forward(
    hiddenStates: Tensor,
    timestep: number | Tensor,
    inputs: QwenImageTransformer2DInputs,
  ): Promise<{
    /** The velocity towards noise [batch, tokens, patch_size ** 2 * out_channels], also for tokens of references. */
    sample: Tensor;
  }> {
    const given = checkOptions<QwenImageTransformer2DInputs>(inputs, FIELDS, { call: "QwenImageTransformer2DModel.forward" });
    const { encoderHiddenStates, imgShapes } = given;
    const tokens = imgShapes.reduce((sum, shape) => sum + sizeOf(shape), 0);
    expectShape("hiddenStates", hiddenStates, ["batch", tokens, this.config.inChannels]);
    expectShape("encoderHiddenStates", encoderHiddenStates, ["batch", "text tokens", this.config.jointAttentionDim]);
    const [[batch = 0], [rows = 0]] = [hiddenStates.shape, encoderHiddenStates.shape];
    if (rows % batch !== 0) {
      throw wrongArgument("encoderHiddenStates", `[${encoderHiddenStates.shape}]`, `as many rows as hiddenStates, ${batch}, or a multiple`);
    }
    const texts = textsOf(encoderHiddenStates, given.encoderHiddenStatesMask);
    const times = timestepFeed(timestep, rows);
    const isOneTime = times.data.every((time) => time === times.data[0]);
    if (isOneTime) return { sample: await this.predict(hiddenStates, times.slice(0, 1), texts, given) };
    const samples: Tensor[] = [];
    for (const [i, text] of texts.entries()) {
      const row = hiddenStates.slice(i % batch, (i % batch) + 1);
      samples.push(await this.predict(row, times.slice(i, i + 1), [text], { ...given, firstBlock: undefined }));
    }
    return { sample: concatTensors(samples) };
  }

  /** The prediction for pictures with the same time. */
  private async predict(
    pictures: Tensor,
    time: Tensor,
    texts: readonly Text[],
    { imgShapes, firstBlock }: QwenImageTransformer2DInputs,
  ): Promise<Tensor> {
    const own = { time, texts, imgShapes };
    if (!firstBlock) return (await this.runPart("whole", own, { pictures })).sample as Tensor;
    const run: RunPart = (part, given) => this.runPart(part, own, part === "head" ? { pictures } : given);
    return firstBlock.predict(texts.length / (pictures.shape[0] ?? 1), [run]);
  }

  private runPart(
    part: TransformerPart,
    { time, texts, imgShapes }: { readonly time: Tensor; readonly texts: readonly Text[]; readonly imgShapes: readonly ImageShape[] },
    given: Readonly<Record<string, Tensor>>,
  ) {
    const { axesDimsRope: axes } = this.config;
    const grids = imgShapes.flatMap(centredPositions);
    // A text's positions lie on the diagonal, beyond the largest picture.
    const first = Math.max(...imgShapes.flatMap(([, rows, columns]) => [Math.floor(rows / 2), Math.floor(columns / 2)]));
    const positions = texts.flatMap(({ places }) => [...places.map((place) => Array(3).fill(first + place)), ...grids]);
    const features = () =>
      concatTensors(
        texts.map(({ features }) => features),
        1,
      );
    const feeds = {
      ...given,
      time,
      ...((part === "whole" || part === "head") && { texts: features() }),
      ...rotaryTables(positions, { axes, theta: THETA }),
    };
    const lengths = texts.map(({ places }) => places.length);
    const tokens = imgShapes.reduce((sum, shape) => sum + sizeOf(shape), 0);
    const own = sizeOf(imgShapes[0] as ImageShape);
    return this.run(
      `qwen-image ${part}, texts of ${lengths}, ${own} tokens of the picture`,
      feeds,
      (values: Readonly<Record<string, Value>>, w) =>
        writePart(part, qwenImage(values as unknown as QwenImageValues, w, this.config, { lengths, own, tokens }), values),
      { takingTurns: graphsWith(part) },
    );
  }
}

/** @throws ConfigError for heads that the axes do not fill. */
function checkConfig(owner: string, { axesDimsRope, attentionHeadDim }: QwenImageTransformer2DConfig): void {
  const width = axesDimsRope.reduce((sum, channels) => sum + channels, 0);
  if (width === attentionHeadDim && axesDimsRope.every((channels) => channels % 2 === 0)) return;
  throw new ConfigError(
    `${owner}: axes_dims_rope is ${JSON.stringify(axesDimsRope)}; expected even numbers whose sum is ${attentionHeadDim}, the width of a head`,
  );
}

/** A text without its padding. */
interface Text {
  /** [1, tokens, features] */
  readonly features: Tensor;
  /** Where its tokens were among those with padding. */
  readonly places: readonly number[];
}

/** The texts without their padding. @throws ArgumentError if the mask has another shape or leaves nothing of a text. */
function textsOf(features: Tensor, mask: Tensor | Tensor<"int64"> | undefined): Text[] {
  const [rows = 0, tokens = 0, width = 0] = features.shape;
  if (mask) expectShape("encoderHiddenStatesMask", mask, [rows, tokens], ["float32", "int64"]);
  return Array.from({ length: rows }, (_, row) => {
    const all = Array.from({ length: tokens }, (_, place) => place);
    const places = all.filter((place) => !mask || Number(mask.data[row * tokens + place]) !== 0);
    if (places.length === 0) throw new ArgumentError(`encoderHiddenStatesMask leaves no token of text ${row}`);
    const one = features.slice(row, row + 1);
    if (places.length === tokens) return { features: one, places };
    const kept = new Float32Array(places.length * width);
    for (const [i, place] of places.entries()) kept.set(one.data.subarray(place * width, (place + 1) * width), i * width);
    return { features: Tensor.from(kept, [1, places.length, width]), places };
  });
}

function sizeOf([frames, rows, columns]: ImageShape): number {
  return frames * rows * columns;
}

/** Positions of a picture's tokens: rows and columns are counted from the middle, and its frames from its place among the pictures. */
function centredPositions([frames, rows, columns]: ImageShape, index: number): number[][] {
  const start = (side: number): number => Math.floor(side / 2) - side;
  return Array.from({ length: frames }, (_, frame) => gridPositions(rows, columns, index + frame, [start(rows), start(columns)])).flat();
}

interface QwenImageValues {
  readonly pictures: Value;
  readonly time: Value;
  readonly texts: Value;
  readonly cos: Value;
  readonly sin: Value;
}

/** The sequences of a batch. */
interface Sequences {
  /** Tokens of each text. */
  readonly lengths: readonly number[];
  /** Tokens of the picture that is made, which come before those of references. */
  readonly own: number;
}

/** Tokens of pictures [batch, tokens, width], and of all texts one after another [1, tokens, width]. */
interface Streams {
  readonly image: Value;
  readonly text: Value;
}

/** The network as a list of blocks, over pictures of so many tokens, with those of references. */
function qwenImage(
  values: QwenImageValues,
  w: Scope,
  config: QwenImageTransformer2DConfig,
  { tokens, ...sequences }: Sequences & { readonly tokens: number },
): BlockStack {
  const { patchSize, inChannels, outChannels, numLayers, attentionHeadDim, numAttentionHeads, zeroCondT } = config;
  const { cos, sin, time } = values;
  const width = numAttentionHeads * attentionHeadDim;
  const hasReferences = zeroCondT && sequences.own < tokens;
  const embedding = timeEmbedding(time, w.at("time_text_embed", "timestep_embedder"), width);
  const still = hasReferences
    ? timeEmbedding(time.graph.constant([0], [1]), w.at("time_text_embed", "timestep_embedder"), width)
    : undefined;
  const options = { heads: numAttentionHeads, embedding, still, rotary: { cos, sin }, ...sequences };
  return {
    start: () => {
      const features = rmsNorm(values.texts, w.at("txt_norm"), EPSILON);
      return {
        image: repeatBatch(linear(values.pictures, w.at("img_in"), width), sequences.lengths.length),
        text: linearRows(features, w.at("txt_in"), width, [0, width], { isExact: true }),
      };
    },
    blocks: Array.from({ length: numLayers }, (_, i) => (state) => ({
      ...block(state as unknown as Streams, w.at("transformer_blocks", i), options),
    })),
    image: ({ image }) => image as Value,
    finish: (image) => {
      const [scale, shift] = modulations(embedding, w.at("norm_out", "linear"), width, 2) as [Value, Value];
      const last = modulate(plainLayerNorm(image, EPSILON), shift, scale);
      return linear(last, w.at("proj_out"), patchSize ** 2 * (outChannels ?? inChannels));
    },
  };
}

function timeEmbedding(time: Value, w: Scope, width: number): Value {
  return timestepEmbedding(sinusoidalEmbedding(time, { width: TIME_WAVES, flipSinToCos: true, freqShift: 0, scale: TIME_SCALE }), w, width);
}

interface BlockOptions extends Sequences {
  readonly heads: number;
  /** The time's embedding [1, width]. */
  readonly embedding: Value;
  /** The embedding of time 0, if references are modulated by it. */
  readonly still: Value | undefined;
  /** Tables for each text, and its picture after it. */
  readonly rotary: RotaryValues;
}

/** A block in which picture and text attend together, each with its own weights. */
function block({ image, text }: Streams, w: Scope, options: BlockOptions): Streams {
  const { embedding, still, own } = options;
  const [, , width = 0] = image.shape;
  const vectors = (of: Value, stream: string) => modulations(of, w.at(`${stream}_mod`, 1), width, 6);
  const [ofImage, ofText] = [vectors(embedding, "img"), vectors(embedding, "txt")];
  const ofReferences = still && vectors(still, "img");
  // Vectors are used by turns: shift, scale and gate of attention, then those of the perceptron.
  const onImage = (x: readonly Value[], first: number, fn: (x: readonly Value[], ...vectors: [Value, Value, Value]) => Value): Value => {
    const three = (vectors: readonly Value[]) => vectors.slice(first, first + 3) as [Value, Value, Value];
    if (!ofReferences) return fn(x, ...three(ofImage));
    const [, tokens = 0] = image.shape;
    const part = (start: number, end: number) => x.map((each) => slice(each, 1, start, end));
    return concat([fn(part(0, own), ...three(ofImage)), fn(part(own, tokens), ...three(ofReferences))], 1);
  };
  const modulated = ([x]: readonly Value[], shift: Value, scale: Value) => modulate(x as Value, shift, scale);
  const added = ([x, branch]: readonly Value[], _shift: Value, _scale: Value, gate: Value) => gated(x as Value, gate, branch as Value);
  const onText = (x: readonly Value[], first: number, fn: typeof added) =>
    fn(x, ...(ofText.slice(first, first + 3) as [Value, Value, Value]));

  const attended = jointAttention(
    {
      image: onImage([plainLayerNorm(image, EPSILON)], 0, modulated),
      text: onText([plainLayerNorm(text, EPSILON)], 0, modulated),
    },
    w.at("attn"),
    options,
  );
  const perceptron = (x: Value, name: string) => plainFeedForward(x, w.at(name), "gelu_pytorch_tanh");
  const h = { image: onImage([image, attended.image], 0, added), text: onText([text, attended.text], 0, added) };
  const inImage = onImage([plainLayerNorm(h.image, EPSILON)], 3, modulated);
  const inText = onText([plainLayerNorm(h.text, EPSILON)], 3, modulated);
  return {
    image: onImage([h.image, perceptron(inImage, "img_mlp")], 3, added),
    text: onText([h.text, perceptron(inText, "txt_mlp")], 3, added),
  };
}

/** Each picture and its text attend to both. */
function jointAttention({ image, text }: Streams, w: Scope, { heads, rotary, lengths }: BlockOptions): Streams {
  const [batch = 0, tokens = 0, width = 0] = image.shape;
  const both = lengths.flatMap((length) => [length, tokens]);
  const joined = (ofText: Value, ofImage: Value): Value => {
    const pictures = split(reshape(ofImage, [1, batch * tokens, width]), 1, batch);
    return concat(sequences(ofText, lengths).flatMap((each, i) => [each, pictures[i] as Value]) as [Value, ...Value[]], 1);
  };
  const project = (name: string, added: string): [Value, Value] => [linear(text, w.at(added), width), linear(image, w.at(name), width)];
  const positioned = (name: "q" | "k"): Value => {
    const [ofText, ofImage] = project(`to_${name}`, `add_${name}_proj`);
    const normed = joined(
      headNorm(ofText, w.at(`norm_added_${name}`), heads, EPSILON),
      headNorm(ofImage, w.at(`norm_${name}`), heads, EPSILON),
    );
    return rotate(normed, rotary, { interleaved: true });
  };
  const value = joined(...project("to_v", "add_v_proj"));
  const attended = attendWithin(
    positioned("q"),
    positioned("k"),
    value,
    heads,
    lengths.map((length) => length + tokens),
  );
  const parts = sequences(attended, both);
  const every2nd = (parity: number) => concat(parts.filter((_, i) => i % 2 === parity) as [Value, ...Value[]], 1);
  return {
    image: linear(reshape(every2nd(1), image.shape), w.at("to_out", 0), width),
    text: linear(every2nd(0), w.at("to_add_out"), width),
  };
}
