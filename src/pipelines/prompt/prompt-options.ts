import { ArgumentError } from "../../errors.js";
import { type Fields, oneOf, tensor, texts, whole } from "../../options/fields.js";
import { Tensor } from "../../tensor/tensor.js";
import { promptList } from "../shared/arguments.js";

export const PROMPT_SYNTAXES = ["plain", "a1111"] as const;

/** How prompts are read: as plain text, or with the syntax of AUTOMATIC1111's web UI. */
export type PromptSyntax = (typeof PROMPT_SYNTAXES)[number];

/** Features of prompts in a request: one tensor, or a list with one for each prompt if they have different numbers of tokens. */
export type TextEmbeds = Tensor | readonly Tensor[];

/** The texts of a call, or their embeddings made beforehand, whatever the text encoders are. */
export interface PromptInput<Embeds extends TextEmbeds = Tensor> {
  /** The prompt: one text, or a list with one for each picture. */
  readonly prompt?: string | readonly string[];
  /** What the picture must not show; "" by default. A single text applies to all prompts. */
  readonly negativePrompt?: string | readonly string[] | undefined;
  /** Instead of `prompt`: the text encoder's features [batch, tokens, features]; for some pipelines a list with those of each prompt. */
  readonly promptEmbeds?: Embeds;
  /** Instead of `negativePrompt`: features as `promptEmbeds`. */
  readonly negativePromptEmbeds?: Embeds | undefined;
  /** Pictures for each prompt; 1 by default. */
  readonly numImagesPerPrompt?: number | undefined;
}

/** The texts of a call to a pipeline with CLIP's text encoder, or their embeddings made beforehand. */
export interface PromptOptions extends PromptInput {
  /**
   * How many of the text encoder's last layers are left out. As in diffusers this applies to the prompt alone; with `promptSyntax: "a1111"`
   * it applies to the negative prompt, too, as in the web UI.
   */
  readonly clipSkip?: number | undefined;
  /**
   * "plain" (default) reads prompts as diffusers does: every character is text, and a prompt that is too long for the text encoder is cut.
   *
   * "a1111" reads prompts and negative prompts as AUTOMATIC1111's web UI does:
   * - `(word)` gives a word the weight 1.1, `(word:1.3)` 1.3, and `[word]` 1 / 1.1. `\(` `\)` `\[` `\]` `\\` are the characters themselves.
   * Features are
   *   multiplied by the weights; then their mean is restored.
   * - Nothing is cut. Every 75 tokens are one chunk; each chunk is encoded alone, and the chunks' features are joined. A chunk ends at its
   * last comma if that
   * is near its end; `BREAK` ends a chunk at once. All texts of a call get the same number of chunks: shorter ones are filled up with
   * chunks of the
   *   empty prompt (the web UI's option pad_cond_uncond). XL's pooled features are those of the first chunk.
   * - `[from:to:when]` replaces a text after step `when`, or, if `when` has a point, after that fraction of the steps. `[to:when]` adds a
   * text,
   * `[from::when]` removes one, `[a|b]` alternates with every step. Only the steps of the run count: with `strength` or `denoisingStart` a
   * run
   *   has fewer steps. A scheduler that evaluates the network twice in a step uses one text for both.
   * - `AND` between prompts and `<lora:...>` tags are errors.
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
  /** With `promptEmbeds`: the second text encoder's pooled features [batch, width]. */
  readonly pooledPromptEmbeds?: Tensor | undefined;
  /** With `negativePromptEmbeds`: their pooled features. */
  readonly negativePooledPromptEmbeds?: Tensor | undefined;
}

export const PROMPT_FIELDS_XL: Fields<PromptOptionsXL> = {
  ...PROMPT_FIELDS,
  prompt2: texts,
  negativePrompt2: texts,
  pooledPromptEmbeds: tensor,
  negativePooledPromptEmbeds: tensor,
};

/** Options with a prompt, or with embeddings in its place. */
export type Prompted<Options, Embeds extends TextEmbeds = Tensor> = Options & (WithPrompt | WithPromptEmbeds<Embeds>);

/** A call with a prompt. */
export interface WithPrompt {
  /** The prompt: one text, or a list with one for each picture. */
  readonly prompt: string | readonly string[];
}

/** A call with embeddings in place of a prompt. */
export interface WithPromptEmbeds<Embeds extends TextEmbeds = Tensor> {
  /** The text encoder's features [batch, tokens, features]; for some pipelines a list with those of each prompt [tokens, features]. */
  readonly promptEmbeds: Embeds;
}

/** How many prompts a call has. @throws ArgumentError unless exactly one of prompt and promptEmbeds is given. */
export function promptCount({ prompt, promptEmbeds, negativePrompt, negativePromptEmbeds }: PromptInput<TextEmbeds>): number {
  if ((prompt === undefined) === (promptEmbeds === undefined)) {
    const found = prompt === undefined ? "neither prompt nor promptEmbeds was given" : "both prompt and promptEmbeds were given";
    throw new ArgumentError(`${found}; expected one of them`, { argument: "prompt" });
  }
  if (negativePrompt !== undefined && negativePromptEmbeds !== undefined) {
    throw new ArgumentError("both negativePrompt and negativePromptEmbeds were given; expected at most one of them", {
      argument: "negativePrompt",
    });
  }
  return prompt === undefined ? embedsCount(promptEmbeds) : promptList("prompt", prompt).length;
}

/** How many prompts features are of. */
function embedsCount(embeds: TextEmbeds | undefined): number {
  return (embeds instanceof Tensor ? embeds.shape[0] : embeds?.length) ?? 0;
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
