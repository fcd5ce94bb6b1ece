import { ArgumentError } from "../errors.js";
import type { Tensor } from "../tensor/tensor.js";

/** @throws ArgumentError if an id is not in the vocabulary of `size` tokens. */
export function expectVocabulary(inputIds: Tensor<"int64">, size: number): void {
  const unknown = inputIds.data.find((id) => id < 0n || id >= BigInt(size));
  if (unknown === undefined) return;
  throw new ArgumentError(`token ${unknown} is not in the text encoder's vocabulary of ${size}`, {
    hint: "the tokenizer and the text encoder belong to different checkpoints",
  });
}
