import * as v from "valibot";
import { count, depth } from "../checkpoint/schema.js";
import { ConfigError } from "../errors.js";
import type { Graph, Value } from "../graph/graph.js";
import { add, mul, scale } from "../graph/ops/elementwise.js";
import { concat, expand, reshape, slice } from "../graph/ops/shapes.js";
import type { Scope } from "../graph/scope.js";
import { linear, rmsNorm } from "../layers/basic.js";
import { sinusoidalEmbedding, timestepEmbedding } from "../layers/embeddings.js";
import { jointBlock, NORM_EPSILON, parallelBlock } from "../layers/joint-attention.js";
import { checkOptions } from "../options/check-options.js";
import { type Fields, tensor } from "../options/fields.js";
import type { Folder } from "../platform/folder.js";
import type { Tensor } from "../tensor/tensor.js";
import { expectShape } from "./expect-shape.js";
import { type BlockStack, graphsWith, type TransformerPart, writePart } from "./first-block-cache.js";
import {
  checkRotaryAxes,
  FLUX_THETA,
  FLUX_TOKEN_FIELDS,
  type FluxTokenInputs,
  fluxFields,
  fluxOutput,
  fluxStack,
  fluxTokenFeeds,
  fluxTokens,
  imageTokens,
  predictRows,
  rotaryOf,
  type TransformerOutput,
  tokensOf,
} from "./flux-transformer-2d.js";
import { Model, type ModelOptions, openModel, type SingleFileModelOptions, singleFileModel } from "./model.js";
import { RotaryFeeds } from "./rotary-feeds.js";

const schema = v.object({
  ...fluxFields,
  /** Numbers that the modulation net takes for each of its outputs, a multiple of 8; 64 by default. */
  approximatorNumChannels: v.nullish(count, 64),
  /** Width of the modulation net; 5120 by default. */
  approximatorHiddenDim: v.nullish(count, 5120),
  /** Layers of the modulation net; 5 by default. */
  approximatorLayers: v.nullish(depth, 5),
});

/** `config.json` of a ChromaTransformer2DModel, with diffusers' defaults. @interface */
export type ChromaTransformer2DConfig = v.InferOutput<typeof schema>;

/** The conditions of a prediction. */
export interface ChromaTransformer2DInputs extends FluxTokenInputs {
  /**
   * Weights of the text's tokens, then the picture's [texts, tokens]: 1 for a token that counts, 0 for padding. As in diffusers, the
   * product of the weights of query and key is added to the score of attention, so padding is attended to less, but not left out.
   */
  readonly attentionMask?: Tensor | undefined;
}

const FIELDS: Fields<ChromaTransformer2DInputs> = { ...FLUX_TOKEN_FIELDS, attentionMask: tensor };

function check(owner: string, config: ChromaTransformer2DConfig): void {
  checkRotaryAxes(owner, config);
  const { approximatorNumChannels } = config;
  if (approximatorNumChannels % 8 === 0) return;
  throw new ConfigError(`${owner}: approximator_num_channels is ${approximatorNumChannels}; expected a multiple of 8`);
}

/**
 * The denoising network of Chroma (lodestones 2025): FLUX.1's transformer without CLIP and guidance input, whose modulation vectors come
 * from one small net. Matches diffusers' ChromaTransformer2DModel.
 */
export class ChromaTransformer2DModel extends Model<ChromaTransformer2DConfig> {
  protected override readonly runsOften = true;
  /** It has a step cache. */
  readonly cachesFirstBlock = true;
  private readonly rotary = new RotaryFeeds({ axes: this.config.axesDimsRope, theta: FLUX_THETA });

  /** @throws CheckpointError, ConfigError, DeviceError */
  static async fromPretrained(source: string | Folder, options: ModelOptions = {}): Promise<ChromaTransformer2DModel> {
    return new ChromaTransformer2DModel(await openModel("ChromaTransformer2DModel", schema, source, options, check));
  }

  /**
   * Opens the transformer of a single `.safetensors` file: a path, or the address of a file on the hub. `config` is a folder or hub id
   * whose config replaces the one that the file suggests.
   * @throws CheckpointError, ConfigError, DeviceError, HubError
   */
  static async fromSingleFile(path: string, options: SingleFileModelOptions = {}): Promise<ChromaTransformer2DModel> {
    return ChromaTransformer2DModel.fromPretrained(...(await singleFileModel(path, "transformer", options)));
  }

  /**
   * One prediction for packed latents `hiddenStates` [batch, tokens, in_channels] at `timestep`, from 0 (picture) to 1 (noise): one number
   * or one per text. If `encoderHiddenStates` has n times the batch, as with classifier-free guidance, it predicts for n copies of them.
   * @throws ArgumentError if a shape is wrong.
   */
  async forward(hiddenStates: Tensor, timestep: number | Tensor, given: ChromaTransformer2DInputs): Promise<TransformerOutput> {
    const { config } = this;
    const inputs = checkOptions(given, FIELDS, { call: "ChromaTransformer2DModel.forward" });
    const { tokens, rotary } = fluxTokenFeeds(hiddenStates, timestep, inputs, config, this.rotary);
    const { attentionMask: mask } = inputs;
    const [rows = 0, count = 0] = inputs.encoderHiddenStates.shape;
    if (mask) expectShape("attentionMask", mask, [rows, count + (hiddenStates.shape[1] ?? 0)]);
    const feeds = { ...tokens, ...(mask && { attention_mask: mask }) };
    const run = (part: TransformerPart, own: Readonly<Record<string, Tensor>>) =>
      this.run(
        part,
        own,
        (values, w) => writePart(part, chromaBlocks(values as Partial<ChromaValues>, tokensOf(hiddenStates), w, config), values),
        { takingTurns: graphsWith(part) },
      );
    return {
      sample: await predictRows({ feeds, shared: rotary }, hiddenStates.shape[0] ?? 1, { ...inputs, oneByOne: this.savesMemory }, run),
    };
  }
}

