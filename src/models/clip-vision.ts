import * as v from "valibot";
import { count, depth, side } from "../checkpoint/schema.js";
import type { Value } from "../graph/graph.js";
import { conv2d } from "../graph/ops/conv2d.js";
import { add } from "../graph/ops/elementwise.js";
import { concat, expand, reshape, slice, transpose } from "../graph/ops/shapes.js";
import type { Scope } from "../graph/scope.js";
import { hiddenActivationName, layerNorm, linear } from "../layers/basic.js";
import { clipEncoder } from "../layers/clip-encoder.js";
import type { Folder } from "../platform/folder.js";
import type { Tensor } from "../tensor/tensor.js";
import { expectShape } from "./expect-shape.js";
import { statesAsOutputs, statesFrom } from "./hidden-states.js";
import { Model, type ModelOptions, openModel } from "./model.js";

/** Schema of an image encoder's config. It is also part of the safety checker's. */
export const clipVisionSchema = v.object({
  /** Width of each token's features; 768 by default. */
  hiddenSize: v.nullish(count, 768),
  /** Width of the hidden layer in each perceptron; 3072 by default. */
  intermediateSize: v.nullish(count, 3072),
  /** Width of the projected embedding; 512 by default. */
  projectionDim: v.nullish(count, 512),
  /** Transformer layers; 12 by default. */
  numHiddenLayers: v.nullish(depth, 12),
  /** Attention heads of each layer; 12 by default. */
  numAttentionHeads: v.nullish(count, 12),
  /** Channels of the pictures; 3 by default. */
  numChannels: v.nullish(count, 3),
  /** Height and width of its input pictures, in pixels; 224 by default. */
  imageSize: v.nullish(side, 224),
  /** Height and width of the squares that become tokens, in pixels; 32 by default. */
  patchSize: v.nullish(side, 32),
  /** The activation function: "gelu", "gelu_new", "gelu_pytorch_tanh", "quick_gelu", "relu", "silu" or "swish"; "quick_gelu" by default. */
  hiddenAct: v.nullish(hiddenActivationName, "quick_gelu"),
  /** Added to the variance in the layer norms; 1e-5 by default. */
  layerNormEps: v.nullish(v.number(), 1e-5),
});

/** `config.json` of a CLIP image encoder, with transformers' defaults. @interface */
export type CLIPVisionConfig = v.InferOutput<typeof clipVisionSchema>;

/** Options of an image encoder's call. */
export interface CLIPVisionOptions {
  /** Whether to return the hidden states of every layer, too. */
  readonly outputHiddenStates?: boolean | undefined;
}

/** The results of an image encoder. */
export interface CLIPVisionOutput {
  /** Every token's features [batch, 1 + patches, hidden_size], the class token's first. */
  readonly lastHiddenState: Tensor;
  /** The class token's features after the final norm [batch, hidden_size]. */
  readonly poolerOutput: Tensor;
  /** The embeddings after the first norm, then each layer's output. */
  readonly hiddenStates?: readonly Tensor[] | undefined;
}

/** The results of an image encoder with a projection. Matches transformers' CLIPVisionModelOutput. */
export interface CLIPVisionModelOutput extends CLIPVisionOutput {
  /** The projected features of each picture [batch, projection_dim]. */
  readonly imageEmbeds: Tensor;
}

/** CLIP's image transformer (Radford et al. 2021; Dosovitskiy et al. 2021). Matches transformers' CLIPVisionModel. */
export class CLIPVisionModel extends Model<CLIPVisionConfig> {
  protected override readonly library = "transformers";
  protected override readonly modelType: string = "clip_vision_model";

  /** @throws CheckpointError, ConfigError, DeviceError */
  static async fromPretrained(source: string | Folder, options: ModelOptions = {}): Promise<CLIPVisionModel> {
    return new CLIPVisionModel(await openModel("CLIPVisionModel", clipVisionSchema, source, options));
  }

