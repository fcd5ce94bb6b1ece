import { ArgumentError } from "../../errors.js";
import { type Fields, oneOf, tensor, texts, whole } from "../../options/fields.js";
import type { Tensor } from "../../tensor/tensor.js";
import { promptList } from "../shared/arguments.js";

export const PROMPT_SYNTAXES = ["plain", "a1111"] as const;

/** How prompts are read: word by word, or with AUTOMATIC1111's brackets. */
export type PromptSyntax = (typeof PROMPT_SYNTAXES)[number];

/** The texts of a call, or their embeddings made beforehand, whatever the text encoders are. */
export interface PromptInput {
  /** The prompt: one text, or a list with one for each picture. */
  readonly prompt?: string | readonly string[];
  /** What it must not show; "" by default. A single text serves every prompt. */
  readonly negativePrompt?: string | readonly string[] | undefined;
  /** Instead of prompt: the text encoder's features [batch, tokens, features]. */
  readonly promptEmbeds?: Tensor;
  /** Instead of negativePrompt: features of the same shape. */
  readonly negativePromptEmbeds?: Tensor | undefined;
  /** Pictures for each prompt. */
  readonly numImagesPerPrompt?: number | undefined;
}

/** The texts of a call to a pipeline with CLIP's text encoder, or their embeddings made beforehand. */
export interface PromptOptions extends PromptInput {
  /** Layers of the text encoder left out at the end: for the prompt alone as in diffusers, with `promptSyntax: "a1111"` for both as there. */
  readonly clipSkip?: number | undefined;
  /**
   * "plain" (default) reads prompts as diffusers does: every character is text, and what is longer than the text encoder takes is cut.
   *
   * "a1111" reads them as AUTOMATIC1111's web UI does, prompts and negative prompts alike:
   * - `(word)` draws attention by 1.1, `(word:1.3)` by 1.3, `[word]` by 1 / 1.1; `\(` `\)` `\[` `\]` `\\` are the characters themselves. The
   *   features are multiplied by these weights and brought back to their mean.
   * - Nothing is cut: every 75 tokens are a chunk that is encoded on its own, and chunks stand one after the other. A chunk ends at the last comma
   *   if that is near; `BREAK` ends it at once. Of a call's texts, prompt or negative, those with fewer chunks are filled up with chunks of the
   *   empty prompt (the web UI's option pad_cond_uncond), so that all have one shape. XL's pooled features are those of the first chunk.
   * - `[from:to:when]` changes the prompt after step `when`, or, if `when` has a point, after that fraction of the steps; `[to:when]` adds,
   *   `[from::when]` takes away, `[a|b]` goes round with every step. Steps are those that are walked: with a `strength` or `denoisingStart`
   *   only the ones that are left. A scheduler that evaluates the network twice for a step stays at one text for both.
   * - `AND` between prompts and `<lora:...>` tags are refused with an error.
   */
  readonly promptSyntax?: PromptSyntax | undefined;
}

export const PROMPT_INPUT_FIELDS: Fields<PromptInput> = {
  prompt: texts,
  negativePrompt: texts,
  promptEmbeds: tensor,
  negativePromptEmbeds: tensor,
  numImagesPerPrompt: whole(1),
};

export const PROMPT_FIELDS: Fields<PromptOptions> = {
  ...PROMPT_INPUT_FIELDS,
  clipSkip: whole(0),
  promptSyntax: oneOf(...PROMPT_SYNTAXES),
};

/** The texts of a call with two text encoders, or their embeddings made beforehand. */
export interface PromptOptionsXL extends PromptOptions {
  /** Another text for the second text encoder; `prompt` by default. */
  readonly prompt2?: string | readonly string[] | undefined;
  /** Another negative text for the second text encoder; `negativePrompt` by default. */
  readonly negativePrompt2?: string | readonly string[] | undefined;
  /** With promptEmbeds: the second text encoder's pooled embedding [batch, width]. */
  readonly pooledPromptEmbeds?: Tensor | undefined;
  /** With negativePromptEmbeds: likewise. */
  readonly negativePooledPromptEmbeds?: Tensor | undefined;
}

export const PROMPT_FIELDS_XL: Fields<PromptOptionsXL> = {
  ...PROMPT_FIELDS,
  prompt2: texts,
  negativePrompt2: texts,
  pooledPromptEmbeds: tensor,
  negativePooledPromptEmbeds: tensor,
};

/** Every call with a prompt has a prompt or its embeddings. */
export type Prompted<Options> = Options & (WithPrompt | WithPromptEmbeds);

/** A call with a prompt. */
export interface WithPrompt {
  /** The prompt: one text, or a list with one for each picture. */
  readonly prompt: string | readonly string[];
}

/** A call with embeddings in place of a prompt. */
export interface WithPromptEmbeds {
  /** The text encoder's features [batch, tokens, features]. */
  readonly promptEmbeds: Tensor;
}

/** How many prompts a call has. @throws ArgumentError unless exactly one of prompt and promptEmbeds is given. */
export function promptCount({ prompt, promptEmbeds, negativePrompt, negativePromptEmbeds }: PromptInput): number {
  if ((prompt === undefined) === (promptEmbeds === undefined)) {
    const found = prompt === undefined ? "neither prompt nor promptEmbeds was given" : "both prompt and promptEmbeds were given";
    throw new ArgumentError(`${found}; expected one of them`, { argument: "prompt" });
  }
  if (negativePrompt !== undefined && negativePromptEmbeds !== undefined) {
    throw new ArgumentError("both negativePrompt and negativePromptEmbeds were given; expected at most one of them", {
      argument: "negativePrompt",
    });
  }
  return prompt === undefined ? (promptEmbeds?.shape[0] ?? 0) : promptList("prompt", prompt).length;
}

/** One negative prompt for each of `count` prompts; a single text serves all. @throws ArgumentError for a list of another length. */
export function negativePrompts(negativePrompt: string | readonly string[] = "", count: number): readonly string[] {
  const list = promptList("negativePrompt", negativePrompt);
  if (list.length === count) return list;
  if (typeof negativePrompt === "string") return Array.from({ length: count }, () => negativePrompt);
  throw new ArgumentError(`${list.length} negative prompts were given for ${count} prompts; expected one text, or one for each`, {
    argument: "negativePrompt",
  });
}