interface ChromaValues {
  readonly hidden_states: Value;
  readonly encoder_hidden_states: Value;
  readonly timestep: Value;
  readonly attention_mask?: Value | undefined;
  readonly rotary_cos: Value;
  readonly rotary_sin: Value;
}

/** The network as a list of blocks over `count` tokens of the picture. */
function chromaBlocks(inputs: Partial<ChromaValues>, count: number, w: Scope, config: ChromaTransformer2DConfig): BlockStack {
  const { numLayers, numSingleLayers, numAttentionHeads: heads, attentionHeadDim } = config;
  const { attention_mask: mask, timestep } = inputs as ChromaValues;
  const width = heads * attentionHeadDim;
  const table = modulationTable(scale(timestep, 1000), w.at("distilled_guidance_layer"), width, config);
  const [firstOfImage, firstOfText] = [3 * numSingleLayers, 3 * numSingleLayers + 6 * numLayers];
  const rows = (start: number, count: number) => Array.from({ length: count }, (_, i) => slice(table, 1, start + i, start + i + 1));
  const options = { heads, normEpsilon: NORM_EPSILON, rotary: rotaryOf(inputs), bias: mask && productsOfPairs(mask) };
  return {
    start: () => fluxTokens(inputs as ChromaValues, w, width),
    blocks: fluxStack(
      numLayers,
      numSingleLayers,
      (i) => (streams) => {
        const by = { image: rows(firstOfImage + 6 * i, 6), text: rows(firstOfText + 6 * i, 6) };
        return jointBlock(streams, w.at("transformer_blocks", i), by, options);
      },
      (i) => (tokens) => parallelBlock(tokens, w.at("single_transformer_blocks", i), rows(3 * i, 3), options),
    ),
    image: (state) => imageTokens(state, count),
    finish: (image) => {
      const [shift, outScale] = rows(outputsOf(config) - 2, 2) as [Value, Value];
      return fluxOutput(image, shift, outScale, w, config);
    },
  };
}

/** The products of the weights of each query and key: [batch, 1, tokens, tokens] from [batch, tokens]. */
function productsOfPairs(mask: Value): Value {
  const [batch = 0, tokens = 0] = mask.shape;
  return mul(reshape(mask, [batch, 1, tokens, 1]), reshape(mask, [batch, 1, 1, tokens]));
}

/** The vectors that modulate all blocks: three for each single block, six for each stream of the others, two for the output. */
function outputsOf({ numLayers, numSingleLayers }: ChromaTransformer2DConfig): number {
  return 3 * numSingleLayers + 2 * 6 * numLayers + 2;
}

/** torch's RMSNorm takes float32's rounding error where no epsilon is given. */
const TORCH_EPSILON = 2 ** -23;

/** All vectors [1 or batch, outputs, width], from sines and cosines of the timestep, of guidance 0, and of each output's number. */
function modulationTable(timestep: Value, w: Scope, width: number, config: ChromaTransformer2DConfig): Value {
  const { approximatorNumChannels, approximatorHiddenDim: hidden, approximatorLayers } = config;
  const channels = Math.floor(approximatorNumChannels / 4);
  const outputs = outputsOf(config);
  const [batch = 1] = timestep.shape;
  const { graph } = timestep;
  const wide = (x: Value) => expand(x, [batch, outputs, x.shape.at(-1) ?? 0]);
  const time = sinusoidalEmbedding(timestep, { width: channels, flipSinToCos: true, freqShift: 0 });
  const noGuidance = wavesOf([0], channels, graph);
  const numbers = wavesOf(
    Array.from({ length: outputs }, (_, i) => i * 1000),
    2 * channels,
    graph,
  );
  const waves = concat([wide(reshape(time, [batch, 1, channels])), wide(noGuidance), wide(numbers)], 2);
  let x = linear(waves, w.at("in_proj"), hidden);
  for (let i = 0; i < approximatorLayers; i++) {
    x = add(x, timestepEmbedding(rmsNorm(x, w.at("norms", i), TORCH_EPSILON), w.at("layers", i), hidden));
  }
  return linear(x, w.at("out_proj"), width);
}

/**
 * Cosines, then sines of numbers [1, numbers, width], as {@link sinusoidalEmbedding} makes them. These angles go up to 343,000, too far for
 * the sines of graphics processors.
 */
function wavesOf(numbers: readonly number[], width: number, graph: Graph): Value {
  const f32 = Math.fround;
  const half = width / 2;
  const frequencies = Array.from({ length: half }, (_, i) => f32(Math.exp(f32(f32(f32(-Math.log(10000)) * i) / half))));
  const waves = numbers.flatMap((number) => {
    const angles = frequencies.map((frequency) => f32(number * frequency));
    return [...angles.map(Math.cos), ...angles.map(Math.sin)];
  });
  return graph.constant(waves, [1, numbers.length, width]);
}
