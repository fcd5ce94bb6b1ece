import * as v from "valibot";
import { count, depth, whole } from "../checkpoint/schema.js";
import { ArgumentError } from "../errors.js";
import { wrongArgument } from "../given.js";
import type { Value } from "../graph/graph.js";
import { add } from "../graph/ops/elementwise.js";
import { concat, gather, reshape } from "../graph/ops/shapes.js";
import type { Scope } from "../graph/scope.js";
import { hiddenActivationName, layerNorm, linear } from "../layers/basic.js";
import { clipEncoder } from "../layers/clip-encoder.js";
import { checkOptions } from "../options/check-options.js";
import { anyNumber, type Fields, flag } from "../options/fields.js";
import type { Folder } from "../platform/folder.js";
import type { StoredTensor } from "../tensor/stored-tensor.js";
import { sizeOf, Tensor } from "../tensor/tensor.js";
import { expectShape } from "./expect-shape.js";
import { statesAsOutputs, statesFrom } from "./hidden-states.js";
import { Model, type ModelOptions, openModel, type SingleFileModelOptions, singleFileModel } from "./model.js";

const schema = v.object({
  /** Tokens in the vocabulary; 49408 by default. */
  vocabSize: v.nullish(count, 49408),
  /** Width of each token's features; 512 by default. */
  hiddenSize: v.nullish(count, 512),
  /** Width of the hidden layer in each perceptron; 2048 by default. */
  intermediateSize: v.nullish(count, 2048),
  /** Width of `textEmbeds` of a CLIPTextModelWithProjection; 512 by default. */
  projectionDim: v.nullish(v.number(), 512),
  /** Whether `textEmbeds` are the pooled features as they are: the file has no projection, since it is the identity; false by default. */
  identityProjection: v.nullish(v.boolean(), false),
  /** Transformer layers; 12 by default. */
  numHiddenLayers: v.nullish(depth, 12),
  /** Attention heads of each layer; 8 by default. */
  numAttentionHeads: v.nullish(count, 8),
  /** Tokens of the longest prompt, 1 to 1024; 77 by default. */
  maxPositionEmbeddings: v.nullish(whole(1, 1024), 77),
  /** The activation function: "gelu", "gelu_new", "gelu_pytorch_tanh", "quick_gelu", "relu", "silu" or "swish"; "quick_gelu" by default. */
  hiddenAct: v.nullish(hiddenActivationName, "quick_gelu"),
  /** Added to the variance in the layer norms; 1e-5 by default. */
  layerNormEps: v.nullish(v.number(), 1e-5),
  /** Id of the end-of-text token. In old configs 2 means the highest id of each prompt; 49407 by default. */
  eosTokenId: v.nullish(v.number(), 49407),
});

/** `config.json` of a CLIP text model, with transformers' defaults. @interface */
export type CLIPTextConfig = v.InferOutput<typeof schema>;

/** Options of a text encoder's call. */
export interface CLIPTextOptions {
  /** Whether to return the hidden states of every layer, too. */
  readonly outputHiddenStates?: boolean | undefined;
  /** How many of the last layers are skipped (diffusers' clip_skip). The final norm follows the last layer that is left. */
  readonly clipSkip?: number | undefined;
}

const FIELDS: Fields<CLIPTextOptions> = { outputHiddenStates: flag, clipSkip: anyNumber };

/** The results of a text encoder. */
export interface CLIPTextOutput {
  /** Every token's features after the final norm [batch, tokens, hidden_size]. */
  readonly lastHiddenState: Tensor;
  /** The features at the end-of-text token [batch, hidden_size]. */
  readonly poolerOutput: Tensor;
  /** The token embeddings, then each layer's output before the final norm. SDXL uses the penultimate one, `at(-2)`. */
  readonly hiddenStates?: readonly Tensor[] | undefined;
}

/** Vectors of tokens that are not in the vocabulary. */
interface AddedEmbeddings {
  readonly ids: readonly number[];
  /** [ids.length, hidden_size] */
  readonly vectors: StoredTensor;
}

