import "../../src/hub/open-checkpoint.js";
import { join } from "node:path";
import { CLIPTokenizer } from "../../src/tokenizer/clip.js";
import type { ParityCase } from "./cases.js";
import { type Comparison, exactly } from "./comparison.js";

interface TokenizerMeta {
  readonly checkpoint: string;
  readonly model_max_length?: number;
  readonly cases: readonly { readonly text: string; readonly ids: readonly number[] }[];
}

/** Tokenizes prompts: whole, and padded and cut to the stored length. */
export async function compareTokenizer({ meta, tensors }: ParityCase, { checkpoints }: { checkpoints: string }): Promise<Comparison[]> {
  const { checkpoint, model_max_length: modelMaxLength, cases } = meta as unknown as TokenizerMeta;
  const tokenizer = await CLIPTokenizer.fromPretrained(join(checkpoints, checkpoint));
  const padded = tensors();
  return [
    ...(modelMaxLength === undefined ? [] : [exactly("model_max_length", [tokenizer.modelMaxLength], [modelMaxLength])]),
    ...cases.flatMap(({ text, ids }, i) => {
      const expected = padded[`padded.${i}`];
      const whole = exactly(`ids of ${JSON.stringify(text.slice(0, 40))}`, tokenizer.encode(text), ids);
      if (!expected) return [whole];
      const { inputIds } = tokenizer.tokenize(text, { maxLength: expected.size });
      return [whole, exactly(`padded.${i}`, inputIds.reshape(expected.shape), expected)];
    }),
  ];
}