  /** Encodes pictures [batch, 3, image_size, image_size] that a CLIPImageProcessor made. @throws ArgumentError for another shape. */
  async forward(pixelValues: Tensor, { outputHiddenStates = false }: CLIPVisionOptions = {}): Promise<CLIPVisionOutput> {
    const { numChannels, imageSize } = this.config;
    expectShape("pixelValues", pixelValues, ["batch", numChannels, imageSize, imageSize]);
    const outputs = await this.run(`hidden states ${outputHiddenStates}`, { pixel_values: pixelValues }, async (inputs, w) => {
      const states = await visionStates(inputs.pixel_values, w, this.config);
      return { last_hidden_state: states.at(-1) as Value, ...this.pooled(states, w), ...(outputHiddenStates && statesAsOutputs(states)) };
    });
    return this.output(outputs, outputHiddenStates);
  }

  /** The outputs that are made from the last state. */
  protected pooled(states: readonly Value[], w: Scope): Readonly<Record<string, Value>> {
    return { pooler_output: poolVision(states, w, this.config) };
  }

  /** The results by their public names. */
  protected output(outputs: Readonly<Record<string, Tensor>>, hasStates: boolean): CLIPVisionOutput {
    const { last_hidden_state, pooler_output } = outputs as { last_hidden_state: Tensor; pooler_output: Tensor };
    return { lastHiddenState: last_hidden_state, poolerOutput: pooler_output, ...(hasStates && { hiddenStates: statesFrom(outputs) }) };
  }
}

/**
 * CLIPVisionModel with a linear projection of the pooled features into CLIP's joint space. Matches transformers'
 * CLIPVisionModelWithProjection.
 */
export class CLIPVisionModelWithProjection extends CLIPVisionModel {
  /** @throws CheckpointError, ConfigError, DeviceError */
  static override async fromPretrained(source: string | Folder, options: ModelOptions = {}): Promise<CLIPVisionModelWithProjection> {
    return new CLIPVisionModelWithProjection(await openModel("CLIPVisionModelWithProjection", clipVisionSchema, source, options));
  }

  /** The same as CLIPVisionModel's, and `imageEmbeds` [batch, projection_dim]. */
  override async forward(pixelValues: Tensor, options: CLIPVisionOptions = {}): Promise<CLIPVisionModelOutput> {
    return (await super.forward(pixelValues, options)) as CLIPVisionModelOutput;
  }

  protected override pooled(states: readonly Value[], w: Scope): Readonly<Record<string, Value>> {
    const pooler_output = poolVision(states, w, this.config);
    return { pooler_output, image_embeds: linear(pooler_output, w.at("visual_projection"), this.config.projectionDim) };
  }

  protected override output(outputs: Readonly<Record<string, Tensor>>, hasStates: boolean): CLIPVisionOutput {
    return Object.assign(super.output(outputs, hasStates), { imageEmbeds: outputs.image_embeds });
  }
}

/** The hidden states [batch, 1 + patches, hidden_size] of pictures: the normed embeddings, then each layer's output. */
export async function visionStates(pixels: Value, w: Scope, config: CLIPVisionConfig): Promise<Value[]> {
  const { hiddenSize, patchSize, numChannels } = config;
  const [batch = 0] = pixels.shape;
  const embeddings = w.at("embeddings");
  const kernel = embeddings.at("patch_embedding").tensor("weight", [hiddenSize, numChannels, patchSize, patchSize]);
  const patches = transpose(reshape(conv2d(pixels, kernel, undefined, { stride: patchSize }), [batch, hiddenSize, -1]), [0, 2, 1]);
  const classToken = expand(embeddings.tensor("class_embedding", [hiddenSize], [1, 1, hiddenSize]), [batch, 1, hiddenSize]);
  const tokens = concat([classToken, patches], 1);
  const positions = embeddings.at("position_embedding").tensor("weight", [tokens.shape[1] ?? 0, hiddenSize]);
  // The checkpoints spell "pre_layrnorm" so.
  const start = layerNorm(add(tokens, positions), w.at("pre_layrnorm"), config.layerNormEps);
  return clipEncoder(start, w.at("encoder", "layers"), config.numHiddenLayers, config);
}

/** The class token's features after the final norm [batch, hidden_size]. */
export function poolVision(states: readonly Value[], w: Scope, { hiddenSize, layerNormEps }: CLIPVisionConfig): Value {
  const first = slice(states.at(-1) as Value, 1, 0, 1);
  return layerNorm(reshape(first, [-1, hiddenSize]), w.at("post_layernorm"), layerNormEps);
}
