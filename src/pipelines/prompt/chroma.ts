import { ArgumentError } from "../../errors.js";
import { expectShape } from "../../models/expect-shape.js";
import type { T5EncoderModel } from "../../models/t5-encoder.js";
import { type Fields, tensor } from "../../options/fields.js";
import { Tensor } from "../../tensor/tensor.js";
import type { T5Tokenizer } from "../../tokenizer/t5.js";
import { firstTexts, type LongPromptInput, PromptReader, type RowTexts, type Side } from "./read-prompts.js";
import { readT5 } from "./t5-features.js";

/** The texts of a call to Chroma, or their features. */
export interface ChromaPromptOptions extends LongPromptInput {
  /** With `promptEmbeds`: [batch, tokens], 1 for tokens that the transformer attends to, 0 for the others. */
  readonly promptAttentionMask?: Tensor | undefined;
  /** With `negativePromptEmbeds`: the same for them. */
  readonly negativePromptAttentionMask?: Tensor | undefined;
}

/** Fields of the options that {@link ChromaPromptOptions} adds to those of every pipeline. */
export const CHROMA_PROMPT_FIELDS: Fields<Pick<ChromaPromptOptions, "promptAttentionMask" | "negativePromptAttentionMask">> = {
  promptAttentionMask: tensor,
  negativePromptAttentionMask: tensor,
};

/** Features of Chroma's prompts. */
export type ChromaFeatures = {
  /** T5's features of every token [rows, tokens, features]. */
  readonly promptEmbeds: Tensor;
  /** [rows, tokens]: 1 for the text and the first token of its padding, 0 for the rest. */
  readonly promptAttentionMask: Tensor;
};

/** What reads Chroma's prompts. */
export interface ChromaReading {
  readonly textEncoder: T5EncoderModel | null;
  readonly tokenizer: T5Tokenizer | null;
  /** Width of the features that the transformer takes, joint_attention_dim. */
  readonly width: number;
}

/** The most tokens of a prompt by default. */
const MOST_TOKENS = 512;

/**
 * T5 as Chroma reads prompts: no token attends to padding, and the transformer attends to the first token of padding alone. Matches
 * encode_prompt of diffusers' ChromaPipeline.
 */
export class ChromaTextEncoders extends PromptReader<ChromaPromptOptions, ChromaFeatures> {
  constructor(private readonly reading: ChromaReading) {
    super();
  }

  get missing(): readonly string[] {
    const { textEncoder, tokenizer } = this.reading;
    return Object.entries({ textEncoder, tokenizer }).flatMap(([name, part]) => (part ? [] : [name]));
  }

  protected given(options: ChromaPromptOptions, side: Side): ChromaFeatures | undefined {
    const [name, maskName] =
      side === "positive"
        ? (["promptEmbeds", "promptAttentionMask"] as const)
        : (["negativePromptEmbeds", "negativePromptAttentionMask"] as const);
    const [promptEmbeds, promptAttentionMask] = [options[name], options[maskName]];
    if (!promptEmbeds) return undefined;
    expectShape(name, promptEmbeds, ["batch", "tokens", this.reading.width]);
    if (!promptAttentionMask) {
      throw new ArgumentError(`${name} were given without ${maskName}; this pipeline needs both`, { argument: name });
    }
    expectShape(maskName, promptAttentionMask, promptEmbeds.shape.slice(0, 2));
    return { promptEmbeds, promptAttentionMask };
  }

  protected texts(options: ChromaPromptOptions, side: Side, count: number): readonly RowTexts[] {
    return firstTexts(options, side, count).map((text) => [text]);
  }

  protected async read(rows: readonly RowTexts[], { maxSequenceLength = MOST_TOKENS }: ChromaPromptOptions): Promise<ChromaFeatures> {
    const { textEncoder: model, tokenizer } = this.reading as { textEncoder: T5EncoderModel; tokenizer: T5Tokenizer };
    const { embeds, mask } = await readT5({ model, tokenizer }, rows.flat(), maxSequenceLength, true);
    return { promptEmbeds: embeds, promptAttentionMask: withFirstPad(mask) };
  }
}

/** The mask with the first token of each row's padding. */
function withFirstPad({ data, shape }: Tensor<"int64">): Tensor {
  const [, tokens = 0] = shape;
  return Tensor.from(
    Float32Array.from(data, (each, i) => Number(each === 1n || (i % tokens > 0 && data[i - 1] === 1n))),
    shape,
  );
}
