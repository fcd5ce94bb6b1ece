import * as v from "valibot";
import { blocks, count, countOrNone } from "../checkpoint/schema.js";
import { ArgumentError, ConfigError } from "../errors.js";
import type { Value } from "../graph/graph.js";
import { silu } from "../graph/ops/activations.js";
import { add, mul, scale } from "../graph/ops/elementwise.js";
import { type RotaryValues, rotate } from "../graph/ops/rotary.js";
import { concat, repeatBatch, reshape, slice, split } from "../graph/ops/shapes.js";
import type { Scope } from "../graph/scope.js";
import { linear, linearRows, plainLayerNorm } from "../layers/basic.js";
import { sinusoidalEmbedding, timestepEmbedding } from "../layers/embeddings.js";
import { attend, headNorm } from "../layers/heads.js";
import { gated, modulate, modulations } from "../layers/modulation.js";
import { rotaryTables } from "../layers/rotary.js";
import { checkOptions } from "../options/check-options.js";
import { type Fields, field, needed, tensor } from "../options/fields.js";
import { pageTurn } from "../page-turn.js";
import type { Folder } from "../platform/folder.js";
import { Tensor } from "../tensor/tensor.js";
import { expectShape } from "./expect-shape.js";
import { Model, type ModelOptions, openModel, type SingleFileModelOptions, singleFileModel } from "./model.js";
import { timestepFeed } from "./unet-encoder.js";

const schema = v.object({
  /** Latents along each side of a token; 1 by default: pipelines pack latents before. */
  patchSize: v.nullish(count, 1),
  /** Numbers of a token of latents; 128 by default. */
  inChannels: v.nullish(count, 128),
  /** Numbers of a token of the prediction; as many as of latents by default. */
  outChannels: v.nullish(count),
  /** Blocks with weights of their own for text and picture; 8 by default. */
  numLayers: v.nullish(countOrNone, 8),
  /** Blocks with the same weights for text and picture; 48 by default. */
  numSingleLayers: v.nullish(countOrNone, 48),
  /** Channels of an attention head; 128 by default. */
  attentionHeadDim: v.nullish(count, 128),
  /** Attention heads; 48 by default. */
  numAttentionHeads: v.nullish(count, 48),
  /** Width of the text's features; 15360 by default. */
  jointAttentionDim: v.nullish(count, 15360),
  /** Sines and cosines of the timestep and of the guidance; 256 by default. */
  timestepGuidanceChannels: v.nullish(count, 256),
  /** The hidden layer of each perceptron is this many times as wide as tokens; 3 by default. */
  mlpRatio: v.nullish(v.number(), 3),
  /** Channels of a head that are rotated by each number of a token's position; [32, 32, 32, 32] by default. */
  axesDimsRope: v.nullish(blocks(count), [32, 32, 32, 32]),
  /** The base of the rotary frequencies; 2000 by default. */
  ropeTheta: v.nullish(v.number(), 2000),
  /** Added to the variance in the norms; 1e-6 by default. */
  eps: v.nullish(v.number(), 1e-6),
  /** Whether the network takes the guidance scale as an input; true by default. */
  guidanceEmbeds: v.nullish(v.boolean(), true),
});

/** `config.json` of a Flux2Transformer2DModel, with diffusers' defaults. @interface */
export type Flux2Transformer2DConfig = v.InferOutput<typeof schema>;

/** The positions of tokens, one for each, with a number for each axis. */
export type TokenPositions = readonly (readonly number[])[];

/** What the network predicts for, beside noisy tokens and timestep. */
export interface Flux2Transformer2DInputs {
  /** The text's features [batch, tokens, joint_attention_dim]. */
  readonly encoderHiddenStates: Tensor;
  /** Positions of the picture's tokens: frame, row, column and 0. Pictures of a batch share them. */
  readonly imgIds: Tensor | TokenPositions;
  /** Positions of the text's tokens: three times 0, and the token's number. */
  readonly txtIds: Tensor | TokenPositions;
  /** The guidance scale, one number or one for each row, for networks with guidance_embeds. */
  readonly guidance?: number | Tensor | undefined;
}

const positionsField = field<Tensor | TokenPositions>(
  (value) => value instanceof Tensor || Array.isArray(value),
  "a Tensor [tokens, axes], or a list of lists of numbers",
);

