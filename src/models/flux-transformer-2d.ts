import * as v from "valibot";
import { count, countOrNone, depth } from "../checkpoint/schema.js";
import { ArgumentError, ConfigError } from "../errors.js";
import type { Value } from "../graph/graph.js";
import { scale } from "../graph/ops/elementwise.js";
import type { RotaryValues } from "../graph/ops/rotary.js";
import { concat, slice } from "../graph/ops/shapes.js";
import type { Scope } from "../graph/scope.js";
import { linear, plainLayerNorm } from "../layers/basic.js";
import { timestepTextEmbedding } from "../layers/embeddings.js";
import { jointBlock, NORM_EPSILON, parallelBlock, type Streams } from "../layers/joint-attention.js";
import { modulate, modulations } from "../layers/modulation.js";
import { checkOptions } from "../options/check-options.js";
import { type Fields, field, instanceOf, needed, tensor } from "../options/fields.js";
import type { Folder } from "../platform/folder.js";
import { Tensor } from "../tensor/tensor.js";
import { expectShape } from "./expect-shape.js";
import {
  type BlockStack,
  type BlockState,
  FirstBlockCache,
  graphsWith,
  type RunPart,
  type TransformerPart,
  writePart,
} from "./first-block-cache.js";
import { Model, type ModelOptions, openModel, type SingleFileModelOptions, singleFileModel } from "./model.js";
import { RotaryFeeds } from "./rotary-feeds.js";
import { repeatRows, rowByRow, rowsOf } from "./row-by-row.js";
import { timestepFeed } from "./unet-encoder.js";

/** The fields of {@link FluxTransformer2DModel} and its kin. */
export const fluxFields = {
  /** Side of the square of outputs for each token; 1 by default. */
  patchSize: v.nullish(count, 1),
  /** Numbers of a token of packed latents; 64 by default. */
  inChannels: v.nullish(count, 64),
  /** Numbers that are predicted for a token; as many as `inChannels` by default. */
  outChannels: v.nullish(count),
  /** Blocks in which picture and text have weights of their own; 19 by default. */
  numLayers: v.nullish(depth, 19),
  /** Blocks over all tokens together; 38 by default. */
  numSingleLayers: v.nullish(countOrNone, 38),
  /** Channels of an attention head; 128 by default. */
  attentionHeadDim: v.nullish(count, 128),
  /** Attention heads; 24 by default. */
  numAttentionHeads: v.nullish(count, 24),
  /** Width of the text encoder's features; 4096 by default. */
  jointAttentionDim: v.nullish(count, 4096),
  /** Channels of a head for each number of a position: [picture, row, column]; [16, 56, 56] by default. */
  axesDimsRope: v.nullish(v.pipe(v.array(count), v.maxLength(8, "at most 8 axes")), [16, 56, 56]),
};

const schema = v.object({
  ...fluxFields,
  /** Width of the pooled text features; 768 by default. */
  pooledProjectionDim: v.nullish(count, 768),
  /** Whether the guidance scale is an input (FLUX.1 dev); false by default. */
  guidanceEmbeds: v.nullish(v.boolean(), false),
});

/** `config.json` of a FluxTransformer2DModel, with diffusers' defaults. @interface */
export type FluxTransformer2DConfig = v.InferOutput<typeof schema>;

/** Config fields of transformers whose heads are rotated by positions with several axes. */
interface RotaryConfig {
  readonly attentionHeadDim: number;
  readonly axesDimsRope: readonly number[];
}

/** @throws ConfigError unless the axes are even and fill a head. */
export function checkRotaryAxes(owner: string, { attentionHeadDim, axesDimsRope }: RotaryConfig): void {
  const sum = axesDimsRope.reduce((total, axis) => total + axis, 0);
  if (sum === attentionHeadDim && axesDimsRope.every((axis) => axis % 2 === 0)) return;
  throw new ConfigError(
    `${owner}: axes_dims_rope is [${axesDimsRope.join(", ")}]; expected even numbers with the sum attention_head_dim, ${attentionHeadDim}`,
  );
}