/** CLIP's text transformer (Radford et al. 2021), the prompt encoder of Stable Diffusion. Matches transformers' CLIPTextModel. */
export class CLIPTextModel extends Model<CLIPTextConfig> {
  // The list is replaced, never changed: a call that has begun keeps its list.
  private added: readonly AddedEmbeddings[] = [];
  private addedSoFar = 0;
  protected override readonly library = "transformers";
  protected override readonly modelType = "clip_text_model";

  /** @throws CheckpointError, ConfigError, DeviceError */
  static async fromPretrained(source: string | Folder, options: ModelOptions = {}): Promise<CLIPTextModel> {
    return new CLIPTextModel(await openModel("CLIPTextModel", schema, source, options));
  }

  /**
   * Opens the text encoder of a single `.safetensors` file that holds it alone, such as clip_l.safetensors. `config` is a folder whose
   * config replaces the one that the shapes suggest.
   * @throws CheckpointError, ConfigError, DeviceError, HubError
   */
  static async fromSingleFile(path: string, options: SingleFileModelOptions = {}): Promise<CLIPTextModel> {
    return CLIPTextModel.fromPretrained(...(await singleFileModel(path, "text_encoder", options)));
  }

  /** The lowest id above those of the vocabulary and of added embeddings. */
  get nextTokenId(): number {
    return Math.max(this.config.vocabSize, ...this.added.flatMap(({ ids }) => ids.map((id) => id + 1)));
  }

  /**
   * Adds embeddings [ids.length, hidden_size] for new token ids (textual inversion, Gal et al. 2022). They stay in their file. The
   * tokenizer needs the tokens, too (`addToken`).
   * @throws ArgumentError if an id has an embedding already.
   */
  addEmbeddings(ids: readonly number[], vectors: StoredTensor): void {
    const taken = ids.find((id) => id < this.config.vocabSize || this.added.some((each) => each.ids.includes(id)));
    if (taken !== undefined) throw new ArgumentError(`token ${taken} has an embedding already; the next free id is ${this.nextTokenId}`);
    // Only a counter is unique: two files can have the same tensor names, and a file can be rewritten.
    this.added = [...this.added, { ids, vectors: { ...vectors, name: `embeddings ${this.addedSoFar++}` } }];
  }

  /** Removes the embeddings that {@link addEmbeddings} added for these ids. Other ids are ignored. */
  removeEmbeddings(ids: readonly number[]): void {
    this.added = this.added.filter((each) => !each.ids.some((id) => ids.includes(id)));
  }

  /**
   * Encodes token ids [batch, tokens], padded to one length.
   * @throws ArgumentError if there are more tokens than positions, an id is not in the vocabulary, or clipSkip leaves no layer.
   */
  async forward(inputIds: Tensor<"int64">, options: CLIPTextOptions = {}): Promise<CLIPTextOutput> {
    const outputs = await this.encode(inputIds, options, textModel);
    const { last_hidden_state: lastHiddenState, pooler_output: poolerOutput } = outputs;
    return { lastHiddenState, poolerOutput, ...(options.outputHiddenStates && { hiddenStates: statesFrom(outputs) }) };
  }

  protected override get stateKey(): string {
    return String(this.added.map(({ vectors }) => vectors.name));
  }

  /** transformers keeps the prefix that the file has. */
  protected override savedName(name: string): string {
    return this.weights.nameInFileOf(name).startsWith("text_model.") ? `text_model.${name}` : name;
  }

