import type { CLIPTextModelWithProjection } from "../../models/clip-text.js";
import type { T5EncoderModel } from "../../models/t5-encoder.js";
import { type Fields, texts, whole } from "../../options/fields.js";
import { concat, Tensor } from "../../tensor/tensor.js";
import type { CLIPTokenizer } from "../../tokenizer/clip.js";
import type { T5Tokenizer } from "../../tokenizer/t5.js";
import { FLUX_PROMPT_FIELDS, type FluxFeatures, type FluxPromptOptions, givenWithPooled } from "./flux.js";
import { readPenultimate } from "./penultimate-layer.js";
import { firstTexts, furtherTexts, PromptReader, type RowTexts, type Side, warnOfCuts } from "./read-prompts.js";
import { readT5 } from "./t5-features.js";

/** The texts of a call to Stable Diffusion 3, or their features. */
export interface StableDiffusion3PromptOptions extends FluxPromptOptions {
  /** Another text for the second text encoder; `prompt` by default. */
  readonly prompt2?: string | readonly string[] | undefined;
  /** Another text for T5; `prompt` by default. */
  readonly prompt3?: string | readonly string[] | undefined;
  /** Another negative text for the second text encoder; `negativePrompt` by default. */
  readonly negativePrompt2?: string | readonly string[] | undefined;
  /** Another negative text for T5; `negativePrompt` by default. */
  readonly negativePrompt3?: string | readonly string[] | undefined;
  /** How many of the last layers of CLIP's text encoders are left out. As in diffusers this applies to the prompt alone. */
  readonly clipSkip?: number | undefined;
}

/** Fields of the options that {@link StableDiffusion3PromptOptions} adds to those of every pipeline. */
export const STABLE_DIFFUSION_3_PROMPT_FIELDS: Fields<
  Omit<
    StableDiffusion3PromptOptions,
    "prompt" | "negativePrompt" | "promptEmbeds" | "negativePromptEmbeds" | "numImagesPerPrompt" | "maxSequenceLength"
  >
> = { ...FLUX_PROMPT_FIELDS, prompt3: texts, negativePrompt3: texts, clipSkip: whole(0) };

/** What reads the prompts of Stable Diffusion 3. */
export interface StableDiffusion3Reading {
  readonly textEncoder: CLIPTextModelWithProjection | null;
  readonly tokenizer: CLIPTokenizer | null;
  readonly textEncoder2: CLIPTextModelWithProjection | null;
  readonly tokenizer2: CLIPTokenizer | null;
  /** T5; without it and its tokenizer, its features are zeros. */
  readonly textEncoder3: T5EncoderModel | null;
  readonly tokenizer3: T5Tokenizer | null;
  /** Widths of the features that the transformer takes: joint_attention_dim, and pooled_projection_dim. */
  readonly widths: readonly [tokens: number, pooled: number];
}

/** The most tokens of a prompt for T5 by default. */
const MOST_TOKENS = 256;

/**
 * Two of CLIP's text encoders and T5 as Stable Diffusion 3 reads prompts (Esser et al. 2024): CLIP's penultimate features side by side,
 * filled up to T5's width, then T5's tokens. The pooled features are both of CLIP's side by side. Matches encode_prompt of diffusers'
 * StableDiffusion3Pipeline.
 */
export class StableDiffusion3TextEncoders extends PromptReader<StableDiffusion3PromptOptions, FluxFeatures> {
  constructor(private readonly reading: StableDiffusion3Reading) {
    super();
  }

  get missing(): readonly string[] {
    const { textEncoder, tokenizer, textEncoder2, tokenizer2, textEncoder3, tokenizer3 } = this.reading;
    const needed = { textEncoder, tokenizer, textEncoder2, tokenizer2, ...(textEncoder3 && { tokenizer3 }) };
    return Object.entries(needed).flatMap(([name, part]) => (part ? [] : [name]));
  }

  protected given(options: StableDiffusion3PromptOptions, side: Side): FluxFeatures | undefined {
    return givenWithPooled(options, side, this.reading.widths);
  }

  protected texts(options: StableDiffusion3PromptOptions, side: Side, count: number): readonly RowTexts[] {
    const first = firstTexts(options, side, count);
    const further = (name: "prompt2" | "prompt3" | "negativePrompt2" | "negativePrompt3") => furtherTexts(name, options[name], first);
    const [second, third] =
      side === "positive" ? [further("prompt2"), further("prompt3")] : [further("negativePrompt2"), further("negativePrompt3")];
    return first.map((text, i) => [text, second[i] as string, third[i] as string]);
  }

  protected override readsAlike({ clipSkip = 0 }: StableDiffusion3PromptOptions): boolean {
    return clipSkip === 0;
  }

  protected async read(rows: readonly RowTexts[], options: StableDiffusion3PromptOptions, side: Side): Promise<FluxFeatures> {
    const { textEncoder, tokenizer, textEncoder2, tokenizer2, widths } = this.reading;
    const clipSkip = side === "positive" ? options.clipSkip : undefined;
    const column = (place: number) => rows.map((row) => row[place] as string);
    const first = await readClip(textEncoder, tokenizer, column(0), clipSkip);
    const second = await readClip(textEncoder2, tokenizer2, column(1), clipSkip);
    const clip = concat([first.promptEmbeds, second.promptEmbeds], -1);
    const t5 = await this.readT5(column(2), options.maxSequenceLength ?? MOST_TOKENS);
    return {
      promptEmbeds: concat([filledUp(clip, t5.shape[2] ?? widths[0]), t5], 1),
      pooledPromptEmbeds: concat([first.pooledPromptEmbeds, second.pooledPromptEmbeds], -1),
    };
  }

  /** T5's features, or zeros without T5. */
  private async readT5(texts: readonly string[], maxLength: number): Promise<Tensor> {
    const { textEncoder3: model, tokenizer3: tokenizer, widths } = this.reading;
    if (!model || !tokenizer) return Tensor.zeros([texts.length, maxLength, widths[0]]);
    return (await readT5({ model, tokenizer }, texts, maxLength)).embeds;
  }
}

async function readClip(
  model: CLIPTextModelWithProjection | null,
  tokenizer: CLIPTokenizer | null,
  texts: readonly string[],
  clipSkip: number | undefined,
): Promise<FluxFeatures> {
  const { inputIds, truncated } = (tokenizer as CLIPTokenizer).tokenize(texts);
  warnOfCuts(truncated, inputIds.shape[1] ?? 0, "CLIP's text encoder");
  return (await readPenultimate(model as CLIPTextModelWithProjection, inputIds, clipSkip)) as FluxFeatures;
}

/** x [rows, tokens, features] with zeros after its features, up to `width`. */
function filledUp(x: Tensor, width: number): Tensor {
  const [rows = 0, tokens = 0, features = 0] = x.shape;
  return width === features ? x : concat([x, Tensor.zeros([rows, tokens, width - features])], -1);
}