/** What {@link FluxTransformer2DModel} and its kin take besides the tokens and the timestep. */
export interface FluxTokenInputs {
  /** The text's features [batch, tokens, joint_attention_dim], from T5. */
  readonly encoderHiddenStates: Tensor;
  /** Positions of the picture's tokens [tokens, axes]: picture, row, column. */
  readonly imgIds: Tensor;
  /** Positions of the text's tokens [tokens, axes], zeros in FLUX.1. */
  readonly txtIds: Tensor;
  /** The step cache of the run, if it has one. */
  readonly firstBlock?: FirstBlockCache | undefined;
}

/** The conditions of a prediction. */
export interface FluxTransformer2DInputs extends FluxTokenInputs {
  /** Pooled features of the text [batch, pooled_projection_dim], from CLIP, a row for each text. */
  readonly pooledProjections: Tensor;
  /** The guidance scale, one number or one per text, if `guidance_embeds` is set. */
  readonly guidance?: number | Tensor | undefined;
}

/** A transformer's prediction. */
export interface TransformerOutput {
  /** The velocity, from picture to noise, in the shape of the latents or packed latents. */
  readonly sample: Tensor;
}

export const FLUX_TOKEN_FIELDS: Fields<FluxTokenInputs> = {
  encoderHiddenStates: needed(tensor, "the features of the text"),
  imgIds: needed(tensor, "the positions of the picture's tokens"),
  txtIds: needed(tensor, "the positions of the text's tokens"),
  firstBlock: instanceOf(FirstBlockCache),
};

const FIELDS: Fields<FluxTransformer2DInputs> = {
  ...FLUX_TOKEN_FIELDS,
  pooledProjections: needed(tensor, "the pooled features of the text"),
  guidance: field<number | Tensor>(
    (value) => Number.isFinite(value) || (value instanceof Tensor && value.dtype === "float32"),
    "a finite number, or a float32 Tensor with one for each picture",
  ),
};

/** The base of the rotary frequencies. */
export const FLUX_THETA = 10_000;

/**
 * The denoising network of FLUX.1 (Black Forest Labs 2024): a rectified-flow transformer over the tokens of picture and text. Matches
 * diffusers' FluxTransformer2DModel.
 */
export class FluxTransformer2DModel extends Model<FluxTransformer2DConfig> {
  protected override readonly runsOften = true;
  /** It has a step cache. */
  readonly cachesFirstBlock = true;
  private readonly rotary = new RotaryFeeds({ axes: this.config.axesDimsRope, theta: FLUX_THETA });

  /** @throws CheckpointError, ConfigError, DeviceError */
  static async fromPretrained(source: string | Folder, options: ModelOptions = {}): Promise<FluxTransformer2DModel> {
    return new FluxTransformer2DModel(await openModel("FluxTransformer2DModel", schema, source, options, checkRotaryAxes));
  }

  /**
   * Opens the transformer of a single `.safetensors` file: a path, or the address of a file on the hub. `config` is a folder or hub id
   * whose config replaces the one that the file suggests.
   * @throws CheckpointError, ConfigError, DeviceError, HubError
   */
  static async fromSingleFile(path: string, options: SingleFileModelOptions = {}): Promise<FluxTransformer2DModel> {
    return FluxTransformer2DModel.fromPretrained(...(await singleFileModel(path, "transformer", options)));
  }

