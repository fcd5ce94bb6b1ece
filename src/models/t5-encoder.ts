import * as v from "valibot";
import { count, depth } from "../checkpoint/schema.js";
import { ConfigError } from "../errors.js";
import type { Value } from "../graph/graph.js";
import { attention } from "../graph/ops/attention.js";
import { add, mul } from "../graph/ops/elementwise.js";
import { gather, reshape, transpose } from "../graph/ops/shapes.js";
import type { Scope } from "../graph/scope.js";
import { ACTIVATIONS, type Activation, embedding, linear, rmsNorm } from "../layers/basic.js";
import { checkOptions } from "../options/check-options.js";
import { pageTurn } from "../page-turn.js";
import type { Folder } from "../platform/folder.js";
import { Tensor } from "../tensor/tensor.js";
import { LOWEST_SCORE } from "./causal-mask.js";
import { expectShape } from "./expect-shape.js";
import { expectVocabulary } from "./expect-vocabulary.js";
import { type HiddenStatesOptions, MASK_FIELDS } from "./language-model.js";
import { Model, type ModelOptions, openModel, type SingleFileModelOptions, singleFileModel } from "./model.js";

const schema = v.object({
  /** Tokens in the vocabulary; 32128 by default. */
  vocabSize: v.nullish(count, 32128),
  /** Width of each token's features; 512 by default. */
  dModel: v.nullish(count, 512),
  /** Channels of a head; 64 by default. */
  dKv: v.nullish(count, 64),
  /** Width of the hidden layer in each perceptron; 2048 by default. */
  dFf: v.nullish(count, 2048),
  /** Transformer layers; 6 by default. */
  numLayers: v.nullish(depth, 6),
  /** Attention heads of each layer; 8 by default. */
  numHeads: v.nullish(count, 8),
  /** Ranges of distances between two tokens, each with its own bias of the scores; 32 by default. */
  relativeAttentionNumBuckets: v.nullish(count, 32),
  /** Distances from this one up are in the last range; 128 by default. */
  relativeAttentionMaxDistance: v.nullish(count, 128),
  /** Added to the mean square in the norms; 1e-6 by default. */
  layerNormEpsilon: v.nullish(v.number(), 1e-6),
  /** The perceptrons: "relu" (default), or gated ones: "gated-gelu" of T5 1.1, "gated-silu", "gated-relu". */
  feedForwardProj: v.nullish(v.picklist(["relu", "gelu", "silu", "gated-gelu", "gated-silu", "gated-relu"]), "relu"),
});

/** `config.json` of a T5 text encoder, with transformers' defaults. @interface */
export type T5Config = v.InferOutput<typeof schema>;

/** The results of a T5 text encoder. */
export interface T5EncoderOutput {
  /** Every token's features after the final norm [batch, tokens, d_model]. */
  readonly lastHiddenState: Tensor;
}

/**
 * T5's text encoder (Raffel et al. 2020), of FLUX.1, Chroma and Stable Diffusion 3. Matches transformers' T5EncoderModel. It opens
 * checkpoints of the whole T5, too, whose decoder it does not read.
 */
export class T5EncoderModel extends Model<T5Config> {
  protected override readonly library = "transformers";
  protected override readonly modelType = "t5";

  /** T5 was trained in bfloat16; its features exceed half precision's largest number. */
  protected override get overflowsHalf(): boolean {
    return true;
  }

  /** @throws CheckpointError, ConfigError, DeviceError */
  static async fromPretrained(source: string | Folder, options: ModelOptions = {}): Promise<T5EncoderModel> {
    const names = ["T5Model", "T5ForConditionalGeneration", "T5WithLMHeadModel"];
    return new T5EncoderModel(await openModel("T5EncoderModel", schema, source, options, check, names));
  }

  /**
   * Opens the model from a single file, safetensors or GGUF. Its config comes from the tensors' shapes, or from the folder `config`.
   * @throws CheckpointError, ConfigError, DeviceError
   */
  static async fromSingleFile(path: string, options: SingleFileModelOptions = {}): Promise<T5EncoderModel> {
    return T5EncoderModel.fromPretrained(...(await singleFileModel(path, "text_encoder", options)));
  }

  /**
   * Encodes token ids [batch, tokens], padded to one length. Without a mask, tokens attend to padding, too, as in FLUX.1 and Stable
   * Diffusion 3.
   * @throws ArgumentError if an id is not in the vocabulary, or the mask has another shape.
   */
  async forward(inputIds: Tensor<"int64">, options: HiddenStatesOptions = {}): Promise<T5EncoderOutput> {
    const { attentionMask } = checkOptions(options, MASK_FIELDS, { call: "T5EncoderModel.forward" });
    expectShape("inputIds", inputIds, ["batch", "tokens"], ["int64"]);
    const [batch = 0, tokens = 0] = inputIds.shape;
    if (attentionMask) expectShape("attentionMask", attentionMask, [batch, tokens], ["int64"]);
    expectVocabulary(inputIds, this.config.vocabSize);
    const feeds = {
      input_ids: inputIds,
      buckets: buckets(tokens, this.config),
      ...(attentionMask && { mask: paddingMask(attentionMask) }),
    };
    const outputs = await this.run("encoder", feeds, async (inputs, w) => ({
      last_hidden_state: await encoder(inputs as EncoderInputs, w, this.config),
    }));
    return { lastHiddenState: outputs.last_hidden_state };
  }
}

