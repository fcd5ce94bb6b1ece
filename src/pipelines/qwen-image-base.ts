import type { Autoencoder } from "../models/autoencoder.js";
import { AutoencoderKLQwenImage } from "../models/autoencoder-kl-qwen-image.js";
import { type ImageShape, QwenImageTransformer2DModel } from "../models/qwen-image-transformer.js";
import { Qwen2_5_VLForConditionalGeneration } from "../models/qwen2-5-vl.js";
import { type Fields, field, instanceOf, orNull, real } from "../options/fields.js";
import { concat, Tensor } from "../tensor/tensor.js";
import { Qwen2Tokenizer } from "../tokenizer/qwen2.js";
import { warn } from "../warnings.js";
import { LATENT_DIFFUSION_PARTS } from "./latent-diffusion.js";
import type { GuidanceOptions } from "./latent-diffusion-request.js";
import { PackedFlowPipeline } from "./packed-flow-pipeline.js";
import { conditionOn } from "./prompt/conditioning.js";
import { PROMPT_INPUT_FIELDS, type Prompted, type PromptInput } from "./prompt/prompt-options.js";
import {
  QWEN_IMAGE_PROMPT_FIELDS,
  type QwenImageFeatures,
  type QwenImagePromptOptions,
  QwenImageTextEncoders,
} from "./prompt/qwen-image.js";
import type { TextEncoders } from "./prompt/text-encoders.js";
import type { Size } from "./shared/arguments.js";
import type { Call } from "./shared/call.js";
import { SCHEDULERS_OF_CHECKPOINTS } from "./shared/component-classes.js";
import { type ComponentSource, expectParts, part } from "./shared/components.js";
import type { StepCacheInputs } from "./shared/denoiser.js";
import { flowTime } from "./shared/flow-timesteps.js";
import { guide } from "./shared/guidance.js";
import { QWEN_TOKENIZERS, QWEN_VL_ENCODERS } from "./shared/language-model-classes.js";
import { predictor } from "./shared/predictor.js";
import {
  type PlannedRun,
  type Predictions,
  TRANSFORMER_FIELDS,
  type TransformerComponents,
  type TransformerRequest,
} from "./transformer-pipeline.js";

/** The parts of a Qwen-Image checkpoint. */
export interface QwenImageComponents extends TransformerComponents<QwenImageTransformer2DModel> {
  /** Encodes prompts; may be null if calls have `promptEmbeds` instead. */
  readonly textEncoder: Qwen2_5_VLForConditionalGeneration | null;
  /** Splits prompts into tokens; may be null if calls have `promptEmbeds` instead. */
  readonly tokenizer: Qwen2Tokenizer | null;
}

export const QWEN_IMAGE_PARTS: Fields<QwenImageComponents> = {
  ...LATENT_DIFFUSION_PARTS,
  vae: part(orNull(field<Autoencoder>((value) => value instanceof AutoencoderKLQwenImage, "an AutoencoderKLQwenImage"))),
  transformer: part(instanceOf(QwenImageTransformer2DModel)),
  textEncoder: part(orNull(instanceOf(Qwen2_5_VLForConditionalGeneration))),
  tokenizer: part(orNull(instanceOf(Qwen2Tokenizer))),
};

/** The options of every call of a Qwen-Image pipeline. */
export interface QwenImageRequest
  extends TransformerRequest,
    Pick<QwenImagePromptOptions, "promptEmbedsMask" | "negativePromptEmbedsMask"> {
  /**
   * How strongly the picture follows the prompt: 4 by default. Above 1 there is guidance, if there is a negative prompt (" " will do): the
   * network predicts twice, and the guided prediction of each token is as long as the one for the prompt.
   */
  readonly trueCfgScale?: number | undefined;
}

export const QWEN_IMAGE_FIELDS: Fields<QwenImageRequest> = { ...TRANSFORMER_FIELDS, ...QWEN_IMAGE_PROMPT_FIELDS, trueCfgScale: real() };

/** The part of a request that says how it is guided. */
type TrueGuidance = GuidanceOptions & Pick<QwenImageRequest, "trueCfgScale">;

/** Features of prompts, with masks of what fills them up. A request takes them in place of the prompts. */
export interface QwenImagePromptEmbeds {
  /** Features of the prompts [batch, tokens, features]. */
  readonly promptEmbeds: Tensor;
  /** 1 for their tokens, and 0 for what fills them up [batch, tokens]. */
  readonly promptEmbedsMask: Tensor;
  /** Features of the negative prompts; only for guidance. */
  readonly negativePromptEmbeds?: Tensor | undefined;
  /** Their mask. */
  readonly negativePromptEmbedsMask?: Tensor | undefined;
}