  /**
   * One prediction for packed latents `hiddenStates` [batch, tokens, in_channels] at `timestep`, from 0 (picture) to 1 (noise): one number
   * or one per text. If `encoderHiddenStates` has n times the batch, as with classifier-free guidance, it predicts for n copies of them.
   * @throws ArgumentError if a shape is wrong, or `guidance` is missing or not used by this network.
   */
  async forward(hiddenStates: Tensor, timestep: number | Tensor, given: FluxTransformer2DInputs): Promise<TransformerOutput> {
    const { config } = this;
    const inputs = checkOptions(given, FIELDS, { call: "FluxTransformer2DModel.forward" });
    const [rows = 0] = inputs.encoderHiddenStates.shape;
    if (config.guidanceEmbeds !== (inputs.guidance !== undefined)) {
      throw new ArgumentError(
        config.guidanceEmbeds
          ? "this FluxTransformer2DModel needs guidance: it was distilled with the guidance scale as an input"
          : "this FluxTransformer2DModel takes no guidance; its guidance_embeds is false",
        { argument: "guidance" },
      );
    }
    expectShape("pooledProjections", inputs.pooledProjections, [rows, config.pooledProjectionDim]);
    const { tokens, rotary } = fluxTokenFeeds(hiddenStates, timestep, inputs, config, this.rotary);
    const feeds = {
      ...tokens,
      pooled_projections: inputs.pooledProjections,
      ...(inputs.guidance !== undefined && { guidance: timestepFeed(inputs.guidance, rows) }),
    };
    const run = (part: TransformerPart, own: Readonly<Record<string, Tensor>>) =>
      this.run(
        part,
        own,
        (values, w) => writePart(part, fluxBlocks(values as Partial<FluxValues>, tokensOf(hiddenStates), w, config), values),
        { takingTurns: graphsWith(part) },
      );
    return {
      sample: await predictRows({ feeds, shared: rotary }, hiddenStates.shape[0] ?? 1, { ...inputs, oneByOne: this.savesMemory }, run),
    };
  }
}

/** How many tokens a batch of pictures has. */
export function tokensOf({ shape }: Tensor): number {
  return shape[1] ?? 0;
}

/** Runs a part of the network. */
type RunWith = (part: TransformerPart, feeds: Readonly<Record<string, Tensor>>) => ReturnType<RunPart>;

/** Feeds that only the part before the first block's end takes. */
const OF_HEAD = ["hidden_states", "encoder_hidden_states"];

/**
 * The predictions for `feeds`, which have a row for each text, in as many batches as there are texts for each of `batch` pictures. `shared`
 * are the same for all rows.
 */
export async function predictRows(
  { feeds, shared }: { readonly feeds: Readonly<Record<string, Tensor>>; readonly shared: Readonly<Record<string, Tensor>> },
  batch: number,
  { firstBlock, oneByOne }: { readonly firstBlock?: FirstBlockCache | undefined; readonly oneByOne: boolean },
  run: RunWith,
): Promise<Tensor> {
  const rows = feeds.encoder_hidden_states?.shape[0] ?? 0;
  if (!firstBlock) {
    const whole = async (own: typeof feeds) => (await run("whole", { ...own, ...shared })).sample as Tensor;
    return oneByOne ? rowByRow(feeds, rows, whole) : whole(feeds);
  }
  const size = oneByOne ? 1 : rows;
  const later = Object.fromEntries(Object.entries(feeds).filter(([name]) => !OF_HEAD.includes(name)));
  const runOf = (start: number): RunPart => {
    return (part, given) => run(part, { ...rowsOf(part === "head" ? feeds : later, start, size), ...shared, ...given });
  };
  const runs = Array.from({ length: rows / size }, (_, i) => runOf(i * size));
  return firstBlock.predict(rows / batch, runs);
}

/** The checked inputs that FLUX.1 and its kin share, by their names in the graph: those with rows, and the tables that all rows share. */
export function fluxTokenFeeds(
  hiddenStates: Tensor,
  timestep: number | Tensor,
  { encoderHiddenStates, imgIds, txtIds }: FluxTokenInputs,
  { inChannels, jointAttentionDim, axesDimsRope }: Pick<FluxTransformer2DConfig, "inChannels" | "jointAttentionDim" | "axesDimsRope">,
  rotary: RotaryFeeds,
) {
  expectShape("hiddenStates", hiddenStates, ["batch", "tokens", inChannels]);
  const [batch = 0, tokens = 0] = hiddenStates.shape;
  const [texts = 0] = encoderHiddenStates.shape;
  // Only a multiple of the pictures is valid.
  const rows = texts % batch === 0 ? texts : batch;
  expectShape("encoderHiddenStates", encoderHiddenStates, [rows, "tokens", jointAttentionDim]);
  expectShape("imgIds", imgIds, [tokens, axesDimsRope.length]);
  expectShape("txtIds", txtIds, [encoderHiddenStates.shape[1] ?? 0, axesDimsRope.length]);
  return {
    tokens: {
      hidden_states: repeatRows(hiddenStates, rows),
      encoder_hidden_states: encoderHiddenStates,
      timestep: timestepFeed(timestep, rows),
    },
    rotary: rotary.of([txtIds, imgIds]),
  };
}

