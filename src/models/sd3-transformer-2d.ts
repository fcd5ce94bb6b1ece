import * as v from "valibot";
import { count, depth, side, whole } from "../checkpoint/schema.js";
import { ArgumentError, ConfigError } from "../errors.js";
import type { Value } from "../graph/graph.js";
import { add } from "../graph/ops/elementwise.js";
import { reshape, rows, slice, transpose } from "../graph/ops/shapes.js";
import type { Scope } from "../graph/scope.js";
import { conv, linear, plainLayerNorm } from "../layers/basic.js";
import { timestepTextEmbedding } from "../layers/embeddings.js";
import { jointBlock, NORM_EPSILON, type Streams } from "../layers/joint-attention.js";
import { modulate, modulations } from "../layers/modulation.js";
import { checkOptions } from "../options/check-options.js";
import { type Fields, layerNumbers, needed, tensor } from "../options/fields.js";
import { pageTurn } from "../page-turn.js";
import type { Folder } from "../platform/folder.js";
import type { Tensor } from "../tensor/tensor.js";
import { expectShape } from "./expect-shape.js";
import type { TransformerOutput } from "./flux-transformer-2d.js";
import { Model, type ModelOptions, openModel, type SingleFileModelOptions, singleFileModel } from "./model.js";
import { repeatRows, rowByRow } from "./row-by-row.js";
import { timestepFeed } from "./unet-encoder.js";

const schema = v.object({
  /** Height and width of the latents it was trained on; 128 by default. */
  sampleSize: v.nullish(side, 128),
  /** Side of the square of latents that is a token; 2 by default. */
  patchSize: v.nullish(whole(1, 64), 2),
  /** Channels of the latents; 16 by default. */
  inChannels: v.nullish(count, 16),
  /** Blocks; 18 by default. */
  numLayers: v.nullish(depth, 18),
  /** Channels of an attention head; 64 by default. */
  attentionHeadDim: v.nullish(count, 64),
  /** Attention heads; 18 by default. */
  numAttentionHeads: v.nullish(count, 18),
  /** Width of the text encoders' features; 4096 by default. */
  jointAttentionDim: v.nullish(count, 4096),
  /** Width of the text's tokens in the network, that of all heads together; 1152 by default. */
  captionProjectionDim: v.nullish(count, 1152),
  /** Width of the pooled text features; 2048 by default. */
  pooledProjectionDim: v.nullish(count, 2048),
  /** Channels of the prediction; those of the latents if null; 16 by default. */
  outChannels: v.optional(v.nullable(count), 16),
  /** Rows and columns of the table of positions; 96 by default. */
  posEmbedMaxSize: v.nullish(side, 96),
  /** Blocks with a second attention, of the picture alone (Stable Diffusion 3.5 medium); none by default. */
  dualAttentionLayers: v.nullish(v.pipe(v.array(whole(0, 1000)), v.maxLength(1000, "at most 1000 numbers")), []),
  /** The norm of queries and keys (Stable Diffusion 3.5); none by default. */
  qkNorm: v.nullish(v.literal("rms_norm")),
});

/** `config.json` of an SD3Transformer2DModel, with diffusers' defaults. @interface */
export type SD3Transformer2DConfig = v.InferOutput<typeof schema>;

/** The conditions of a prediction. */
export interface SD3Transformer2DInputs {
  /** The text's features [batch, tokens, joint_attention_dim]. */
  readonly encoderHiddenStates: Tensor;
  /** Pooled features of the text [batch, pooled_projection_dim]. */
  readonly pooledProjections: Tensor;
  /** Blocks that are left out, from 0, for skip-layer guidance; none by default. */
  readonly skipLayers?: readonly number[] | undefined;
}

const FIELDS: Fields<SD3Transformer2DInputs> = {
  encoderHiddenStates: needed(tensor, "the features of the text"),
  pooledProjections: needed(tensor, "the pooled features of the text"),
  skipLayers: layerNumbers,
};

