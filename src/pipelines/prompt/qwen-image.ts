import { ArgumentError } from "../../errors.js";
import { halfToEven } from "../../image/half-to-even.js";
import type { Picture } from "../../image/picture.js";
import type { Qwen2VLImageProcessor } from "../../image/qwen2-vl-image-processor.js";
import { resize } from "../../image/resize.js";
import { expectShape } from "../../models/expect-shape.js";
import type { Qwen2_5_VLForConditionalGeneration } from "../../models/qwen2-5-vl.js";
import { type Fields, tensor } from "../../options/fields.js";
import { concat, Tensor } from "../../tensor/tensor.js";
import type { TokenBatch } from "../../tokenizer/batch.js";
import type { Qwen2Tokenizer } from "../../tokenizer/qwen2.js";
import { firstTexts, type LongPromptInput, PromptReader, type RowTexts, type Side, warnOfCuts } from "./read-prompts.js";
import { recallStates } from "./recall-states.js";

/** The texts of a call to Qwen-Image, or their features. */
export interface QwenImagePromptOptions extends LongPromptInput {
  /** With `promptEmbeds`: [batch, tokens], 1 for tokens of the text, 0 for what fills it up; all are text by default. */
  readonly promptEmbedsMask?: Tensor | undefined;
  /** With `negativePromptEmbeds`: the same for them. */
  readonly negativePromptEmbedsMask?: Tensor | undefined;
}

/** Fields of the options that {@link QwenImagePromptOptions} adds to those of every pipeline. */
export const QWEN_IMAGE_PROMPT_FIELDS: Fields<Pick<QwenImagePromptOptions, "promptEmbedsMask" | "negativePromptEmbedsMask">> = {
  promptEmbedsMask: tensor,
  negativePromptEmbedsMask: tensor,
};

/** Features of Qwen-Image's prompts, filled up with zeros to the longest. */
export type QwenImageFeatures = {
  /** [rows, tokens, features] */
  readonly promptEmbeds: Tensor;
  /** [rows, tokens]: 1 for the tokens of the text, which come first, and 0 for what fills it up. */
  readonly promptEmbedsMask: Tensor;
};

/** What reads Qwen-Image's prompts. */
export interface QwenImageReading {
  readonly textEncoder: Qwen2_5_VLForConditionalGeneration | null;
  readonly tokenizer: Qwen2Tokenizer | null;
  /** Width of the features that the transformer takes, joint_attention_dim. */
  readonly width: number;
}

/** What reads the prompts of Qwen-Image-Edit. */
export interface QwenImageEditReading extends QwenImageReading {
  /** Makes pictures ready for the text encoder. */
  readonly processor: Qwen2VLImageProcessor | null;
}

/** A chat around a prompt, whose first tokens are not given to the transformer. */
interface Template {
  readonly before: string;
  readonly after: string;
  readonly dropped: number;
}

const AFTER = "<|im_end|>\n<|im_start|>assistant\n";
const TEMPLATE: Template = {
  before:
    "<|im_start|>system\nDescribe the image by detailing the color, shape, size, texture, quantity, text, spatial relationships of the objects and background:<|im_end|>\n<|im_start|>user\n",
  after: AFTER,
  dropped: 34,
};
const EDIT_TEMPLATE: Template = {
  before:
    "<|im_start|>system\nDescribe the key features of the input image (color, shape, size, texture, objects, background), then explain how the user's text instruction should alter or modify the image. Generate a new image that meets the user's requirements while maintaining consistency with the original input where appropriate.<|im_end|>\n<|im_start|>user\n",
  after: AFTER,
  dropped: 64,
};
/** The most tokens of a prompt that are read. */
const MOST_TOKENS = 1024;
/** Pixels of a picture that the text encoder sees, about. Its sides are multiples of the second number. */
const CONDITION_PIXELS = 384 * 384;
const CONDITION_SIDE = 32;
const IMAGE_PAD = "<|image_pad|>";

/** What both kinds of reading share. */
abstract class QwenImageReader extends PromptReader<QwenImagePromptOptions, QwenImageFeatures> {
  constructor(protected readonly reading: QwenImageReading) {
    super();
  }

  get missing(): readonly string[] {
    const { textEncoder, tokenizer } = this.reading;
    return Object.entries({ textEncoder, tokenizer }).flatMap(([name, part]) => (part ? [] : [name]));
  }

  protected given(options: QwenImagePromptOptions, side: Side): QwenImageFeatures | undefined {
    const [name, maskName] =
      side === "positive"
        ? (["promptEmbeds", "promptEmbedsMask"] as const)
        : (["negativePromptEmbeds", "negativePromptEmbedsMask"] as const);
    const [promptEmbeds, mask] = [options[name], options[maskName]];
    if (!promptEmbeds) return undefined;
    expectShape(name, promptEmbeds, ["batch", "tokens", this.reading.width]);
    const shape = promptEmbeds.shape.slice(0, 2);
    if (mask) expectShape(maskName, mask, shape);
    return { promptEmbeds, promptEmbedsMask: mask ?? Tensor.full(shape, 1) };
  }

  protected texts(options: QwenImagePromptOptions, side: Side, count: number): readonly RowTexts[] {
    return firstTexts(options, side, count).map((text) => [text]);
  }

  /** Without the columns that are text in no row. */
  protected override finish({ promptEmbeds, promptEmbedsMask: mask }: QwenImageFeatures): QwenImageFeatures {
    const [, tokens = 0] = mask.shape;
    const longest = mask.data.reduce((most, each, i) => (each === 0 ? most : Math.max(most, (i % tokens) + 1)), 1);
    return { promptEmbeds: promptEmbeds.slice(0, longest, 1), promptEmbedsMask: mask.slice(0, longest, 1) };
  }
}

