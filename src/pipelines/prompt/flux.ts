import { ArgumentError } from "../../errors.js";
import type { CLIPTextModel } from "../../models/clip-text.js";
import { expectShape } from "../../models/expect-shape.js";
import type { T5EncoderModel } from "../../models/t5-encoder.js";
import { type Fields, tensor, texts } from "../../options/fields.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { CLIPTokenizer } from "../../tokenizer/clip.js";
import type { T5Tokenizer } from "../../tokenizer/t5.js";
import { firstTexts, furtherTexts, type LongPromptInput, PromptReader, type RowTexts, type Side, warnOfCuts } from "./read-prompts.js";
import { readT5 } from "./t5-features.js";

/** The texts of a call to a pipeline with CLIP's and T5's text encoders, or their features. */
export interface FluxPromptOptions extends LongPromptInput {
  /** Another text for T5; `prompt` by default. */
  readonly prompt2?: string | readonly string[] | undefined;
  /** Another negative text for T5; `negativePrompt` by default. */
  readonly negativePrompt2?: string | readonly string[] | undefined;
  /** With `promptEmbeds`: CLIP's pooled features [batch, width]. */
  readonly pooledPromptEmbeds?: Tensor | undefined;
  /** With `negativePromptEmbeds`: their pooled features. */
  readonly negativePooledPromptEmbeds?: Tensor | undefined;
}

/** Fields of the options that {@link FluxPromptOptions} adds to those of every pipeline. */
export const FLUX_PROMPT_FIELDS: Fields<
  Pick<FluxPromptOptions, "prompt2" | "negativePrompt2" | "pooledPromptEmbeds" | "negativePooledPromptEmbeds">
> = { prompt2: texts, negativePrompt2: texts, pooledPromptEmbeds: tensor, negativePooledPromptEmbeds: tensor };

/** Features of FLUX.1's prompts. */
export type FluxFeatures = {
  /** T5's features of every token [rows, tokens, features]. */
  readonly promptEmbeds: Tensor;
  /** CLIP's features of the whole text [rows, width]. */
  readonly pooledPromptEmbeds: Tensor;
};

/** What reads FLUX.1's prompts. */
export interface FluxReading {
  readonly textEncoder: CLIPTextModel | null;
  readonly tokenizer: CLIPTokenizer | null;
  readonly textEncoder2: T5EncoderModel | null;
  readonly tokenizer2: T5Tokenizer | null;
  /** Widths of the features that the transformer takes: joint_attention_dim, and pooled_projection_dim. */
  readonly widths: readonly [tokens: number, pooled: number];
}

/** The most tokens of a prompt by default. */
const MOST_TOKENS = 512;

/**
 * CLIP and T5 as FLUX.1 reads prompts: CLIP's pooled features, and T5's of all 512 tokens, padding too, which is not masked. Matches
 * encode_prompt of diffusers' FluxPipeline.
 */
export class FluxTextEncoders extends PromptReader<FluxPromptOptions, FluxFeatures> {
  constructor(private readonly reading: FluxReading) {
    super();
  }

  get missing(): readonly string[] {
    const { textEncoder, tokenizer, textEncoder2, tokenizer2 } = this.reading;
    return Object.entries({ textEncoder, tokenizer, textEncoder2, tokenizer2 }).flatMap(([name, part]) => (part ? [] : [name]));
  }

  protected given(options: FluxPromptOptions, side: Side): FluxFeatures | undefined {
    return givenWithPooled(options, side, this.reading.widths);
  }

  protected texts(options: FluxPromptOptions, side: Side, count: number): readonly RowTexts[] {
    const first = firstTexts(options, side, count);
    const second =
      side === "positive"
        ? furtherTexts("prompt2", options.prompt2, first)
        : furtherTexts("negativePrompt2", options.negativePrompt2, first);
    return first.map((text, i) => [text, second[i] as string]);
  }

  protected async read(rows: readonly RowTexts[], { maxSequenceLength = MOST_TOKENS }: FluxPromptOptions): Promise<FluxFeatures> {
    const reading = this.reading as { readonly [Part in keyof FluxReading]: NonNullable<FluxReading[Part]> };
    const [first, second] = [0, 1].map((place) => rows.map((row) => row[place] as string)) as [string[], string[]];
    const { inputIds, truncated } = reading.tokenizer.tokenize(first);
    warnOfCuts(truncated, inputIds.shape[1] ?? 0, "CLIP's text encoder");
    const { textEncoder } = reading;
    const { poolerOutput } = await textEncoder.recall("pooled", [inputIds], async () => ({
      poolerOutput: (await textEncoder.forward(inputIds)).poolerOutput,
    }));
    const { embeds } = await readT5({ model: reading.textEncoder2, tokenizer: reading.tokenizer2 }, second, maxSequenceLength);
    return { promptEmbeds: embeds, pooledPromptEmbeds: poolerOutput };
  }
}

/** Features of the request with pooled ones. @throws ArgumentError if the pooled ones are missing, or a shape does not fit. */
export function givenWithPooled(
  options: FluxPromptOptions,
  side: Side,
  [width, pooledWidth]: readonly [tokens: number, pooled: number],
): FluxFeatures | undefined {
  const [name, pooledName] =
    side === "positive"
      ? (["promptEmbeds", "pooledPromptEmbeds"] as const)
      : (["negativePromptEmbeds", "negativePooledPromptEmbeds"] as const);
  const [promptEmbeds, pooledPromptEmbeds] = [options[name], options[pooledName]];
  if (!promptEmbeds) return undefined;
  expectShape(name, promptEmbeds, ["batch", "tokens", width]);
  if (!pooledPromptEmbeds) {
    throw new ArgumentError(`${name} were given without ${pooledName}; this pipeline needs both`, { argument: name });
  }
  expectShape(pooledName, pooledPromptEmbeds, [promptEmbeds.shape[0] ?? 0, pooledWidth]);
  return { promptEmbeds, pooledPromptEmbeds };
}