function check(owner: string, { captionProjectionDim, numAttentionHeads, attentionHeadDim }: SD3Transformer2DConfig): void {
  const width = numAttentionHeads * attentionHeadDim;
  if (captionProjectionDim === width) return;
  throw new ConfigError(`${owner}: caption_projection_dim is ${captionProjectionDim}; expected the width of all heads together, ${width}`);
}

/**
 * The denoising network of Stable Diffusion 3 and 3.5 (Esser et al. 2024): a rectified-flow transformer in which picture and text attend to
 * each other. Matches diffusers' SD3Transformer2DModel.
 */
export class SD3Transformer2DModel extends Model<SD3Transformer2DConfig> {
  protected override readonly runsOften = true;

  /** @throws CheckpointError, ConfigError, DeviceError */
  static async fromPretrained(source: string | Folder, options: ModelOptions = {}): Promise<SD3Transformer2DModel> {
    return new SD3Transformer2DModel(await openModel("SD3Transformer2DModel", schema, source, options, check));
  }

  /**
   * Opens the transformer of a single `.safetensors` file: a path, or the address of a file on the hub. `config` is a folder or hub id
   * whose config replaces the one that the file suggests.
   * @throws CheckpointError, ConfigError, DeviceError, HubError
   */
  static async fromSingleFile(path: string, options: SingleFileModelOptions = {}): Promise<SD3Transformer2DModel> {
    return SD3Transformer2DModel.fromPretrained(...(await singleFileModel(path, "transformer", options)));
  }

  /**
   * One prediction for latents `hiddenStates` [batch, in_channels, height, width] at `timestep`, from 0 (picture) to 1000 (noise): one
   * number or one per text. If `encoderHiddenStates` has n times the batch, as with classifier-free guidance, it predicts for n copies of
   * them. Rows and columns that fill no square of patch_size are not predicted.
   * @throws ArgumentError if a shape is wrong, the latents exceed the table of positions, or there is no block of `skipLayers`.
   */
  async forward(
    hiddenStates: Tensor,
    timestep: number | Tensor | Tensor<"int64">,
    given: SD3Transformer2DInputs,
  ): Promise<TransformerOutput> {
    const { config } = this;
    const {
      encoderHiddenStates,
      pooledProjections,
      skipLayers = [],
    } = checkOptions(given, FIELDS, {
      call: "SD3Transformer2DModel.forward",
    });
    expectShape("hiddenStates", hiddenStates, ["batch", config.inChannels, "height", "width"]);
    const [batch = 0, , height = 0, width = 0] = hiddenStates.shape;
    const [least, most] = [config.patchSize, config.patchSize * config.posEmbedMaxSize];
    if (Math.min(height, width) < least || Math.max(height, width) >= most + config.patchSize) {
      throw new ArgumentError(`hiddenStates is ${height} x ${width}; the transformer's positions are for sides from ${least} to ${most}`, {
        argument: "hiddenStates",
      });
    }
    const [texts = 0] = encoderHiddenStates.shape;
    // Only a multiple of the pictures is valid.
    const rows = texts % batch === 0 ? texts : batch;
    expectShape("encoderHiddenStates", encoderHiddenStates, [rows, "tokens", config.jointAttentionDim]);
    expectShape("pooledProjections", pooledProjections, [rows, config.pooledProjectionDim]);
    const skipped = [...new Set(skipLayers)].sort((a, b) => a - b);
    const missing = skipped.find((layer) => layer >= config.numLayers);
    if (missing !== undefined) {
      throw new ArgumentError(`skipLayers has ${missing}; the transformer has the blocks 0 to ${config.numLayers - 1}`, {
        argument: "skipLayers",
      });
    }
    const feeds = {
      hidden_states: repeatRows(hiddenStates, rows),
      encoder_hidden_states: encoderHiddenStates,
      pooled_projections: pooledProjections,
      timestep: timestepFeed(timestep, rows),
    };
    // Skip-layer guidance runs the whole network and the cut one in turn.
    const running = { takingTurns: 2 };
    const build = async (values: SD3Values, w: Scope) => ({ sample: await sd3Transformer(values, w, config, skipped) });
    const predict = async (own: typeof feeds) => {
      const { sample } = await this.run(`transformer without ${skipped}`, own, build, running);
      return sample;
    };
    return { sample: await (this.savesMemory ? rowByRow(feeds, rows, predict) : predict(feeds)) };
  }
}