/** The transformer's inputs beside latents and time. */
interface QwenImageInputs {
  readonly encoderHiddenStates: Tensor;
  readonly encoderHiddenStatesMask: Tensor;
}

/** Pictures that the transformer sees beside the one that is made. */
export interface References {
  /** Their latents as tokens [batch, tokens, channels]. */
  readonly tokens: Tensor;
  readonly shapes: readonly ImageShape[];
}

/** What the pipelines of Qwen-Image share. */
export abstract class QwenImageBase<Request extends QwenImageRequest> extends PackedFlowPipeline<Request, QwenImageTransformer2DModel> {
  /** The class's name in diffusers. */
  static readonly className: string;
  /** @internal Fields of the parts. */
  static readonly parts: Fields<QwenImageComponents>;
  /** Encodes prompts. Null at run time if the pipeline was opened without it. */
  textEncoder: Qwen2_5_VLForConditionalGeneration;
  /** Splits prompts into tokens. Null at run time if the pipeline was opened without it. */
  tokenizer: Qwen2Tokenizer;

  /** Makes a pipeline of parts that the caller loaded. The caller disposes them. */
  constructor(components: QwenImageComponents, source?: ComponentSource) {
    expectParts<QwenImageComponents>(new.target.className, components, new.target.parts);
    super(components, source);
    this.textEncoder = components.textEncoder as Qwen2_5_VLForConditionalGeneration;
    this.tokenizer = components.tokenizer as Qwen2Tokenizer;
  }

  override get components(): QwenImageComponents {
    return super.components as QwenImageComponents;
  }

  /**
   * Features that the text encoder makes of prompts, for a request in place of the prompts:
   * `pipe.generate({ ...(await pipe.encodePrompt({ prompt })) })` makes the same pictures. With a negative prompt, its features are made,
   * too, unless `trueCfgScale` is at most 1.
   * @throws ArgumentError as `generate`
   */
  async encodePrompt(
    options: Prompted<
      PromptInput &
        Pick<QwenImagePromptOptions, "promptEmbedsMask" | "negativePromptEmbedsMask"> &
        Pick<QwenImageRequest, "maxSequenceLength" | "trueCfgScale">
    >,
  ): Promise<QwenImagePromptEmbeds> {
    const { maxSequenceLength, trueCfgScale } = QWEN_IMAGE_FIELDS;
    return this.embed<QwenImagePromptEmbeds>(options, {
      ...PROMPT_INPUT_FIELDS,
      ...QWEN_IMAGE_PROMPT_FIELDS,
      maxSequenceLength,
      trueCfgScale,
    });
  }

  protected get textEncoders(): TextEncoders<QwenImagePromptOptions, QwenImageFeatures> {
    return new QwenImageTextEncoders(this.reading);
  }

  /** What reads prompts. */
  protected get reading() {
    const { textEncoder, tokenizer } = this;
    return { textEncoder, tokenizer, width: this.transformer.config.jointAttentionDim };
  }

  protected override get nativeSize(): Size {
    const side = NATIVE_LATENTS * this.vaeScaleFactor;
    return { height: side, width: side };
  }

  protected override guidanceScaleOf({ trueCfgScale = this.defaults.guidance }: TrueGuidance): number {
    return trueCfgScale;
  }

  /** As in diffusers, there is no guidance without a negative prompt. */
  protected override isGuided(scale: number, { negativePrompt, negativePromptEmbeds }: PromptInput): boolean {
    return (scale > 1 && (negativePrompt !== undefined || negativePromptEmbeds !== undefined)) || this.scheduler.needsUnconditional;
  }

  protected override expectGuidance({ trueCfgScale, guidanceScale, negativePrompt, negativePromptEmbeds }: Request): void {
    const hasNegative = negativePrompt !== undefined || negativePromptEmbeds !== undefined;
    if (guidanceScale !== undefined) {
      warn((name) => `${name("guidanceScale")} has no effect: the network is not distilled for guidance. Give ${name("trueCfgScale")}`);
    }
    if (trueCfgScale !== undefined && trueCfgScale > 1 && !hasNegative) {
      warn((name) => `${name("trueCfgScale")} is ${trueCfgScale}, but there is no guidance without ${name("negativePrompt")}; " " will do`);
    }
    if (hasNegative && (trueCfgScale ?? this.defaults.guidance) <= 1) {
      warn((name) => `${name("negativePrompt")} has no effect: there is no guidance, as ${name("trueCfgScale")} is ${trueCfgScale}`);
    }
  }

  protected blankFeatures(rows: number): QwenImageFeatures {
    return {
      promptEmbeds: Tensor.zeros([rows, 1, this.transformer.config.jointAttentionDim]),
      promptEmbedsMask: Tensor.full([rows, 1], 1),
    };
  }

