import { ConfigError } from "../errors.js";
import { wrongArgument } from "../given.js";
import type { Value } from "../graph/graph.js";
import type { Scope } from "../graph/scope.js";
import { embedding, rmsNorm } from "../layers/basic.js";
import { type QwenAttentionInputs, type QwenDecoderOptions, qwenDecoderLayer } from "../layers/qwen-decoder.js";
import { rotaryTables } from "../layers/rotary.js";
import { checkOptions } from "../options/check-options.js";
import { type Fields, field, flag } from "../options/fields.js";
import { pageTurn } from "../page-turn.js";
import { Tensor } from "../tensor/tensor.js";
import { causalMask } from "./causal-mask.js";
import { expectShape } from "./expect-shape.js";
import { expectVocabulary } from "./expect-vocabulary.js";
import { statesAsOutputs, statesFrom } from "./hidden-states.js";
import { Model } from "./model.js";

/** Options of {@link LanguageModel.hiddenStates}. */
export interface HiddenStatesOptions {
  /** int64 [batch, tokens]: 1 for tokens, 0 for padding that no token attends to. Without it, nothing is padding. */
  readonly attentionMask?: Tensor<"int64"> | undefined;
}

/** Options of a language model's call. */
export interface LanguageModelOptions extends HiddenStatesOptions {
  /** Whether to return the hidden states of every layer, too. */
  readonly outputHiddenStates?: boolean | undefined;
}

/** The results of a language model. */
export interface LanguageModelOutput {
  /** Every token's features after the final norm [batch, tokens, hidden_size]. */
  readonly lastHiddenState: Tensor;
  /** The token embeddings, then each layer's output; the last one is `lastHiddenState`, after the final norm, as in transformers. */
  readonly hiddenStates?: readonly Tensor[] | undefined;
}

export const MASK_FIELDS: Fields<HiddenStatesOptions> = {
  attentionMask: field<Tensor<"int64">>((value) => value instanceof Tensor && value.dtype === "int64", "an int64 Tensor"),
};
const FIELDS: Fields<LanguageModelOptions> = { ...MASK_FIELDS, outputHiddenStates: flag };

/** The config fields that all language models have. */
export interface LanguageModelConfig extends Omit<QwenDecoderOptions, "normsHeads" | "headDim"> {
  readonly vocabSize: number;
  readonly numHiddenLayers: number;
}

/** Which hidden states a run gives: the token embeddings are 0, the output of layer n is n. */
export type States = readonly number[];

/** Tensors that a run is fed with. */
export type Feeds = Readonly<Record<string, Tensor | Tensor<"int64">>>;

/** Tensors that a run over text is fed with. */
type TextFeeds = Readonly<Record<"input_ids", Tensor<"int64">> & Record<"cos" | "sin" | "mask", Tensor>>;

/** The text decoder of a language model, whose hidden states are features of prompts. It writes no text. */
export abstract class LanguageModel<Config> extends Model<Config> {
  protected override readonly library = "transformers";

  /** A few features of each token are thousands of times as large as the others. */
  protected override get overflowsHalf(): boolean {
    return true;
  }

  /** The decoder's part of the config. */
  protected abstract get decoder(): LanguageModelConfig & QwenDecoderOptions;

  /** The base of the rotary embedding's frequencies. */
  protected abstract get theta(): number;

  /** The beginnings of tensors' names that checkpoints have, best first. */
  protected readonly prefixes: readonly string[] = ["model", ""];

  /**
   * Encodes token ids [batch, tokens], padded to one length.
   * @throws ArgumentError if an id is not in the vocabulary, or the mask has another shape.
   */
  async forward(inputIds: Tensor<"int64">, options: LanguageModelOptions = {}): Promise<LanguageModelOutput> {
    const { outputHiddenStates, ...rest } = checkOptions(options, FIELDS, { call: `${this.className}.forward` });
    return this.outputOf(outputHiddenStates, (wanted) => this.states(this.textFeeds(inputIds, rest), wanted));
  }

  /**
   * Hidden states of token ids [batch, tokens]: each [batch, tokens, hidden_size], in the order of `layers`. 0 are the token embeddings, n
   * is the output of layer n, and the last one is that after the final norm. Negative numbers count from the end, as in Python: -2 is the
   * penultimate one. Layers above the highest are neither computed nor loaded.
   * @throws ArgumentError if there is no such layer, an id is not in the vocabulary, or the mask has another shape.
   */
  async hiddenStates(inputIds: Tensor<"int64">, layers: readonly number[], options: HiddenStatesOptions = {}): Promise<readonly Tensor[]> {
    const checked = checkOptions(options, MASK_FIELDS, { call: `${this.className}.hiddenStates` });
    return this.states(this.textFeeds(inputIds, checked), this.layersFrom(layers));
  }