const FIELDS: Fields<Flux2Transformer2DInputs> = {
  encoderHiddenStates: needed(tensor, "give encoderHiddenStates, the text's features"),
  imgIds: needed(positionsField, "give imgIds, the positions of the picture's tokens"),
  txtIds: needed(positionsField, "give txtIds, the positions of the text's tokens"),
  guidance: field<number | Tensor>((value) => typeof value === "number" || value instanceof Tensor, "a number or a Tensor"),
};

/** Timesteps and guidance are multiplied by it before they are embedded. */
const TIME_SCALE = 1000;

/**
 * The denoising network of FLUX.2 (Black Forest Labs 2025): a transformer over the tokens of text, picture and reference pictures. Matches
 * diffusers' Flux2Transformer2DModel.
 */
export class Flux2Transformer2DModel extends Model<Flux2Transformer2DConfig> {
  protected override readonly runsOften = true;

  /** @throws CheckpointError, ConfigError, DeviceError */
  static async fromPretrained(source: string | Folder, options: ModelOptions = {}): Promise<Flux2Transformer2DModel> {
    return new Flux2Transformer2DModel(await openModel("Flux2Transformer2DModel", schema, source, options, checkConfig));
  }

  /**
   * Opens the transformer of a single file, in its authors' layout (as ComfyUI has it) or with diffusers' names: a path, or a file on the
   * hub. It may hold a whole checkpoint. `config` is a folder or hub id whose config replaces the one that the shapes suggest.
   * @throws CheckpointError, ConfigError, DeviceError, HubError
   */
  static async fromSingleFile(path: string, options: SingleFileModelOptions = {}): Promise<Flux2Transformer2DModel> {
    return Flux2Transformer2DModel.fromPretrained(...(await singleFileModel(path, "transformer", options)));
  }

  /**
   * One prediction for tokens `hiddenStates` [batch, tokens, in_channels] of noisy latents, followed by those of reference pictures, at
   * `timestep`, 0 to 1, one number or one for each row. If `encoderHiddenStates` has n times the batch, as for guidance, it predicts for n
   * copies of the tokens, one whole batch after another.
   * @throws ArgumentError if a shape is wrong, or guidance is missing or not used by this network
   */
  async forward(
    hiddenStates: Tensor,
    timestep: number | Tensor,
    inputs: Flux2Transformer2DInputs,
  ): Promise<{
    /** The velocity [rows of the text's features, tokens, out_channels], of the reference pictures' tokens, too. */
    sample: Tensor;
  }> {
    const { inChannels, jointAttentionDim, axesDimsRope: axes, ropeTheta: theta, guidanceEmbeds } = this.config;
    const given = checkOptions<Flux2Transformer2DInputs>(inputs, FIELDS, { call: "Flux2Transformer2DModel.forward" });
    const { encoderHiddenStates, guidance } = given;
    expectShape("hiddenStates", hiddenStates, ["batch", "tokens", inChannels]);
    expectShape("encoderHiddenStates", encoderHiddenStates, ["batch", "tokens", jointAttentionDim]);
    const [batch = 0, tokens = 0] = hiddenStates.shape;
    const [rows = 0, words = 0] = encoderHiddenStates.shape;
    if (rows % batch !== 0) {
      throw new ArgumentError(`encoderHiddenStates have ${rows} rows for ${batch} pictures; expected as many, or a multiple`, {
        argument: "encoderHiddenStates",
      });
    }
    if (guidanceEmbeds !== (guidance !== undefined)) {
      throw new ArgumentError(
        guidanceEmbeds ? "this network needs guidance: it takes the scale as an input" : "this network takes no guidance",
        {
          argument: "guidance",
        },
      );
    }
    const positions = [
      ...positionsOf("txtIds", given.txtIds, words, axes.length),
      ...positionsOf("imgIds", given.imgIds, tokens, axes.length),
    ];
    const feeds = {
      hidden_states: hiddenStates,
      encoder_hidden_states: encoderHiddenStates,
      timestep: timestepFeed(timestep, rows),
      ...(guidance !== undefined && { guidance: timestepFeed(guidance, rows) }),
      ...rotaryTables(positions, { axes, theta }),
    };
    const { prediction } = await this.run("flux2", feeds, async (values, w) => ({
      prediction: await flux2(values as Flux2Values, w, this.config),
    }));
    return { sample: prediction };
  }
}

