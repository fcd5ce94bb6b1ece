import { type Fields, flag, oneOf, whole } from "../options/fields.js";
import { Tensor } from "../tensor/tensor.js";

/** Options of `tokenize` of tokenizers for long texts. */
export interface BatchTokenizeOptions {
  /** The length for `padding: "max_length"` and `truncation`; by default the tokenizer's `modelMaxLength`. */
  readonly maxLength?: number | undefined;
  /** Pad every text to `maxLength`, or to the longest text of the batch (default). */
  readonly padding?: "max_length" | "longest" | undefined;
  /** Whether texts are cut to `maxLength` tokens; false by default. */
  readonly truncation?: boolean | undefined;
}

export const BATCH_FIELDS: Fields<BatchTokenizeOptions> = {
  maxLength: whole(1),
  padding: oneOf("max_length", "longest"),
  truncation: flag,
};

/** Texts as the input of a text encoder. */
export interface TokenBatch {
  /** `[batch, tokens]` */
  readonly inputIds: Tensor<"int64">;
  /** `[batch, tokens]`: 1 for tokens of the text, 0 for padding. */
  readonly attentionMask: Tensor<"int64">;
}

/** Texts as the input of a text encoder, and what was cut off. */
export interface TokenizedTexts extends TokenBatch {
  /** The part that was cut off the end of each text; undefined if nothing was cut off. */
  readonly truncated: readonly (string | undefined)[];
}

/** Rows of ids as one tensor. All are padded at the end to the longest one, and at least to `width`. */
export function padRows(rows: readonly (readonly number[])[], padTokenId: number, width = 0): TokenBatch {
  const tokens = rows.reduce((longest, row) => Math.max(longest, row.length), width);
  const ids = new BigInt64Array(rows.length * tokens).fill(BigInt(padTokenId));
  const mask = new BigInt64Array(ids.length);
  rows.forEach((row, i) => {
    ids.set(row.map(BigInt), i * tokens);
    mask.fill(1n, i * tokens, i * tokens + row.length);
  });
  const shape = [rows.length, tokens];
  return { inputIds: new Tensor("int64", shape, ids), attentionMask: new Tensor("int64", shape, mask) };
}
