import { ArgumentError } from "../../errors.js";
import { wrongArgument } from "../../given.js";
import type { CLIPTextModel } from "../../models/clip-text.js";
import { expectShape } from "../../models/expect-shape.js";
import { type Fields, oneOf, tensor, texts, whole } from "../../options/fields.js";
import { Tensor } from "../../tensor/tensor.js";
import type { CLIPTokenizer } from "../../tokenizer/clip.js";
import { promptList } from "../shared/arguments.js";
import { expectTextParts } from "../shared/missing-parts.js";
import { constant, derive, type PerStep } from "../shared/per-step.js";
import { PlainPromptWarnings } from "./plain-prompt-warnings.js";
import { joinEncoders, mapFeatures, type TextFeatures } from "./text-features.js";
import { encodeWeighted } from "./weighted-prompt.js";

const PROMPT_SYNTAXES = ["plain", "a1111"] as const;

/** How prompts are read: word by word, or with AUTOMATIC1111's brackets. */
export type PromptSyntax = (typeof PROMPT_SYNTAXES)[number];

/** The texts of a call, or their embeddings made beforehand. */
export interface PromptOptions {
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

export const PROMPT_FIELDS: Fields<PromptOptions> = {
  prompt: texts,
  negativePrompt: texts,
  promptEmbeds: tensor,
  negativePromptEmbeds: tensor,
  numImagesPerPrompt: whole(1),
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

/** A text encoder and the tokenizer that feeds it, by the encoder's subfolder. */
export interface TextEncoder {
  readonly name: "text_encoder" | "text_encoder_2";
  readonly tokenizer: CLIPTokenizer;
  readonly model: CLIPTextModel;
}

/** How a family of checkpoints reads texts. */
export interface PromptReader {
  /** Their features stand beside each other; the pooled ones are the last's. */
  readonly encoders: readonly TextEncoder[];
  /** What the family takes of a text encoder's output for ids [rows, tokens]. */
  readonly read: (model: CLIPTextModel, inputIds: Tensor<"int64">, clipSkip: number | undefined) => Promise<TextFeatures>;
  /** Parts that are needed to read texts and that the pipeline does not have, by property name. */
  readonly missing: readonly string[];
  /** Width of the pooled features, for families that use them; "width" where it is not known. */
  readonly pooledWidth?: number | "width" | undefined;
  /** A negative prompt that was not given is all zeros instead of the empty text. */
  readonly zerosForEmpty?: boolean | undefined;
}

/** Prompts as the UNet wants them, a row for each picture. */
export interface EncodedPrompt {
  readonly positive: TextFeatures;
  /** Only where guidance asks for it. */
  readonly negative?: TextFeatures | undefined;
}

/** For each encoder a text for each row; nothing where features are there already. */
export interface PromptTexts {
  readonly positive?: readonly (readonly string[])[] | undefined;
  readonly negative?: readonly (readonly string[])[] | undefined;
}

/** What encoding texts depends on, besides them. */
export interface EncodeOptions {
  readonly clipSkip: number | undefined;
  /** Tokens of the features that are there already. */
  readonly tokens: number | undefined;
  /** Steps of the run; where it is not known, no text may change with the step. */
  readonly steps: number | undefined;
}

/** Features of {@link PromptTexts}. */
export interface EncodedTexts {
  readonly positive?: PerStep<TextFeatures> | undefined;
  readonly negative?: PerStep<TextFeatures> | undefined;
}

/** How many prompts a call has. @throws ArgumentError unless exactly one of prompt and promptEmbeds is given. */
export function promptCount({ prompt, promptEmbeds, negativePrompt, negativePromptEmbeds }: PromptOptions): number {
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

/**
 * Features of the prompts and, for guidance, of the negative prompts, each repeated for its pictures. Matches encode_prompt of
 * StableDiffusionPipeline and StableDiffusionXLPipeline for plain prompts.
 * @param options.steps those of the run; without them no prompt may change with the step.
 * @throws ArgumentError if the numbers of prompts and negative prompts differ, or embeddings do not match in shape.
 */
export async function encodePrompt(
  reader: PromptReader,
  options: PromptOptionsXL,
  { isGuided, steps }: { readonly isGuided: boolean; readonly steps?: number },
): Promise<PerStep<EncodedPrompt>> {
  const { promptSyntax = "plain", negativePrompt, numImagesPerPrompt = 1, clipSkip } = options;
  if (!PROMPT_SYNTAXES.includes(promptSyntax))
    throw wrongArgument("promptSyntax", promptSyntax, `one of ${PROMPT_SYNTAXES.join(", ")}`, { type: "string" });
  const count = promptCount(options);
  const given = givenFeatures(reader, "promptEmbeds", options.promptEmbeds, options.pooledPromptEmbeds);
  const negativeGiven = isGuided
    ? givenFeatures(reader, "negativePromptEmbeds", options.negativePromptEmbeds, options.negativePooledPromptEmbeds)
    : undefined;
  const isZeros = negativePrompt === undefined && !negativeGiven && reader.zerosForEmpty === true;
  const texts: PromptTexts = {
    positive: given ? undefined : positiveTexts(options),
    negative: !isGuided || negativeGiven || isZeros ? undefined : negativeTexts(options, count),
  };
  if (texts.positive || texts.negative) expectTextParts(reader.missing);
  const encode = promptSyntax === "a1111" ? encodeWeighted : encodePlain;
  const encoded = await encode(reader, texts, { clipSkip, steps, tokens: (given ?? negativeGiven)?.embeds.shape[1] });

  const positive = encoded.positive ?? constant(given as TextFeatures);
  const repeated = (features: TextFeatures) => mapFeatures(features, (tensor) => tensor.repeatInterleave(numImagesPerPrompt));
  if (!isGuided) return derive([positive], (features) => ({ positive: repeated(features) }));
  const zeros = () => mapFeatures(positive.at(1), ({ shape }) => Tensor.zeros(shape));
  const negative = encoded.negative ?? constant(negativeGiven ?? zeros());
  expectSameShape(positive.at(1), negative.at(1));
  return derive([positive, negative], (features, opposite) => ({
    positive: repeated(features),
    negative: repeated(opposite as TextFeatures),
  }));
}

/** Features as diffusers makes them: prompts cut to what the text encoder takes, which is told. */
async function encodePlain(reader: PromptReader, texts: PromptTexts, { clipSkip, tokens }: EncodeOptions): Promise<EncodedTexts> {
  const warnings = new PlainPromptWarnings();
  const encode = async (side: "positive" | "negative", maxLength: number | undefined, skip: number | undefined) => {
    const rows = texts[side];
    if (!rows) return undefined;
    const read = reader.encoders.map(({ tokenizer, model }, i) => {
      const { inputIds, truncated } = tokenizer.tokenize(rows[i] ?? [], { maxLength });
      warnings.warnOf(side === "positive" ? "the prompt" : "the negative prompt", rows[i] ?? [], truncated, inputIds.shape[1] ?? 0);
      return reader.read(model, inputIds, skip);
    });
    return constant(joinEncoders(await Promise.all(read)));
  };
  const positive = await encode("positive", undefined, clipSkip);
  // The negative prompt is as long as the prompt, and nothing of the encoder is left out for it, in diffusers.
  return { positive, negative: await encode("negative", positive?.at(1).embeds.shape[1] ?? tokens, undefined) };
}

function positiveTexts({ prompt = "", prompt2 }: PromptOptionsXL): readonly (readonly string[])[] {
  const first = promptList("prompt", prompt);
  if (prompt2 === undefined || prompt2 === "") return [first, first];
  const second = promptList("prompt2", prompt2);
  if (second.length === first.length) return [first, second];
  if (second.length === 1) return [first, first.map(() => second[0] as string)];
  throw new ArgumentError(`${second.length} texts were given as prompt2 for ${first.length} prompts; expected one, or one for each`, {
    argument: "prompt2",
  });
}

function negativeTexts({ negativePrompt, negativePrompt2 }: PromptOptionsXL, count: number): readonly (readonly string[])[] {
  const first = negativeList(negativePrompt, count);
  return [first, negativePrompt2 === undefined || negativePrompt2 === "" ? first : negativeList(negativePrompt2, count)];
}

/** One negative prompt for each of `count` prompts. */
function negativeList(negativePrompt: string | readonly string[] = "", count: number): readonly string[] {
  const list = promptList("negativePrompt", negativePrompt);
  if (list.length === count) return list;
  if (typeof negativePrompt === "string") return Array.from({ length: count }, () => negativePrompt);
  throw new ArgumentError(`${list.length} negative prompts were given for ${count} prompts; expected one text, or one for each`, {
    argument: "negativePrompt",
  });
}

function givenFeatures(
  { encoders, missing, pooledWidth }: PromptReader,
  name: "promptEmbeds" | "negativePromptEmbeds",
  embeds: Tensor | undefined,
  pooled: Tensor | undefined,
): TextFeatures | undefined {
  if (!embeds) return undefined;
  const width = missing.length > 0 ? "features" : encoders.reduce((sum, { model }) => sum + model.config.hiddenSize, 0);
  expectShape(name, embeds, ["batch", "tokens", width]);
  if (pooledWidth === undefined) return { embeds };
  if (!pooled) throw new ArgumentError(`${name} were given without their pooled ones; Stable Diffusion XL needs both`, { argument: name });
  expectShape(name === "promptEmbeds" ? "pooledPromptEmbeds" : "negativePooledPromptEmbeds", pooled, [embeds.shape[0] ?? 0, pooledWidth]);
  return { embeds, pooled };
}

function expectSameShape({ embeds: positive }: TextFeatures, { embeds: negative }: TextFeatures): void {
  if (String(negative.shape) === String(positive.shape)) return;
  throw new ArgumentError(`negativePromptEmbeds are [${negative.shape}] and promptEmbeds [${positive.shape}]; expected one shape`, {
    argument: "negativePromptEmbeds",
    hint: "encode prompt and negative prompt in one call of encodePrompt",
  });
}