/** Positions of a call as lists. @throws ArgumentError unless there is one for each token */
function positionsOf(name: string, ids: Tensor | TokenPositions, tokens: number, axes: number): TokenPositions {
  const list = ids instanceof Tensor ? rowsOf(ids.shape.length === 3 ? ids.slice(0, 1).reshape(ids.shape.slice(1)) : ids) : ids;
  if (list.length === tokens && list.every((position) => position.length === axes)) return list;
  throw new ArgumentError(`${name} has ${list.length} positions; expected one of ${axes} numbers for each of ${tokens} tokens`, {
    argument: name,
  });
}

function rowsOf({ shape, data }: Tensor): number[][] {
  const [rows = 0, width = 0] = shape;
  return Array.from({ length: rows }, (_, row) => [...data.slice(row * width, (row + 1) * width)]);
}

/** @throws ConfigError for heads that the axes do not fill. */
function checkConfig(owner: string, { patchSize, axesDimsRope, attentionHeadDim }: Flux2Transformer2DConfig): void {
  if (patchSize !== 1) throw new ConfigError(`${owner}: patch_size is ${patchSize}; expected 1`);
  const width = axesDimsRope.reduce((sum, channels) => sum + channels, 0);
  if (width === attentionHeadDim && axesDimsRope.every((channels) => channels % 2 === 0)) return;
  throw new ConfigError(
    `${owner}: axes_dims_rope are ${JSON.stringify(axesDimsRope)}; expected even numbers whose sum is ${attentionHeadDim}, attention_head_dim`,
  );
}

interface Flux2Values {
  readonly hidden_states: Value;
  readonly encoder_hidden_states: Value;
  readonly timestep: Value;
  readonly guidance?: Value;
  readonly cos: Value;
  readonly sin: Value;
}

/** What all blocks of a run share. */
interface BlockOptions extends Pick<Flux2Transformer2DConfig, "mlpRatio" | "eps"> {
  readonly heads: number;
  readonly rotary: RotaryValues;
}

async function flux2(values: Flux2Values, w: Scope, config: Flux2Transformer2DConfig): Promise<Value> {
  const { numLayers, numSingleLayers, numAttentionHeads: heads, attentionHeadDim, mlpRatio, eps, inChannels } = config;
  const width = heads * attentionHeadDim;
  const [rows = 0, words = 0] = values.encoder_hidden_states.shape;
  const time = timeEmbedding(values, w.at("time_guidance_embed"), width, config.timestepGuidanceChannels);
  const modulation = (name: string, sets: number) => modulations(time, w.at(name, "linear"), width, 3 * sets);
  // All blocks of a kind have the same modulation.
  const [ofPicture, ofText] = [modulation("double_stream_modulation_img", 2), modulation("double_stream_modulation_txt", 2)];
  const ofBoth = modulation("single_stream_modulation", 1);
  const options = { heads, mlpRatio, eps, rotary: { cos: values.cos, sin: values.sin } };

  let picture = repeatBatch(linear(values.hidden_states, w.at("x_embedder"), width), rows);
  let text = linearRows(values.encoder_hidden_states, w.at("context_embedder"), width, [0, width], { isExact: true });
  for (let i = 0; i < numLayers; i++) {
    [text, picture] = doubleBlock(text, picture, ofText, ofPicture, w.at("transformer_blocks", i), options);
    await pageTurn();
  }
  let both = concat([text, picture], 1);
  for (let i = 0; i < numSingleLayers; i++) {
    both = singleBlock(both, ofBoth, w.at("single_transformer_blocks", i), options);
    await pageTurn();
  }

  const [gain, offset] = split(reshape(linear(silu(time), w.at("norm_out", "linear"), 2 * width), [-1, 1, 2 * width]), 2, 2) as [
    Value,
    Value,
  ];
  const last = modulate(plainLayerNorm(slice(both, 1, words, both.shape[1] ?? 0), eps), offset, gain);
  return linear(last, w.at("proj_out"), config.outChannels ?? inChannels);
}

