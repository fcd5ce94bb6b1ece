import { ArgumentError } from "../errors.js";
import { concat, Tensor } from "../tensor/tensor.js";
import { expectInteger, promptList } from "./arguments.js";
import { negativeList, type PromptOptions, promptCount, type TextEncoder, tokenizePrompts } from "./encode-prompt.js";

/** The texts of a Stable Diffusion XL call, or their embeddings made beforehand. */
export interface PromptOptionsXL extends PromptOptions {
  /** Another text for the second text encoder; `prompt` by default. */
  readonly prompt2?: string | readonly string[];
  /** Another negative text for the second text encoder; `negativePrompt` by default. */
  readonly negativePrompt2?: string | readonly string[];
  /** With promptEmbeds: the second text encoder's pooled embedding [batch, width]. */
  readonly pooledPromptEmbeds?: Tensor;
  /** With negativePromptEmbeds: likewise. */
  readonly negativePooledPromptEmbeds?: Tensor;
}

/** Features of prompts: every token's [batch, tokens, features of both encoders], and pooled ones [batch, width]. */
export interface TextFeatures {
  readonly embeds: Tensor;
  readonly pooled: Tensor;
}

/**
 * Features of the prompts and, for guidance, of the negative prompts, each repeated for its pictures. Matches StableDiffusionXLPipeline.encode_prompt.
 * @param encoders the two of a base checkpoint, or the one of a refiner.
 * @param zerosForEmpty whether a negative prompt that was not given is all zeros instead of the empty text.
 */
export async function encodePromptXL(
  encoders: readonly TextEncoder[],
  options: PromptOptionsXL,
  { isGuided, zerosForEmpty }: { readonly isGuided: boolean; readonly zerosForEmpty: boolean },
): Promise<{ readonly positive: TextFeatures; readonly negative: TextFeatures | undefined }> {
  const { prompt = "", prompt2, negativePrompt, negativePrompt2, numImagesPerPrompt = 1, clipSkip } = options;
  const count = promptCount(options);
  if (clipSkip !== undefined) expectInteger("clipSkip", clipSkip, 0);
  const repeated = ({ embeds, pooled }: TextFeatures): TextFeatures => ({
    embeds: embeds.repeatInterleave(numImagesPerPrompt),
    pooled: pooled.repeatInterleave(numImagesPerPrompt),
  });
  const first = promptList("prompt", prompt);
  const positive =
    given("promptEmbeds", options.promptEmbeds, options.pooledPromptEmbeds) ??
    (await encodeTexts(encoders, [first, sameCount("prompt2", prompt2, first)], clipSkip));
  if (!isGuided) return { positive: repeated(positive), negative: undefined };

  const negativeGiven = given("negativePromptEmbeds", options.negativePromptEmbeds, options.negativePooledPromptEmbeds);
  if (negativeGiven) return { positive: repeated(positive), negative: repeated(negativeGiven) };
  if (negativePrompt === undefined && zerosForEmpty) {
    const zeros = { embeds: Tensor.zeros(positive.embeds.shape), pooled: Tensor.zeros(positive.pooled.shape) };
    return { positive: repeated(positive), negative: repeated(zeros) };
  }
  const negatives = negativeList(negativePrompt, count);
  const texts = [negatives, negativePrompt2 === undefined || negativePrompt2 === "" ? negatives : negativeList(negativePrompt2, count)];
  return { positive: repeated(positive), negative: repeated(await encodeTexts(encoders, texts, undefined)) };
}

/** Every encoder's features beside each other; the pooled ones are the last's. */
async function encodeTexts(
  encoders: readonly TextEncoder[],
  texts: readonly (readonly string[])[],
  clipSkip: number | undefined,
): Promise<TextFeatures> {
  const outputs = await Promise.all(
    encoders.map(({ tokenizer, model }, i) => model.forward(tokenizePrompts(tokenizer, texts[i] ?? []), { outputHiddenStates: true })),
  );
  const states = outputs.map(({ hiddenStates = [] }) => {
    // XL looks at the penultimate layer; clipSkip counts from there.
    const state = hiddenStates.at(-(2 + (clipSkip ?? 0)));
    if (!state) throw new ArgumentError(`clipSkip is ${clipSkip}; the text encoder has only ${hiddenStates.length - 1} layers`);
    return state;
  });
  const last = outputs.at(-1);
  if (!last || !("textEmbeds" in last))
    throw new ArgumentError("the last text encoder of Stable Diffusion XL must be a CLIPTextModelWithProjection");
  return { embeds: concat(states, -1), pooled: last.textEmbeds as Tensor };
}

function given(name: string, embeds: Tensor | undefined, pooled: Tensor | undefined): TextFeatures | undefined {
  if (!embeds) return undefined;
  if (!pooled) throw new ArgumentError(`${name} were given without their pooled ones; Stable Diffusion XL needs both`);
  return { embeds, pooled };
}

function sameCount(name: string, texts: string | readonly string[] | undefined, prompts: readonly string[]): readonly string[] {
  if (texts === undefined || texts === "") return prompts;
  const list = promptList(name, texts);
  if (list.length === prompts.length) return list;
  if (list.length === 1) return prompts.map(() => list[0] as string);
  throw new ArgumentError(`${list.length} texts were given as ${name} for ${prompts.length} prompts; expected one, or one for each`);
}