  protected async predictions(call: Call<Request>, { size, timesteps }: PlannedRun, references?: References): Promise<Predictions> {
    const { maxSequenceLength = MOST_TOKENS } = call.request;
    const conditioning = await conditionOn<Request, QwenImageFeatures, QwenImageInputs>(
      await this.textEncodersFor(call.request),
      { ...call, request: { ...call.request, maxSequenceLength } },
      timesteps,
      ({ positive, negative }) => {
        const rows = [...(negative ? [negative] : []), positive].map((each) => this.cut(each, maxSequenceLength));
        const tokens = Math.max(...rows.map(({ promptEmbeds }) => promptEmbeds.shape[1] ?? 0));
        return {
          encoderHiddenStates: concat(rows.map(({ promptEmbeds }) => filledUp(promptEmbeds, tokens))),
          encoderHiddenStatesMask: concat(rows.map(({ promptEmbedsMask }) => filledUp(promptEmbedsMask, tokens))),
        };
      },
    );
    const own: ImageShape = [1, size.height / this.sizeMultiple, size.width / this.sizeMultiple];
    const imgShapes = [own, ...(references?.shapes ?? [])];
    const forward = async (latents: Tensor, timestep: number, given: QwenImageInputs & StepCacheInputs) => {
      const { encoderHiddenStates, encoderHiddenStatesMask, firstBlock } = given;
      const tokens = references ? concat([latents, references.tokens], 1) : latents;
      const time = flowTime(Math.fround(timestep));
      const inputs = { encoderHiddenStates, encoderHiddenStatesMask, imgShapes, firstBlock };
      const { sample } = await this.transformer.forward(tokens, time, inputs);
      return { sample: references ? sample.slice(0, latents.shape[1] ?? 0, 1) : sample };
    };
    return {
      predict: predictor({ forward, cachesFirstBlock: this.transformer.cachesFirstBlock }, call, conditioning, { combine: guideTokens }),
      steerable: [conditioning],
    };
  }

  /** Features of at most so many tokens, also if they are given. */
  protected cut({ promptEmbeds, promptEmbedsMask }: QwenImageFeatures, most: number): QwenImageFeatures {
    const end = Math.min(most, promptEmbeds.shape[1] ?? 0);
    return { promptEmbeds: promptEmbeds.slice(0, end, 1), promptEmbedsMask: promptEmbedsMask.slice(0, end, 1) };
  }

  /** What reads the prompts of a call. */
  protected async textEncodersFor(_request: Request): Promise<TextEncoders<QwenImagePromptOptions, QwenImageFeatures>> {
    return this.textEncoders;
  }
}

/** The most tokens of a prompt by default. */
const MOST_TOKENS = 512;

/** A tensor [rows, tokens, ...] with zeros behind it, so that it has this many tokens. */
function filledUp(x: Tensor, tokens: number): Tensor {
  const [rows = 0, own = 0, ...rest] = x.shape;
  return own === tokens ? x : concat([x, Tensor.zeros([rows, tokens - own, ...rest])], 1);
}

/** Latents along each side of pictures whose call names no size. */
const NATIVE_LATENTS = 128;

/** Guided predictions [batch, tokens, channels]; each token's is as long as the one for the prompt. */
function guideTokens(prediction: Tensor, scale: number): Tensor {
  const guided = guide(prediction, scale);
  const [, conditional] = prediction.chunk(2) as [Tensor, Tensor];
  const width = guided.shape.at(-1) ?? 1;
  const data = guided.data.slice();
  for (let start = 0; start < data.length; start += width) {
    const ratio = lengthOf(conditional.data, start, width) / lengthOf(guided.data, start, width);
    for (let i = start; i < start + width; i++) data[i] = (data[i] as number) * ratio;
  }
  return Tensor.from(data, guided.shape);
}

function lengthOf(data: ArrayLike<number>, start: number, width: number): number {
  let sum = 0;
  for (let i = start; i < start + width; i++) sum += (data[i] as number) ** 2;
  return Math.sqrt(sum);
}

/** Loads the parts that are not in `given`. */
export async function loadQwenImage(source: ComponentSource, given: Partial<QwenImageComponents>): Promise<QwenImageComponents> {
  const [vae, textEncoder, tokenizer, transformer, scheduler] = await Promise.all([
    source.loadOptional("vae", { AutoencoderKLQwenImage }, given.vae),
    source.loadOptional("text_encoder", QWEN_VL_ENCODERS, given.textEncoder),
    source.loadOptional("tokenizer", QWEN_TOKENIZERS, given.tokenizer),
    source.load("transformer", { QwenImageTransformer2DModel }, given.transformer),
    source.load("scheduler", SCHEDULERS_OF_CHECKPOINTS, given.scheduler),
  ]);
  return { vae, textEncoder, tokenizer, transformer, scheduler };
}