  /** Runs the text network that `build` builds. */
  protected encode<Output extends string>(inputIds: Tensor<"int64">, given: CLIPTextOptions, build: BuildText<Output>) {
    const { maxPositionEmbeddings, vocabSize, numHiddenLayers } = this.config;
    const options = checkOptions(given, FIELDS, { call: "CLIPTextModel.forward" });
    const { clipSkip = 0, outputHiddenStates = false } = options;
    expectShape("inputIds", inputIds, ["batch", "tokens"], ["int64"]);
    const [, tokens = 0] = inputIds.shape;
    if (tokens > maxPositionEmbeddings)
      throw new ArgumentError(`${tokens} tokens were given; the text encoder takes at most ${maxPositionEmbeddings}`);
    const { added } = this;
    const addedIds = added.flatMap(({ ids }) => ids);
    const unknown = inputIds.data.find((id) => id < 0n || (id >= BigInt(vocabSize) && !addedIds.includes(Number(id))));
    if (unknown !== undefined) {
      throw new ArgumentError(`token ${unknown} is not in the text encoder's vocabulary of ${vocabSize}`, {
        hint: "the tokenizer and the text encoder belong to different checkpoints, or an embedding was loaded for another text encoder of this tokenizer",
      });
    }
    if (!Number.isInteger(clipSkip) || clipSkip < 0 || clipSkip >= numHiddenLayers) {
      throw wrongArgument("clipSkip", clipSkip, `a whole number from 0 to ${numHiddenLayers - 1}`, { type: "number" });
    }
    const part = `clip skip ${clipSkip}, hidden states ${outputHiddenStates}`;
    const feeds = { input_ids: inputIds, end_of_text: endOfText(inputIds, this.config.eosTokenId) };
    if (added.length === 0) return this.run(part, feeds, (inputs, w) => build(inputs, w, this.config, options));
    const withAdded = { ...feeds, ...separate(inputIds, addedIds) };
    return this.run(`${part}, ${this.stateKey}`, withAdded, (inputs, w) => build({ ...inputs, added }, w, this.config, options));
  }
}

/**
 * CLIPTextModel with a linear projection of the pooled features, as in Stable Diffusion XL. Matches transformers'
 * CLIPTextModelWithProjection.
 */
export class CLIPTextModelWithProjection extends CLIPTextModel {
  /** @throws CheckpointError, ConfigError, DeviceError */
  static override async fromPretrained(source: string | Folder, options: ModelOptions = {}): Promise<CLIPTextModelWithProjection> {
    return new CLIPTextModelWithProjection(await openModel("CLIPTextModelWithProjection", schema, source, options));
  }

  /** As {@link CLIPTextModel.fromSingleFile}, for a file with a projection. @throws CheckpointError, ConfigError, DeviceError, HubError */
  static override async fromSingleFile(path: string, options: SingleFileModelOptions = {}): Promise<CLIPTextModelWithProjection> {
    return CLIPTextModelWithProjection.fromPretrained(...(await singleFileModel(path, "text_encoder", options)));
  }

  protected override savedName(name: string): string {
    return name.startsWith("text_projection.") ? name : `text_model.${name}`;
  }

  /** The same as CLIPTextModel's, and `textEmbeds` [batch, projection_dim]. */
  override async forward(
    inputIds: Tensor<"int64">,
    options: CLIPTextOptions = {},
  ): Promise<
    CLIPTextOutput & {
      /** Projected embeddings [batch, projection_dim]. */
      readonly textEmbeds: Tensor;
    }
  > {
    const outputs = await this.encode(inputIds, options, async (inputs, w, config, opts) => {
      const results = await textModel(inputs, w, config, opts);
      const pooled = results.pooler_output;
      return {
        ...results,
        text_embeds: config.identityProjection ? pooled : linear(pooled, w.at("text_projection"), config.projectionDim),
      };
    });
    const { last_hidden_state: lastHiddenState, pooler_output: poolerOutput, text_embeds: textEmbeds } = outputs;
    return { lastHiddenState, poolerOutput, textEmbeds, ...(options.outputHiddenStates && { hiddenStates: statesFrom(outputs) }) };
  }
}

interface TextInputs {
  readonly input_ids: Value;
  readonly end_of_text: Value;
  /** If embeddings were added: each token's row in a table of the vectors of all `input_ids`, followed by those of `added`. */
  readonly rows?: Value | undefined;
  readonly added?: readonly AddedEmbeddings[] | undefined;
}

type BuildText<Output extends string> = (
  inputs: TextInputs,
  w: Scope,
  config: CLIPTextConfig,
  options: CLIPTextOptions,
) => Promise<Readonly<Record<Output, Value>>>;