  /** The output of `forward`: the last of the hidden states, and all of them if they are wanted. */
  protected async outputOf(isAll = false, read: (wanted: States) => Promise<readonly Tensor[]>): Promise<LanguageModelOutput> {
    const { numHiddenLayers: last } = this.decoder;
    const states = await read(isAll ? Array.from({ length: last + 1 }, (_, i) => i) : [last]);
    return { lastHiddenState: states.at(-1) as Tensor, ...(isAll && { hiddenStates: states }) };
  }

  /** The numbers of hidden states, counted from the first one. @throws ArgumentError if there is no such state. */
  protected layersFrom(layers: readonly number[]): States {
    const count = this.decoder.numHiddenLayers + 1;
    return layers.map((layer) => {
      if (Number.isInteger(layer) && layer >= -count && layer < count) return layer < 0 ? layer + count : layer;
      throw wrongArgument("layers", layer, `whole numbers from ${-count} to ${count - 1}`, { type: "number" });
    });
  }

  /** The hidden states `wanted`. */
  protected async states(feeds: Feeds, wanted: States): Promise<Tensor[]> {
    const outputs = await this.run(`states ${wanted}`, feeds, async (inputs, w) =>
      statesAsOutputs(await decoderStates(this.embed(inputs, w), inputs, this.root(w), this.decoder, wanted)),
    );
    return statesFrom(outputs);
  }

  /** The token embeddings [batch, tokens, hidden_size]. */
  protected embed(inputs: Readonly<Record<string, Value>>, w: Scope): Value {
    const { vocabSize, hiddenSize } = this.decoder;
    return embedding(inputs.input_ids as Value, this.root(w).at("embed_tokens"), vocabSize, hiddenSize);
  }

  /** The place of the decoder's tensors. */
  private root(w: Scope): Scope {
    const places = this.prefixes.map((prefix) => (prefix === "" ? w : w.at(prefix)));
    return places.find((place) => place.has("embed_tokens")) ?? (places.at(-1) as Scope);
  }

  /** What a run is fed with whose tokens are at the positions 0, 1, 2, ... */
  protected textFeeds(inputIds: Tensor<"int64">, { attentionMask }: HiddenStatesOptions): TextFeeds {
    const { vocabSize, headDim } = this.decoder;
    expectShape("inputIds", inputIds, ["batch", "tokens"], ["int64"]);
    const [batch = 0, tokens = 0] = inputIds.shape;
    if (attentionMask) expectShape("attentionMask", attentionMask, [batch, tokens], ["int64"]);
    expectVocabulary(inputIds, vocabSize);
    const positions = Array.from({ length: tokens }, (_, i) => [i]);
    const { cos, sin } = rotaryTables(positions, { axes: [headDim], theta: this.theta, isSingle: true });
    return { input_ids: inputIds, cos, sin, mask: causalMask(tokens, attentionMask) };
  }
}

/** The hidden states `wanted` of a decoder, in that order. Only the layers that they need are written. */
async function decoderStates(
  start: Value,
  { cos, sin, rows, mask }: Readonly<Record<string, Value>>,
  w: Scope,
  options: LanguageModelConfig & QwenDecoderOptions,
  wanted: States,
): Promise<Value[]> {
  const { numHiddenLayers, rmsNormEps } = options;
  const inputs: QwenAttentionInputs = { rotary: { cos: cos as Value, sin: sin as Value }, rows, mask: mask as Value };
  const states = [start];
  for (let i = 0; i < Math.max(...wanted); i++) {
    states.push(qwenDecoderLayer(states[i] as Value, w.at("layers", i), options, inputs));
    await pageTurn();
  }
  const last = states[numHiddenLayers];
  if (last) states[numHiddenLayers] = rmsNorm(last, w.at("norm"), rmsNormEps);
  return wanted.map((layer) => states[layer] as Value);
}

/** @throws ConfigError if the heads of a config cannot be computed. */
export function checkHeads(
  owner: string,
  { numAttentionHeads, numKeyValueHeads, headDim }: Pick<QwenDecoderOptions, "numAttentionHeads" | "numKeyValueHeads" | "headDim">,
): void {
  if (numAttentionHeads % numKeyValueHeads !== 0) {
    throw new ConfigError(
      `${owner}: num_attention_heads is ${numAttentionHeads}; expected a multiple of num_key_value_heads, ${numKeyValueHeads}`,
    );
  }
  if (headDim % 2 !== 0) throw new ConfigError(`${owner}: head_dim is ${headDim}; expected an even number`);
}
