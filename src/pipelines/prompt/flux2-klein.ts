import { expectShape } from "../../models/expect-shape.js";
import type { Qwen3Model } from "../../models/qwen3.js";
import { type Field, field, isListOf } from "../../options/fields.js";
import { concat, type Tensor } from "../../tensor/tensor.js";
import type { Qwen2Tokenizer } from "../../tokenizer/qwen2.js";
import { firstTexts, type LongPromptInput, PromptReader, type RowTexts, type Side, warnOfCuts } from "./read-prompts.js";
import { recallStates } from "./recall-states.js";

/** The texts of a call to FLUX.2 klein, or their features. */
export interface Flux2KleinPromptOptions extends LongPromptInput {
  /** The hidden states of the text encoder whose features are put side by side; [9, 18, 27] by default. */
  readonly textEncoderOutLayers?: readonly number[] | undefined;
}

/** The field of {@link Flux2KleinPromptOptions.textEncoderOutLayers}. */
export const outLayers: Field<readonly number[]> = field<readonly number[]>(
  (value) => isListOf(value, (each) => Number.isInteger(each)),
  "a list of whole numbers",
);

/** Features of klein's prompts. */
export type Flux2KleinFeatures = {
  /** [rows, tokens, features of all layers] */
  readonly promptEmbeds: Tensor;
};

/** What reads klein's prompts. */
export interface Flux2KleinReading {
  readonly textEncoder: Qwen3Model | null;
  readonly tokenizer: Qwen2Tokenizer | null;
  /** Width of the features that the transformer takes, joint_attention_dim. */
  readonly width: number;
}

/** The most tokens of a prompt by default, with those of the chat. */
const MOST_TOKENS = 512;
const OUT_LAYERS = [9, 18, 27];

/**
 * Qwen3 as FLUX.2 klein reads prompts: each is a message of a chat that is answered without thinking. Features of three layers are put side
 * by side, for all tokens, padding too. Matches encode_prompt of diffusers' Flux2KleinPipeline.
 */
export class Flux2KleinTextEncoders extends PromptReader<Flux2KleinPromptOptions, Flux2KleinFeatures> {
  constructor(private readonly reading: Flux2KleinReading) {
    super();
  }

  get missing(): readonly string[] {
    const { textEncoder, tokenizer } = this.reading;
    return Object.entries({ textEncoder, tokenizer }).flatMap(([name, part]) => (part ? [] : [name]));
  }

  protected given({ promptEmbeds, negativePromptEmbeds }: Flux2KleinPromptOptions, side: Side): Flux2KleinFeatures | undefined {
    const [name, embeds] = side === "positive" ? ["promptEmbeds", promptEmbeds] : ["negativePromptEmbeds", negativePromptEmbeds];
    if (!embeds) return undefined;
    expectShape(name as string, embeds as Tensor, ["batch", "tokens", this.reading.width]);
    return { promptEmbeds: embeds as Tensor };
  }

  protected texts(options: Flux2KleinPromptOptions, side: Side, count: number): readonly RowTexts[] {
    return firstTexts(options, side, count).map((text) => [text]);
  }

  protected async read(
    rows: readonly RowTexts[],
    { maxSequenceLength: maxLength = MOST_TOKENS, textEncoderOutLayers = OUT_LAYERS }: Flux2KleinPromptOptions,
  ): Promise<Flux2KleinFeatures> {
    const { textEncoder, tokenizer } = this.reading as { textEncoder: Qwen3Model; tokenizer: Qwen2Tokenizer };
    const chats = rows
      .flat()
      .map((content) => tokenizer.applyChatTemplate([{ role: "user", content }], { addGenerationPrompt: true, enableThinking: false }));
    const { inputIds, attentionMask, truncated } = tokenizer.tokenize(chats, { maxLength, padding: "max_length", truncation: true });
    warnOfCuts(truncated, maxLength, (name) => name("maxSequenceLength"));
    const states = await recallStates(textEncoder, inputIds, textEncoderOutLayers, { attentionMask });
    return { promptEmbeds: concat([...states], -1) };
  }
}
