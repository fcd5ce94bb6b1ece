import type { Qwen3Model } from "../../models/qwen3.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { Qwen2Tokenizer } from "../../tokenizer/qwen2.js";
import { warn } from "../../warnings.js";
import { promptList } from "../shared/arguments.js";
import { expectTextParts } from "../shared/missing-parts.js";
import { constant, type PerStep } from "../shared/per-step.js";
import { negativePrompts, type PromptInput, promptCount, type TextEmbeds } from "./prompt-options.js";
import { givenEmbeds, joinRagged, type RaggedFeatures, splitRagged } from "./ragged-features.js";
import { recallStates } from "./recall-states.js";
import { type EncodedPrompt, type EncodingFor, mapFeatures, type TextEncoders } from "./text-encoders.js";

/** What reads the prompts of Z-Image. */
export interface ZImageReading {
  readonly textEncoder: Qwen3Model | null;
  readonly tokenizer: Qwen2Tokenizer | null;
  /** Width of the features that the transformer takes. */
  readonly width: number;
}

/** The prompts of a call. */
export interface ZImagePrompts extends PromptInput<TextEmbeds> {
  readonly maxSequenceLength?: number | undefined;
}

/** The most tokens of a prompt by default, with those of the chat. */
const MOST_TOKENS = 512;
/** The hidden states that are read: those before the last layer. */
const PENULTIMATE = -2;

/**
 * Qwen3 as Z-Image reads prompts: each is a message of a chat, and its features are those of all its tokens before the last layer. Matches
 * encode_prompt of diffusers' ZImagePipeline.
 */
export class ZImageTextEncoders implements TextEncoders<ZImagePrompts, RaggedFeatures> {
  constructor(private readonly reading: ZImageReading) {}

  async encode(options: ZImagePrompts, { isGuided }: EncodingFor): Promise<PerStep<EncodedPrompt<RaggedFeatures>>> {
    const { prompt, negativePrompt, promptEmbeds, negativePromptEmbeds, numImagesPerPrompt = 1, maxSequenceLength } = options;
    const given = (name: string, embeds: TextEmbeds) => givenEmbeds(name, embeds, this.reading.width);
    const read = (name: string, texts: readonly string[]) => this.read(name, texts, maxSequenceLength ?? MOST_TOKENS);
    const repeated = (list: readonly Tensor[]) => mapFeatures(joinRagged(list), (each) => each.repeatInterleave(numImagesPerPrompt));
    const count = promptCount(options);
    const positive = promptEmbeds
      ? given("promptEmbeds", promptEmbeds)
      : await read("prompt", promptList("prompt", prompt as string | readonly string[]));
    if (!isGuided) return constant({ positive: repeated(positive) });
    const negative = negativePromptEmbeds
      ? given("negativePromptEmbeds", negativePromptEmbeds)
      : await read("negativePrompt", negativePrompts(negativePrompt, count));
    return constant({ positive: repeated(positive), negative: repeated(negative) });
  }

  /** Features [tokens, width] of each text. */
  private async read(name: string, texts: readonly string[], maxLength: number): Promise<readonly Tensor[]> {
    const { textEncoder, tokenizer } = this.reading;
    const missing = Object.entries({ textEncoder, tokenizer }).flatMap(([part, value]) => (value ? [] : part));
    if (!textEncoder || !tokenizer) return expectTextParts(missing) as never;
    // A text that several pictures share is read once.
    const different = [...new Set(texts)];
    const chats = different.map((content) =>
      tokenizer.applyChatTemplate([{ role: "user", content }], { addGenerationPrompt: true, enableThinking: true }),
    );
    const { inputIds, attentionMask, truncated } = tokenizer.tokenize(chats, { maxLength, truncation: true });
    if (truncated.some((cut) => cut !== undefined)) warn(`${name} is longer than ${maxLength} tokens, so its end is cut off`);
    const [promptEmbeds] = await recallStates(textEncoder, inputIds, [PENULTIMATE], { attentionMask });
    const features = splitRagged({ promptEmbeds: promptEmbeds as Tensor, promptEmbedsMask: attentionMask.to("float32") });
    return texts.map((text) => features[different.indexOf(text)] as Tensor);
  }
}
