import { ArgumentError } from "../../errors.js";
import { wrongArgument } from "../../given.js";
import { expectShape } from "../../models/expect-shape.js";
import { Tensor } from "../../tensor/tensor.js";
import { promptList } from "../shared/arguments.js";
import { expectTextParts } from "../shared/missing-parts.js";
import { constant, derive, type PerStep } from "../shared/per-step.js";
import type { ClipFeatures, ClipReading, ClipTextEncoder, PromptTexts } from "./clip-features.js";
import { encodePlain } from "./plain-prompt.js";
import { negativePrompts, PROMPT_SYNTAXES, type PromptOptionsXL, promptCount } from "./prompt-options.js";
import { furtherTexts } from "./read-prompts.js";
import { type EncodedPrompt, type EncodingFor, mapFeatures, type TextEncoders } from "./text-encoders.js";
import { encodeWeighted } from "./weighted-prompt.js";

/** CLIP's text encoders as Stable Diffusion 1, 2 and XL use them. */
export class ClipTextEncoders implements TextEncoders<PromptOptionsXL, ClipFeatures> {
  constructor(private readonly reading: ClipReading) {}

  /** The text encoders, in the order in which their features are joined. */
  get list(): readonly ClipTextEncoder[] {
    return this.reading.encoders;
  }

  /** Parts that are needed to read prompts and that the pipeline does not have, by property name. */
  get missing(): readonly string[] {
    return this.reading.missing;
  }

  /**
   * Matches encode_prompt of StableDiffusionPipeline and StableDiffusionXLPipeline for plain prompts.
   * @throws ArgumentError if the numbers of prompts and negative prompts differ, or embeddings do not match in shape.
   */
  async encode(options: PromptOptionsXL, { isGuided, steps }: EncodingFor): Promise<PerStep<EncodedPrompt<ClipFeatures>>> {
    const { reading } = this;
    const { promptSyntax = "plain", negativePrompt, numImagesPerPrompt = 1, clipSkip } = options;
    if (!PROMPT_SYNTAXES.includes(promptSyntax))
      throw wrongArgument("promptSyntax", promptSyntax, `one of ${PROMPT_SYNTAXES.join(", ")}`, { type: "string" });
    const count = promptCount(options);
    const given = givenFeatures(reading, "promptEmbeds", options.promptEmbeds, options.pooledPromptEmbeds);
    const negativeGiven = isGuided
      ? givenFeatures(reading, "negativePromptEmbeds", options.negativePromptEmbeds, options.negativePooledPromptEmbeds)
      : undefined;
    const isZeros = negativePrompt === undefined && !negativeGiven && reading.zerosForEmpty === true;
    const texts: PromptTexts = {
      positive: given ? undefined : positiveTexts(options),
      negative: !isGuided || negativeGiven || isZeros ? undefined : negativeTexts(options, count),
    };
    if (texts.positive || texts.negative) expectTextParts(reading.missing);
    const encode = promptSyntax === "a1111" ? encodeWeighted : encodePlain;
    const tokens = (given ?? negativeGiven)?.promptEmbeds.shape[1];
    const encoded = await loaded(reading.encoders, () => encode(reading, texts, { clipSkip, steps, tokens }));

    const positive = encoded.positive ?? constant(given as ClipFeatures);
    const repeated = (features: ClipFeatures) => mapFeatures(features, (tensor) => tensor.repeatInterleave(numImagesPerPrompt));
    if (!isGuided) return derive([positive], (features) => ({ positive: repeated(features) }));
    const zeros = () => mapFeatures(positive.at(1), ({ shape }) => Tensor.zeros(shape));
    const negative = encoded.negative ?? constant(negativeGiven ?? zeros());
    expectSameShape(positive.at(1), negative.at(1));
    return derive([positive, negative], (features, opposite) => ({
      positive: repeated(features),
      negative: repeated(opposite as ClipFeatures),
    }));
  }
}

/** Does `work`, during which the encoders that it uses stay loaded. */
function loaded<Result>(encoders: readonly ClipTextEncoder[], work: () => Promise<Result>): Promise<Result> {
  return encoders.reduce(
    (inner, { model }) =>
      () =>
        model.together(inner),
    work,
  )();
}

function positiveTexts({ prompt = "", prompt2 }: PromptOptionsXL): readonly (readonly string[])[] {
  const first = promptList("prompt", prompt);
  return [first, furtherTexts("prompt2", prompt2, first)];
}

function negativeTexts({ negativePrompt, negativePrompt2 }: PromptOptionsXL, count: number): readonly (readonly string[])[] {
  const first = negativePrompts(negativePrompt, count);
  return [first, negativePrompt2 === undefined || negativePrompt2 === "" ? first : negativePrompts(negativePrompt2, count)];
}

function givenFeatures(
  { encoders, missing, pooledWidth }: ClipReading,
  name: "promptEmbeds" | "negativePromptEmbeds",
  embeds: Tensor | undefined,
  pooled: Tensor | undefined,
): ClipFeatures | undefined {
  if (!embeds) return undefined;
  const width = missing.length > 0 ? "features" : encoders.reduce((sum, { model }) => sum + model.config.hiddenSize, 0);
  expectShape(name, embeds, ["batch", "tokens", width]);
  if (pooledWidth === undefined) return { promptEmbeds: embeds };
  if (!pooled) throw new ArgumentError(`${name} were given without their pooled ones; this pipeline needs both`, { argument: name });
  expectShape(name === "promptEmbeds" ? "pooledPromptEmbeds" : "negativePooledPromptEmbeds", pooled, [embeds.shape[0] ?? 0, pooledWidth]);
  return { promptEmbeds: embeds, pooledPromptEmbeds: pooled };
}

function expectSameShape({ promptEmbeds: positive }: ClipFeatures, { promptEmbeds: negative }: ClipFeatures): void {
  if (String(negative.shape) === String(positive.shape)) return;
  throw new ArgumentError(`negativePromptEmbeds are [${negative.shape}] and promptEmbeds [${positive.shape}]; expected one shape`, {
    argument: "negativePromptEmbeds",
    hint: "encode prompt and negative prompt in one call of encodePrompt",
  });
}
