import { ArgumentError } from "../errors.js";
import type { CLIPTextModel } from "../models/clip-text.js";
import { expectShape } from "../models/expect-shape.js";
import type { Tensor } from "../tensor/tensor.js";
import type { CLIPTokenizer } from "../tokenizer/clip.js";
import { warn } from "../warnings.js";
import { promptList } from "./arguments.js";

/** The texts of a call, or their embeddings made beforehand. */
export interface PromptOptions {
  /** What the picture shows: a text, or a list with one for each picture. */
  readonly prompt?: string | readonly string[];
  /** What it must not show; "" by default. A single text serves every prompt. */
  readonly negativePrompt?: string | readonly string[];
  /** Instead of prompt: the text encoder's features [batch, tokens, features]. */
  readonly promptEmbeds?: Tensor;
  /** Instead of negativePrompt: features of the same shape. */
  readonly negativePromptEmbeds?: Tensor;
  /** Pictures for each prompt. */
  readonly numImagesPerPrompt?: number;
  /** Layers of the text encoder left out at the end, for the prompt alone as in diffusers. */
  readonly clipSkip?: number;
}

/** A prompt as the UNet wants it, a row for each picture. */
export interface EncodedPrompt {
  readonly promptEmbeds: Tensor;
  /** Only where guidance asks for it. */
  readonly negativePromptEmbeds: Tensor | undefined;
}

/** A text encoder and the tokenizer that feeds it, by the encoder's subfolder. */
export interface TextEncoder {
  readonly name: "text_encoder" | "text_encoder_2";
  readonly tokenizer: CLIPTokenizer;
  readonly model: CLIPTextModel;
}

/** How many prompts a call has. @throws ArgumentError unless exactly one of prompt and promptEmbeds is given. */
export function promptCount({ prompt, promptEmbeds, negativePrompt, negativePromptEmbeds }: PromptOptions): number {
  if ((prompt === undefined) === (promptEmbeds === undefined)) {
    const found = prompt === undefined ? "neither prompt nor promptEmbeds was given" : "both prompt and promptEmbeds were given";
    throw new ArgumentError(`${found}; expected one of them`);
  }
  if (negativePrompt !== undefined && negativePromptEmbeds !== undefined) {
    throw new ArgumentError("both negativePrompt and negativePromptEmbeds were given; expected at most one of them");
  }
  return prompt === undefined ? (promptEmbeds?.shape[0] ?? 0) : promptList("prompt", prompt).length;
}

/**
 * Features of the prompts and, for guidance, of the negative prompts, each repeated for its pictures. Matches StableDiffusionPipeline.encode_prompt.
 * @throws ArgumentError if the numbers of prompts and negative prompts differ, or embeddings do not match in shape.
 */
export async function encodePrompt(
  tokenizer: CLIPTokenizer,
  textEncoder: CLIPTextModel,
  options: PromptOptions,
  isGuided: boolean,
): Promise<EncodedPrompt> {
  const { prompt = "", numImagesPerPrompt = 1, clipSkip } = options;
  const count = promptCount(options);
  if (options.promptEmbeds) expectShape("promptEmbeds", options.promptEmbeds, ["batch", "tokens", textEncoder.config.hiddenSize]);
  const embed = async (texts: readonly string[], maxLength: number | undefined, skip: number | undefined) => {
    const { lastHiddenState } = await textEncoder.forward(tokenizePrompts(tokenizer, texts, maxLength), { clipSkip: skip });
    return lastHiddenState;
  };
  const promptEmbeds = options.promptEmbeds ?? (await embed(promptList("prompt", prompt), undefined, clipSkip));
  if (!isGuided) return { promptEmbeds: promptEmbeds.repeatInterleave(numImagesPerPrompt), negativePromptEmbeds: undefined };

  const negatives = negativeList(options.negativePrompt, count);
  const negativePromptEmbeds = options.negativePromptEmbeds ?? (await embed(negatives, promptEmbeds.shape[1], undefined));
  if (String(negativePromptEmbeds.shape) !== String(promptEmbeds.shape)) {
    throw new ArgumentError(
      `negativePromptEmbeds are [${negativePromptEmbeds.shape}] and promptEmbeds [${promptEmbeds.shape}]; expected one shape`,
    );
  }
  return {
    promptEmbeds: promptEmbeds.repeatInterleave(numImagesPerPrompt),
    negativePromptEmbeds: negativePromptEmbeds.repeatInterleave(numImagesPerPrompt),
  };
}

/** Ids of prompts [batch, maxLength]; warns of what was cut off. */
export function tokenizePrompts(tokenizer: CLIPTokenizer, texts: readonly string[], maxLength?: number): Tensor<"int64"> {
  const { inputIds, truncated } = tokenizer.tokenize(texts, { maxLength });
  for (const cut of truncated) {
    if (cut) warn(`the prompt is longer than ${inputIds.shape[1]} tokens, all that the text encoder takes; cut off: "${cut}"`);
  }
  return inputIds;
}

/** One negative prompt for each of `count` prompts. */
export function negativeList(negativePrompt: string | readonly string[] = "", count: number): readonly string[] {
  const list = promptList("negativePrompt", negativePrompt);
  if (list.length === count) return list;
  if (typeof negativePrompt === "string") return Array.from({ length: count }, () => negativePrompt);
  throw new ArgumentError(`${list.length} negative prompts were given for ${count} prompts; expected one text, or one for each`);
}