async function textModel(inputs: TextInputs, w: Scope, config: CLIPTextConfig, { clipSkip = 0, outputHiddenStates }: CLIPTextOptions) {
  const { hiddenSize, layerNormEps: epsilon } = config;
  const [batch = 0, tokens = 0] = inputs.input_ids.shape;
  const embeddings = w.at("embeddings");
  const words = tokenEmbeddings(inputs, embeddings.at("token_embedding"), config);
  const positions = embeddings.at("position_embedding").rows("weight", [config.maxPositionEmbeddings, hiddenSize], 0, tokens);
  const mask = causalMask(words, tokens);
  // All layers are built if all states are wanted; else the skipped ones are not even loaded.
  const layers = outputHiddenStates ? config.numHiddenLayers : config.numHiddenLayers - clipSkip;
  const states = await clipEncoder(add(words, positions), w.at("encoder", "layers"), layers, config, mask);
  const kept = states[config.numHiddenLayers - clipSkip] as Value;
  const last = layerNorm(kept, w.at("final_layer_norm"), epsilon);
  return {
    last_hidden_state: last,
    pooler_output: gather(reshape(last, [batch * tokens, hiddenSize]), inputs.end_of_text),
    ...(outputHiddenStates && statesAsOutputs(states)),
  };
}

/**
 * Each token's vector [batch, tokens, hidden_size]. The vectors of added tokens come from their files, without a copy of the checkpoint's
 * table.
 */
function tokenEmbeddings({ input_ids, rows, added = [] }: TextInputs, w: Scope, { vocabSize, hiddenSize }: CLIPTextConfig): Value {
  const words = gather(w.tensor("weight", [vocabSize, hiddenSize]), input_ids);
  if (!rows) return words;
  const tables = added.map(({ ids, vectors }) => w.graph.weight(vectors, [ids.length, hiddenSize]));
  return gather(concat([reshape(words, [sizeOf(input_ids.shape), hiddenSize]), ...tables], 0), rows);
}

/** The ids, with 0 in place of those in `addedIds`, and the row of each token in the table of {@link tokenEmbeddings}. */
function separate(inputIds: Tensor<"int64">, addedIds: readonly number[]): { input_ids: Tensor<"int64">; rows: Tensor<"int64"> } {
  const { shape, size } = inputIds;
  const added = Array.from(inputIds.data, (id) => addedIds.indexOf(Number(id)));
  const ordinary = inputIds.data.map((id, i) => (added[i] === -1 ? id : 0n));
  const rows = BigInt64Array.from(added, (row, i) => BigInt(row === -1 ? i : size + row));
  return { input_ids: new Tensor("int64", shape, ordinary), rows: new Tensor("int64", shape, rows) };
}

/** Keeps tokens from attending to later ones: [1, 1, tokens, tokens] with the lowest number above the diagonal, else 0. */
function causalMask({ graph, dtype }: Value, tokens: number): Value {
  const lowest = dtype === "float16" ? -65504 : -3.4028234663852886e38;
  const mask = Float32Array.from({ length: tokens * tokens }, (_, i) => (i % tokens > Math.floor(i / tokens) ? lowest : 0));
  return graph.constant(mask, [1, 1, tokens, tokens], dtype);
}

/** The index of each prompt's end-of-text token among all tokens [batch * tokens]. */
function endOfText(inputIds: Tensor<"int64">, eosTokenId: number): Tensor<"int64"> {
  const [batch = 0, tokens = 0] = inputIds.shape;
  const places = Array.from({ length: batch }, (_, row) => {
    const ids = [...inputIds.data.subarray(row * tokens, (row + 1) * tokens)].map(Number);
    // Configs that were written before transformers 4.31 have the wrong id 2. In their prompts, the end-of-text token has the highest id.
    const place = ids.indexOf(eosTokenId === 2 ? Math.max(...ids) : eosTokenId);
    return BigInt(row * tokens + Math.max(place, 0));
  });
  return new Tensor("int64", [batch], BigInt64Array.from(places));
}
