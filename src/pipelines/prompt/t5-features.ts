import type { T5EncoderModel } from "../../models/t5-encoder.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { T5Tokenizer } from "../../tokenizer/t5.js";
import { warnOfCuts } from "./read-prompts.js";

/** A T5 text encoder and its tokenizer. */
export interface T5Reading {
  readonly model: T5EncoderModel;
  readonly tokenizer: T5Tokenizer;
}

/** Features of texts, and which of their tokens are text. */
export interface T5Features {
  /** [texts, tokens, features] */
  readonly embeds: Tensor;
  /** int64 [texts, tokens]: 1 for tokens, 0 for padding. */
  readonly mask: Tensor<"int64">;
}

/** Features of texts that are padded and cut to `maxLength` tokens. With `isMasked`, no token attends to padding. */
export async function readT5(
  { model, tokenizer }: T5Reading,
  texts: readonly string[],
  maxLength: number,
  isMasked = false,
): Promise<T5Features> {
  const { inputIds, attentionMask, truncated } = tokenizer.tokenize(texts, { maxLength, padding: "max_length", truncation: true });
  warnOfCuts(truncated, maxLength, (name) => name("maxSequenceLength"));
  const mask = isMasked ? { attentionMask } : {};
  const { lastHiddenState } = await model.recall("features", [inputIds, ...Object.values(mask)], async () => {
    const output = await model.forward(inputIds, mask);
    return { lastHiddenState: output.lastHiddenState };
  });
  return { embeds: lastHiddenState, mask: attentionMask };
}