/** The embedding [rows, width] of timesteps and, if there is one, of the guidance. */
function timeEmbedding({ timestep, guidance }: Flux2Values, w: Scope, width: number, waves: number): Value {
  const embedded = (value: Value, name: string) => {
    const sines = sinusoidalEmbedding(scale(value, TIME_SCALE), { width: waves, flipSinToCos: true, freqShift: 0 });
    return timestepEmbedding(sines, w.at(name), width);
  };
  const time = embedded(timestep, "timestep_embedder");
  return guidance ? add(time, embedded(guidance, "guidance_embedder")) : time;
}

/** A block with weights of their own for text and picture, which attend to each other. */
function doubleBlock(
  text: Value,
  picture: Value,
  ofText: readonly Value[],
  ofPicture: readonly Value[],
  w: Scope,
  { heads, mlpRatio, eps, rotary }: BlockOptions,
): [text: Value, picture: Value] {
  const [, words = 0, width = 0] = text.shape;
  const attention = w.at("attn");
  const normed = (x: Value, [shift, gain]: readonly Value[]) => modulate(plainLayerNorm(x, eps), shift as Value, gain as Value);
  const [words0, pixels0] = [normed(text, ofText), normed(picture, ofPicture)];
  const joined = (added: string, own: string) =>
    [linear(words0, attention.at(added), width), linear(pixels0, attention.at(own), width)] as const;
  const positioned = (kind: "q" | "k") => {
    const [first, second] = joined(`add_${kind}_proj`, `to_${kind}`);
    const parts: [Value, Value] = [
      headNorm(first, attention.at(`norm_added_${kind}`), heads, eps),
      headNorm(second, attention.at(`norm_${kind}`), heads, eps),
    ];
    return rotate(concat(parts, 1), rotary, { interleaved: true });
  };
  const attended = attend(positioned("q"), positioned("k"), concat([...joined("add_v_proj", "to_v")], 1), heads);
  const finished = (x: Value, result: Value, modulation: readonly Value[], perceptron: string) => {
    const h = gated(x, modulation[2] as Value, result);
    return gated(h, modulation[5] as Value, feedForward(normed(h, modulation.slice(3)), w.at(perceptron), mlpRatio));
  };
  const [ofWords, ofPixels] = [slice(attended, 1, 0, words), slice(attended, 1, words, attended.shape[1] ?? 0)];
  return [
    finished(text, linear(ofWords, attention.at("to_add_out"), width), ofText, "ff_context"),
    finished(picture, linear(ofPixels, attention.at("to_out", 0), width), ofPicture, "ff"),
  ];
}

/** A block with the same weights for text and picture, whose attention and perceptron run side by side (Dehghani et al. 2023, ViT-22B). */
function singleBlock(x: Value, [shift, gain, gate]: readonly Value[], w: Scope, { heads, mlpRatio, eps, rotary }: BlockOptions): Value {
  const [, , width = 0] = x.shape;
  const attention = w.at("attn");
  const inner = Math.trunc(width * mlpRatio);
  const normed = modulate(plainLayerNorm(x, eps), shift as Value, gain as Value);
  // The parts of one wide layer: queries, keys, values, and the two halves of the perceptron.
  const part = (start: number, end: number) => linearRows(normed, attention.at("to_qkv_mlp_proj"), 3 * width + 2 * inner, [start, end]);
  const positioned = (index: 0 | 1, norm: string) =>
    rotate(headNorm(part(index * width, (index + 1) * width), attention.at(norm), heads, eps), rotary, { interleaved: true });
  const attended = attend(positioned(0, "norm_q"), positioned(1, "norm_k"), part(2 * width, 3 * width), heads);
  const hidden = mul(silu(part(3 * width, 3 * width + inner)), part(3 * width + inner, 3 * width + 2 * inner));
  return gated(x, gate as Value, linear(concat([attended, hidden], 2), attention.at("to_out"), width));
}

/** A gated perceptron (SwiGLU, Shazeer 2020); the gate is the first half of the first layer. */
function feedForward(x: Value, w: Scope, ratio: number): Value {
  const [, , width = 0] = x.shape;
  const inner = Math.trunc(width * ratio);
  const half = (start: number) => linearRows(x, w.at("linear_in"), 2 * inner, [start, start + inner]);
  return linear(mul(silu(half(0)), half(inner)), w.at("linear_out"), width);
}