interface EncoderInputs {
  readonly input_ids: Value;
  /** The range of the distance from each token to each other one [tokens, tokens]. */
  readonly buckets: Value;
  /** Added to the scores [batch, 1, 1, tokens]. */
  readonly mask?: Value;
}

async function encoder({ input_ids, buckets, mask }: EncoderInputs, w: Scope, config: T5Config): Promise<Value> {
  const { vocabSize, dModel, numLayers, layerNormEpsilon: epsilon } = config;
  const root = w.at("encoder");
  const table = w.has("shared") || !root.has("embed_tokens") ? w.at("shared") : root.at("embed_tokens");
  const positions = positionBias(buckets, root.at("block", 0, "layer", 0, "SelfAttention", "relative_attention_bias"), config);
  const bias = mask ? add(positions, mask) : positions;
  let x = embedding(input_ids, table, vocabSize, dModel);
  for (let i = 0; i < numLayers; i++) {
    const [first, second] = [root.at("block", i, "layer", 0), root.at("block", i, "layer", 1)];
    x = add(x, selfAttention(rmsNorm(x, first.at("layer_norm"), epsilon), first.at("SelfAttention"), config, bias));
    x = add(x, feedForward(rmsNorm(x, second.at("layer_norm"), epsilon), second.at("DenseReluDense"), config));
    await pageTurn();
  }
  return rmsNorm(x, root.at("final_layer_norm"), epsilon);
}

/** Attention whose scores are not scaled: the initial weights are. */
function selfAttention(x: Value, w: Scope, { dModel, dKv, numHeads }: T5Config, bias: Value): Value {
  const [query, key, value] = ["q", "k", "v"].map((name) => linear(x, w.at(name), numHeads * dKv)) as [Value, Value, Value];
  return linear(attention(query, key, value, numHeads, bias, 1), w.at("o"), dModel);
}

function feedForward(x: Value, w: Scope, { dModel, dFf, feedForwardProj }: T5Config): Value {
  const isGated = feedForwardProj.startsWith("gated-");
  const activate = ACTIVATIONS[activationOf(feedForwardProj)];
  if (!isGated) return linear(activate(linear(x, w.at("wi"), dFf)), w.at("wo"), dModel);
  return linear(mul(activate(linear(x, w.at("wi_0"), dFf)), linear(x, w.at("wi_1"), dFf)), w.at("wo"), dModel);
}

/** "gated-gelu" means the GELU with a hyperbolic tangent. */
function activationOf(feedForwardProj: T5Config["feedForwardProj"]): Activation {
  return feedForwardProj === "gated-gelu" ? "gelu_new" : (feedForwardProj.replace("gated-", "") as Activation);
}

/** The learned bias of each head's scores by the distance of two tokens [1, heads, tokens, tokens]. All layers share it. */
function positionBias(buckets: Value, w: Scope, { relativeAttentionNumBuckets, numHeads }: T5Config): Value {
  const [tokens = 0] = buckets.shape;
  const biases = gather(w.tensor("weight", [relativeAttentionNumBuckets, numHeads]), buckets);
  return reshape(transpose(biases, [2, 0, 1]), [1, numHeads, tokens, tokens]);
}

/**
 * The range of the distance from each token to each other one: int64 [tokens, tokens]. Half of the ranges are for each direction. The first
 * half of these has one distance each; the others grow with the logarithm of the distance.
 */
function buckets(tokens: number, { relativeAttentionNumBuckets, relativeAttentionMaxDistance }: T5Config): Tensor<"int64"> {
  const half = relativeAttentionNumBuckets / 2;
  const exact = Math.floor(half / 2);
  const f32 = Math.fround;
  const rangeOf = (distance: number) => {
    if (distance < exact) return distance;
    // torch computes in float32.
    const share = f32(f32(Math.log(f32(distance / exact))) / f32(Math.log(relativeAttentionMaxDistance / exact)));
    return Math.min(half - 1, exact + Math.trunc(f32(share * (half - exact))));
  };
  const ranges = Array.from({ length: tokens }, (_, distance) => rangeOf(distance));
  const ids = BigInt64Array.from({ length: tokens * tokens }, (_, i) => {
    const offset = (i % tokens) - Math.floor(i / tokens);
    return BigInt((ranges[Math.abs(offset)] as number) + (offset > 0 ? half : 0));
  });
  return new Tensor("int64", [tokens, tokens], ids);
}

/** Added to the scores [batch, 1, 1, tokens], so that no token attends to padding. */
function paddingMask({ data, shape: [batch = 0, tokens = 0] }: Tensor<"int64">): Tensor {
  return Tensor.from(
    Float32Array.from(data, (each) => (each === 0n ? LOWEST_SCORE : 0)),
    [batch, 1, 1, tokens],
  );
}

function check(owner: string, { relativeAttentionNumBuckets: ranges, relativeAttentionMaxDistance: farthest }: T5Config): void {
  if (ranges % 4 === 0 && farthest > ranges / 4) return;
  throw new ConfigError(
    `${owner}: relative_attention_num_buckets is ${ranges} and relative_attention_max_distance ${farthest}; expected a multiple of 4 and more than a quarter of it`,
  );
}
