import "../../src/hub/open-checkpoint.js";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { DType } from "../../src/tensor/dtype.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import type { TokenBatch } from "../../src/tokenizer/batch.js";
import type { ChatMessage } from "../../src/tokenizer/chat-template.js";
import { CLIPTokenizer } from "../../src/tokenizer/clip.js";
import { Qwen2Tokenizer } from "../../src/tokenizer/qwen2.js";
import { T5Tokenizer } from "../../src/tokenizer/t5.js";
import type { ParityCase } from "./cases.js";
import { type Comparison, exactly, NotSupported } from "./comparison.js";

interface TokenizerMeta {
  readonly checkpoint: string;
  readonly model_max_length?: number;
  readonly max_length?: number;
  readonly cases: readonly { readonly text: string; readonly ids: readonly number[] }[];
  readonly chats?: readonly Chat[];
}

interface Chat {
  readonly messages: readonly ChatMessage[];
  readonly enable_thinking: boolean;
  readonly text: string;
  readonly ids: readonly number[];
}

/** What every tokenizer does. */
interface AnyTokenizer {
  readonly modelMaxLength: number;
  encode(text: string): number[];
  tokenize(
    text: string,
    options: { maxLength: number; padding: "max_length"; truncation: true },
  ): Pick<TokenBatch, "inputIds"> & Partial<TokenBatch>;
}

const TOKENIZERS: Readonly<Record<string, { fromPretrained(path: string): Promise<AnyTokenizer> }>> = {
  CLIPTokenizer,
  Qwen2Tokenizer,
  T5Tokenizer,
};

/** Tokenizes prompts: whole, and padded and cut to the stored length. Applies chat templates. */
export async function compareTokenizer({ meta, tensors }: ParityCase, { checkpoints }: { checkpoints: string }): Promise<Comparison[]> {
  const { checkpoint, model_max_length: modelMaxLength, cases, chats = [] } = meta as unknown as TokenizerMeta;
  const path = join(checkpoints, checkpoint);
  const { tokenizer_class: className } = JSON.parse(readFileSync(join(path, "tokenizer_config.json"), "utf8"));
  const known = TOKENIZERS[className];
  if (!known) throw new NotSupported(className);
  const tokenizer = await known.fromPretrained(path);
  const padded = tensors();
  return [
    ...(modelMaxLength === undefined ? [] : [exactly("model_max_length", [tokenizer.modelMaxLength], [modelMaxLength])]),
    ...cases.flatMap(({ text, ids }, i) => {
      const whole = exactly(`ids of ${JSON.stringify(text.slice(0, 40))}`, tokenizer.encode(text), ids);
      return [whole, ...comparePadded(tokenizer, text, padded[`padded.${i}`], padded[`mask.${i}`], i)];
    }),
    ...chats.flatMap((chat, i) => compareChat(tokenizer as Qwen2Tokenizer, chat, i)),
  ];
}

function comparePadded(
  tokenizer: AnyTokenizer,
  text: string,
  ids: Tensor<DType> | undefined,
  mask: Tensor<DType> | undefined,
  i: number,
): Comparison[] {
  if (!ids) return [];
  const { inputIds, attentionMask } = tokenizer.tokenize(text, { maxLength: ids.size, padding: "max_length", truncation: true });
  const own = exactly(`padded.${i}`, inputIds.reshape(ids.shape), ids);
  return mask && attentionMask ? [own, exactly(`mask.${i}`, attentionMask.reshape(mask.shape), mask)] : [own];
}

function compareChat(tokenizer: Qwen2Tokenizer, { messages, enable_thinking, text, ids }: Chat, i: number): Comparison[] {
  const own = tokenizer.applyChatTemplate(messages, { addGenerationPrompt: true, enableThinking: enable_thinking });
  const codes = (each: string) => Array.from(each, (character) => character.codePointAt(0) as number);
  return [exactly(`text of chat ${i}`, codes(own), codes(text)), exactly(`ids of chat ${i}`, tokenizer.encode(own), ids)];
}
