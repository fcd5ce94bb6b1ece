import { ArgumentError } from "../../errors.js";
import { type Field, field, isListOf } from "../../options/fields.js";
import { Tensor } from "../../tensor/tensor.js";
import type { TextEmbeds } from "./prompt-options.js";

// Features of texts that have different numbers of tokens. Requests have them as a list; runs have them as one tensor with a mask.

/** Features of several texts, filled up with zeros to the longest. */
export type RaggedFeatures = {
  /** [rows, tokens, features] */
  readonly promptEmbeds: Tensor;
  /** [rows, tokens]: 1 for the tokens of the text, which come first, and 0 for what fills it up. */
  readonly promptEmbedsMask: Tensor;
};

/** The field of features in a request: a tensor, or a list of them. */
export const textEmbeds: Field<TextEmbeds> = field<TextEmbeds>(
  (value) => isTensor(value) || isListOf(value, isTensor),
  "a float32 Tensor, or a list of them, one for each prompt",
);

function isTensor(value: unknown): boolean {
  return value instanceof Tensor && value.dtype === "float32";
}

/**
 * Features of a request: a list of [tokens, width], or a tensor [texts, tokens, width].
 * @throws ArgumentError for a tensor of another shape; `name` is the option
 */
export function givenEmbeds(name: string, embeds: TextEmbeds, width: number): readonly Tensor[] {
  const list = embeds instanceof Tensor ? (embeds.shape.length === 3 ? rowsOf(embeds) : [embeds]) : embeds;
  for (const { shape } of list) {
    if (shape.length === 2 && shape[0] !== 0 && shape[1] === width) continue;
    throw new ArgumentError(`${name} has a tensor [${shape}]; expected [tokens, ${width}] for each prompt`, { argument: name });
  }
  return list;
}

/** Features [tokens, width] of each text as one tensor with a mask. */
export function joinRagged(list: readonly Tensor[]): RaggedFeatures {
  const [rows, tokens, width] = [list.length, Math.max(...list.map(({ shape }) => shape[0] ?? 0)), list[0]?.shape[1] ?? 0];
  const [embeds, mask] = [new Float32Array(rows * tokens * width), new Float32Array(rows * tokens)];
  for (const [row, { data, shape }] of list.entries()) {
    embeds.set(data, row * tokens * width);
    mask.fill(1, row * tokens, row * tokens + (shape[0] ?? 0));
  }
  return { promptEmbeds: Tensor.from(embeds, [rows, tokens, width]), promptEmbedsMask: Tensor.from(mask, [rows, tokens]) };
}

/** The opposite of {@link joinRagged}. */
export function splitRagged({ promptEmbeds, promptEmbedsMask }: RaggedFeatures): Tensor[] {
  const lengths = rowsOf(promptEmbedsMask).map(({ data }) => data.reduce((sum, each) => sum + each, 0));
  return rowsOf(promptEmbeds).map((row, i) => row.slice(0, lengths[i] ?? 0));
}

/** The rows of a tensor, without their first axis. */
function rowsOf(tensor: Tensor): Tensor[] {
  return tensor.chunk(tensor.shape[0] ?? 0).map((row) => row.reshape(row.shape.slice(1)));
}