interface SD3Values {
  readonly hidden_states: Value;
  readonly encoder_hidden_states: Value;
  readonly pooled_projections: Value;
  readonly timestep: Value;
}

async function sd3Transformer(inputs: SD3Values, w: Scope, config: SD3Transformer2DConfig, skipped: readonly number[]): Promise<Value> {
  const { numLayers, numAttentionHeads: heads, attentionHeadDim, dualAttentionLayers, qkNorm } = config;
  const width = heads * attentionHeadDim;
  const { timestep, pooled_projections: pooled } = inputs;
  const temb = timestepTextEmbedding({ timestep, pooled }, w.at("time_text_embed"), width);
  const options = { heads, normEpsilon: qkNorm ? NORM_EPSILON : undefined };
  let streams: Streams = {
    image: patches(inputs.hidden_states, w.at("pos_embed"), width, config),
    text: linear(inputs.encoder_hidden_states, w.at("context_embedder"), width),
  };
  for (let i = 0; i < numLayers; i++) {
    if (skipped.includes(i)) continue;
    const block = w.at("transformer_blocks", i);
    const ofText = modulations(temb, block.at("norm1_context", "linear"), width, i === numLayers - 1 ? 2 : 6);
    const by = {
      image: modulations(temb, block.at("norm1", "linear"), width, dualAttentionLayers.includes(i) ? 9 : 6),
      // diffusers' norm of the last block has the scale first.
      text: i === numLayers - 1 ? ofText.toReversed() : ofText,
    };
    streams = jointBlock(streams, block, by, options);
    await pageTurn();
  }
  const [scale, shift] = modulations(temb, w.at("norm_out", "linear"), width, 2) as [Value, Value];
  const normed = modulate(plainLayerNorm(streams.image, NORM_EPSILON), shift, scale);
  return unpatched(linear(normed, w.at("proj_out"), patchNumbers(config)), inputs.hidden_states, config);
}

/** Tokens [batch, rows * columns, width] of squares of latents, with their positions added: the middle of the table. */
function patches(latents: Value, w: Scope, width: number, { patchSize, posEmbedMaxSize: size }: SD3Transformer2DConfig): Value {
  const embedded = conv(latents, w.at("proj"), width, { kernel: patchSize, stride: patchSize, padding: 0 });
  const [batch = 0, , height = 0, columns = 0] = embedded.shape;
  const tokens = transpose(reshape(embedded, [batch, width, height * columns]), [0, 2, 1]);
  const [top, left] = [size - height, size - columns].map((rest) => Math.floor(rest / 2)) as [number, number];
  const table = w.tensor("pos_embed", [1, size * size, width], [size, size, width]);
  const middle = slice(rows(table, top, top + height), 1, left, left + columns);
  return add(tokens, reshape(middle, [1, height * columns, width]));
}

function patchNumbers({ patchSize, outChannels, inChannels }: SD3Transformer2DConfig): number {
  return patchSize * patchSize * (outChannels ?? inChannels);
}

/** Latents [batch, out_channels, height, width] from the numbers of tokens. */
function unpatched(x: Value, latents: Value, config: SD3Transformer2DConfig): Value {
  const { patchSize: p } = config;
  const [batch = 0, , height = 0, width = 0] = latents.shape;
  const [h, w] = [Math.floor(height / p), Math.floor(width / p)];
  const squares = transpose(reshape(x, [batch, h, w, p, p, -1]), [0, 5, 1, 3, 2, 4]);
  return reshape(squares, [batch, -1, h * p, w * p]);
}