/**
 * Qwen2.5-VL as Qwen-Image reads prompts: each is the user's message in a chat, and its features are those of the tokens from the message
 * on. Matches encode_prompt of diffusers' QwenImagePipeline.
 */
export class QwenImageTextEncoders extends QwenImageReader {
  protected async read(rows: readonly RowTexts[], { maxSequenceLength = MOST_TOKENS }: QwenImagePromptOptions): Promise<QwenImageFeatures> {
    const { textEncoder, tokenizer } = this.reading as { textEncoder: Qwen2_5_VLForConditionalGeneration; tokenizer: Qwen2Tokenizer };
    const { before, after, dropped } = TEMPLATE;
    if (maxSequenceLength > MOST_TOKENS) {
      throw new ArgumentError((name) => `${name("maxSequenceLength")} is ${maxSequenceLength}; at most ${MOST_TOKENS} tokens are read`, {
        argument: "maxSequenceLength",
      });
    }
    const chats = rows.flat().map((text) => `${before}${text}${after}`);
    const { truncated, ...batch } = tokenizer.tokenize(chats, { maxLength: MOST_TOKENS + dropped, truncation: true });
    warnOfCuts(truncated, MOST_TOKENS, "the text encoder");
    const [states] = await recallStates(textEncoder, batch.inputIds, [-1], { attentionMask: batch.attentionMask });
    const { promptEmbeds, promptEmbedsMask } = withoutTemplate(states as Tensor, batch, dropped);
    const end = Math.min(maxSequenceLength, promptEmbeds.shape[1] ?? 0);
    return { promptEmbeds: promptEmbeds.slice(0, end, 1), promptEmbedsMask: promptEmbedsMask.slice(0, end, 1) };
  }
}

/**
 * Qwen2.5-VL as Qwen-Image-Edit reads prompts: the message begins with the pictures, which the text encoder sees at 384 x 384 pixels or as
 * many. Its text is not cut. One is made for each call. Matches encode_prompt of diffusers' QwenImageEditPlusPipeline.
 */
export class QwenImageEditTextEncoders extends QwenImageReader {
  constructor(
    protected override readonly reading: QwenImageEditReading,
    private readonly pictures: readonly Picture[],
  ) {
    super(reading);
  }

  override get missing(): readonly string[] {
    return [...super.missing, ...(this.reading.processor ? [] : ["processor"])];
  }

  protected async read(rows: readonly RowTexts[]): Promise<QwenImageFeatures> {
    const { textEncoder, tokenizer, processor } = this.reading as {
      readonly [Part in keyof QwenImageEditReading]: NonNullable<QwenImageEditReading[Part]>;
    };
    const { before, after, dropped } = EDIT_TEMPLATE;
    const seen = this.pictures.map(conditionPicture);
    const patches = seen.length > 0 ? processor.preprocess(seen) : undefined;
    const features = patches && (await recallPictures(textEncoder, patches));
    const merged = processor.config.mergeSize ** 2;
    const placeholders = seen.map((_, i) => {
      const [frames = 0, across = 0, down = 0] = Array.from(patches?.imageGridThw.data.subarray(3 * i, 3 * i + 3) ?? [], Number);
      return `Picture ${i + 1}: <|vision_start|>${IMAGE_PAD.repeat((frames * across * down) / merged)}<|vision_end|>`;
    });
    const chats = rows.flat().map((text) => `${before}${placeholders.join("")}${text}${after}`);
    const { truncated: _, ...batch } = tokenizer.tokenize(chats);
    const imageEmbeds = features && concat(rows.map(() => features));
    const [states] = await recallStates(textEncoder, batch.inputIds, [-1], { attentionMask: batch.attentionMask, imageEmbeds });
    return withoutTemplate(states as Tensor, batch, dropped);
  }
}

/** Features of pictures [tokens, width]. Those of an earlier call with the same pictures are kept. */
async function recallPictures(
  textEncoder: Qwen2_5_VLForConditionalGeneration,
  { pixelValues, imageGridThw }: ReturnType<Qwen2VLImageProcessor["preprocess"]>,
): Promise<Tensor> {
  const { features } = await textEncoder.recall("pictures", [pixelValues, imageGridThw], async () => ({
    features: await textEncoder.imageFeatures(pixelValues, imageGridThw),
  }));
  return features;
}

/** The picture as the text encoder sees it: of its proportions, with about 384 x 384 pixels. */
export function conditionPicture(picture: Picture): Picture {
  const ratio = picture.width / picture.height;
  const width = Math.sqrt(CONDITION_PIXELS * ratio);
  const side = (length: number) => Math.max(CONDITION_SIDE, halfToEven(length / CONDITION_SIDE) * CONDITION_SIDE);
  return resize(picture, side(width), side(width / ratio), { resampling: "lanczos" });
}

/** The features [rows, tokens, width] and the mask from token `dropped` on, with zeros in place of padding. */
function withoutTemplate(states: Tensor, { attentionMask }: TokenBatch, dropped: number): QwenImageFeatures {
  const mask = attentionMask.to("float32").slice(dropped, undefined, 1);
  const embeds = states.slice(dropped, undefined, 1);
  const [, , width = 0] = embeds.shape;
  return {
    promptEmbeds: Tensor.from(
      embeds.data.map((value, i) => (mask.data[Math.floor(i / width)] === 1 ? value : 0)),
      embeds.shape,
    ),
    promptEmbedsMask: mask,
  };
}