interface FluxValues {
  readonly hidden_states: Value;
  readonly encoder_hidden_states: Value;
  readonly pooled_projections: Value;
  readonly timestep: Value;
  readonly guidance?: Value | undefined;
  readonly rotary_cos: Value;
  readonly rotary_sin: Value;
}

/** The network of FLUX.1 as a list of blocks over `count` tokens of the picture. */
function fluxBlocks(inputs: Partial<FluxValues>, count: number, w: Scope, config: FluxTransformer2DConfig): BlockStack {
  const { numLayers, numSingleLayers, numAttentionHeads: heads, attentionHeadDim } = config;
  const width = heads * attentionHeadDim;
  const { timestep, guidance, pooled_projections: pooled } = inputs as FluxValues;
  const condition = { timestep: scale(timestep, 1000), guidance: guidance && scale(guidance, 1000), pooled };
  const temb = timestepTextEmbedding(condition, w.at("time_text_embed"), width);
  const options = { heads, normEpsilon: NORM_EPSILON, rotary: rotaryOf(inputs) };
  return {
    start: () => fluxTokens(inputs as FluxValues, w, width),
    blocks: fluxStack(
      numLayers,
      numSingleLayers,
      (i) => {
        const block = w.at("transformer_blocks", i);
        const by = {
          image: modulations(temb, block.at("norm1", "linear"), width, 6),
          text: modulations(temb, block.at("norm1_context", "linear"), width, 6),
        };
        return (streams) => jointBlock(streams, block, by, options);
      },
      (i) => {
        const block = w.at("single_transformer_blocks", i);
        return (tokens) => parallelBlock(tokens, block, modulations(temb, block.at("norm", "linear"), width, 3), options);
      },
    ),
    image: (state) => imageTokens(state, count),
    finish: (image) => {
      const [outScale, outShift] = modulations(temb, w.at("norm_out", "linear"), width, 2) as [Value, Value];
      return fluxOutput(image, outShift, outScale, w, config);
    },
  };
}

/** Rotary tables among the inputs. */
export function rotaryOf({ rotary_cos: cos, rotary_sin: sin }: Partial<Pick<FluxValues, "rotary_cos" | "rotary_sin">>): RotaryValues {
  return { cos: cos as Value, sin: sin as Value };
}

/** The tokens before the first block. */
export function fluxTokens(inputs: Pick<FluxValues, "hidden_states" | "encoder_hidden_states">, w: Scope, width: number): BlockState {
  return {
    image: linear(inputs.hidden_states, w.at("x_embedder"), width),
    text: linear(inputs.encoder_hidden_states, w.at("context_embedder"), width),
  };
}

/** Blocks over both streams, then blocks over all tokens together, text first. */
export function fluxStack(
  joint: number,
  single: number,
  jointOf: (index: number) => (streams: Streams) => Streams,
  singleOf: (index: number) => (tokens: Value) => Value,
): BlockStack["blocks"] {
  const together = (state: BlockState) => state.tokens ?? concat([state.text as Value, state.image as Value], 1);
  return [
    ...Array.from({ length: joint }, (_, i) => (state: BlockState) => ({ ...jointOf(i)(state as unknown as Streams) })),
    ...Array.from({ length: single }, (_, i) => (state: BlockState) => ({ tokens: singleOf(i)(together(state)) })),
  ];
}

/** The picture's tokens, the last `count` of all. */
export function imageTokens({ image, tokens }: BlockState, count: number): Value {
  if (image) return image;
  const total = tokens?.shape[1] ?? 0;
  return slice(tokens as Value, 1, total - count, total);
}

/** The prediction for the picture's tokens. */
export function fluxOutput(
  image: Value,
  shift: Value,
  scale: Value,
  w: Scope,
  { patchSize, outChannels, inChannels }: Pick<FluxTransformer2DConfig, "patchSize" | "outChannels" | "inChannels">,
): Value {
  const normed = modulate(plainLayerNorm(image, NORM_EPSILON), shift, scale);
  return linear(normed, w.at("proj_out"), patchSize * patchSize * (outChannels ?? inChannels));
}
