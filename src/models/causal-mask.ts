import { Tensor } from "../tensor/tensor.js";

/** Added to the score of a token that is not attended to. */
export const LOWEST_SCORE = -3.4028234663852886e38;

/**
 * What is added to attention's scores [batch or 1, 1, tokens, tokens] so that no token attends to later ones and to padding. Without an
 * `attentionMask` [batch, tokens] (1 for tokens, 0 for padding), one mask serves the batch.
 */
export function causalMask(tokens: number, attentionMask?: Tensor<"int64">): Tensor {
  const rows = attentionMask?.data.some((each) => each === 0n) ? attentionMask : undefined;
  const batch = rows?.shape[0] ?? 1;
  const mask = new Float32Array(batch * tokens * tokens);
  for (let row = 0; row < batch; row++) {
    const isPadding = Array.from({ length: tokens }, (_, i) => rows?.data[row * tokens + i] === 0n);
    for (let i = 0; i < tokens; i++) {
      const start = (row * tokens + i) * tokens;
      for (let k = 0; k < tokens; k++) if (k > i || isPadding[k]) mask[start + k] = LOWEST_SCORE;
    }
  }
  return Tensor.from(mask, [batch, 1, tokens, tokens]);
}
