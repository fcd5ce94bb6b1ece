import { Qwen3Model } from "../models/qwen3.js";
import { ZImageTransformer2DModel } from "../models/z-image-transformer.js";
import { type Fields, field, instanceOf, orNull, real } from "../options/fields.js";
import { concat, Tensor } from "../tensor/tensor.js";
import { Qwen2Tokenizer } from "../tokenizer/qwen2.js";
import type { GuidedRequest } from "./latent-diffusion.js";
import { LATENT_DIFFUSION_PARTS } from "./latent-diffusion.js";
import { GUIDANCE_FIELDS, type GuidanceOptions } from "./latent-diffusion-request.js";
import { conditionOn } from "./prompt/conditioning.js";
import { PROMPT_INPUT_FIELDS, type Prompted, type PromptInput, type TextEmbeds } from "./prompt/prompt-options.js";
import { type RaggedFeatures, splitRagged, textEmbeds } from "./prompt/ragged-features.js";
import { ZImageTextEncoders } from "./prompt/z-image.js";
import type { Call } from "./shared/call.js";
import { AUTOENCODERS, SCHEDULERS_OF_CHECKPOINTS } from "./shared/component-classes.js";
import { type ComponentSource, expectParts, part } from "./shared/components.js";
import { guide } from "./shared/guidance.js";
import type { GuidanceLimits } from "./shared/guidance-plan.js";
import { QWEN_TOKENIZERS, QWEN3_ENCODERS } from "./shared/language-model-classes.js";
import { predictor } from "./shared/predictor.js";
import {
  type PlannedRun,
  type Predictions,
  TRANSFORMER_FIELDS,
  type TransformerComponents,
  TransformerPipeline,
  type TransformerRequest,
} from "./transformer-pipeline.js";

/** The parts of a Z-Image checkpoint. */
export interface ZImageComponents extends TransformerComponents<ZImageTransformer2DModel> {
  /** Encodes prompts; may be null if calls have `promptEmbeds` instead. */
  readonly textEncoder: Qwen3Model | null;
  /** Splits prompts into tokens; may be null if calls have `promptEmbeds` instead. */
  readonly tokenizer: Qwen2Tokenizer | null;
}

export const Z_IMAGE_PARTS: Fields<ZImageComponents> = {
  ...LATENT_DIFFUSION_PARTS,
  transformer: part(instanceOf(ZImageTransformer2DModel)),
  textEncoder: part(orNull(instanceOf(Qwen3Model))),
  tokenizer: part(orNull(instanceOf(Qwen2Tokenizer))),
};

/** The options of every call of a Z-Image pipeline. */
export interface ZImageRequest extends TransformerRequest<TextEmbeds> {
  /**
   * How strongly the picture follows the prompt: 5 by default. Above 0 there is guidance: the prediction goes on from that for the prompt
   * by so many times its distance from that for the negative prompt. Turbo needs 0. A list has a number for each step that the run takes.
   */
  readonly guidanceScale?: number | readonly number[] | undefined;
  /** Steps after this share of the time, 0..1, are not guided; 1 by default, for guidance to the end. */
  readonly cfgTruncation?: number | undefined;
  /**
   * Guided predictions are at most so many times as long as those for the prompt: true is 1. Off by default.
   */
  readonly cfgNormalization?: boolean | number | undefined;
}

export const Z_IMAGE_FIELDS: Fields<ZImageRequest> = {
  ...TRANSFORMER_FIELDS,
  promptEmbeds: textEmbeds,
  negativePromptEmbeds: textEmbeds,
  cfgTruncation: real(0),
  cfgNormalization: field<boolean | number>(
    (value) => typeof value === "boolean" || (Number.isFinite(value) && (value as number) >= 0),
    "true, false or a number, at least 0",
  ),
};

/** Features of prompts, a list with a tensor [tokens, features] for each picture. A request takes them in place of the prompts. */
export interface ZImagePromptEmbeds {
  /** Features of the prompts. */
  readonly promptEmbeds: readonly Tensor[];
  /** Features of the negative prompts; only for guidance. */
  readonly negativePromptEmbeds?: readonly Tensor[] | undefined;
}

/** The transformer's inputs beside latents and time. */
interface ZImageInputs {
  readonly capFeats: readonly Tensor[];
}

/** What the pipelines of Z-Image share. */
export abstract class ZImageBase<Request extends ZImageRequest> extends TransformerPipeline<Request, ZImageTransformer2DModel> {
  /** The class's name in diffusers. */
  static readonly className: string;
  /** Encodes prompts. Null at run time if the pipeline was opened without it. */
  textEncoder: Qwen3Model;
  /** Splits prompts into tokens. Null at run time if the pipeline was opened without it. */
  tokenizer: Qwen2Tokenizer;

  /** Makes a pipeline of parts that the caller loaded. The caller disposes them. */
  constructor(components: ZImageComponents, source?: ComponentSource) {
    expectParts(new.target.className, components, Z_IMAGE_PARTS);
    super(components, source);
    this.textEncoder = components.textEncoder as Qwen3Model;
    this.tokenizer = components.tokenizer as Qwen2Tokenizer;
  }

  override get components(): ZImageComponents {
    return super.components as ZImageComponents;
  }

  /**
   * Features that the text encoder makes of prompts, for a request in place of the prompts:
   * `pipe.generate({ ...(await pipe.encodePrompt({ prompt })) })` makes the same pictures.
   * @throws ArgumentError as `generate`
   */
  async encodePrompt(
    options: Prompted<PromptInput<TextEmbeds> & Pick<TransformerRequest, "maxSequenceLength">, TextEmbeds> & GuidanceOptions,
  ): Promise<ZImagePromptEmbeds> {
    const { maxSequenceLength } = TRANSFORMER_FIELDS;
    const fields = {
      ...PROMPT_INPUT_FIELDS,
      promptEmbeds: textEmbeds,
      negativePromptEmbeds: textEmbeds,
      ...GUIDANCE_FIELDS,
      maxSequenceLength,
    };
    const { negativePromptEmbeds, negativePromptEmbedsMask, ...positive } = await this.embed<Encoded>(options, fields);
    const promptEmbeds = splitRagged(positive);
    if (!negativePromptEmbeds || !negativePromptEmbedsMask) return { promptEmbeds };
    const negative = { promptEmbeds: negativePromptEmbeds, promptEmbedsMask: negativePromptEmbedsMask };
    return { promptEmbeds, negativePromptEmbeds: splitRagged(negative) };
  }

  protected get textEncoders(): ZImageTextEncoders {
    const { textEncoder, tokenizer } = this;
    return new ZImageTextEncoders({ textEncoder, tokenizer, width: this.transformer.config.capFeatDim });
  }

  protected blankFeatures(rows: number): RaggedFeatures {
    return { promptEmbeds: Tensor.zeros([rows, 1, this.transformer.config.capFeatDim]), promptEmbedsMask: Tensor.full([rows, 1], 1) };
  }

  protected get noiseChannels(): number {
    return this.transformer.config.inChannels;
  }

  /** There is guidance above 0, since the prediction for the prompt counts once in any case. */
  protected override isGuided(guidanceScale: number): boolean {
    return guidanceScale > 0 || this.scheduler.needsUnconditional;
  }

  protected override guidanceLimits(request: GuidedRequest & Pick<ZImageRequest, "cfgTruncation">): GuidanceLimits {
    const { cfgTruncation = 1 } = request;
    return {
      ...super.guidanceLimits(request),
      includes: (timestep) => cfgTruncation > 1 || timeOf(timestep) <= cfgTruncation,
      unguided: 0,
    };
  }

  protected async predictions(call: Call<Request>, { timesteps }: PlannedRun): Promise<Predictions> {
    const conditioning = await conditionOn<Request, RaggedFeatures, ZImageInputs>(
      this.textEncoders,
      call,
      timesteps,
      ({ positive, negative }) => ({ capFeats: [...(negative ? splitRagged(negative) : []), ...splitRagged(positive)] }),
    );
    const { cfgNormalization = false } = call.request;
    const limit = Number(cfgNormalization);
    const combine = (prediction: Tensor, scale: number) => {
      const guided = guide(prediction, scale + 1);
      return limit > 0 ? shortened(guided, prediction.chunk(2)[1] as Tensor, limit) : guided;
    };
    const forward = async (latents: Tensor, timestep: number, { capFeats }: ZImageInputs) => {
      const { sample } = await this.transformer.forward(latents, timeOf(timestep), { capFeats });
      // The transformer predicts the velocity towards the picture; schedulers take that towards the noise.
      return { sample: sample.mul(-1) };
    };
    return { predict: predictor({ forward }, call, conditioning, { combine }), steerable: [conditioning] };
  }
}

/** What the text encoders make for {@link ZImageBase.encodePrompt}. */
interface Encoded extends RaggedFeatures {
  readonly negativePromptEmbeds?: Tensor;
  readonly negativePromptEmbedsMask?: Tensor;
}

/** The time of a timestep, from 0 for noise to 1 for a picture. */
function timeOf(timestep: number): number {
  return Math.fround(Math.fround(1000 - timestep) / 1000);
}

/** Guided predictions, each picture's at most `limit` times as long as the one for the prompt alone. */
function shortened(guided: Tensor, conditional: Tensor, limit: number): Tensor {
  const [batch = 0] = guided.shape;
  const rows = Array.from({ length: batch }, (_, row) => {
    const [own, most] = [guided.slice(row, row + 1), lengthOf(conditional.slice(row, row + 1)) * limit];
    const length = lengthOf(own);
    return length > most ? own.mul(most / length) : own;
  });
  return concat(rows);
}

function lengthOf({ data }: Tensor): number {
  return Math.sqrt(data.reduce((sum, value) => sum + value * value, 0));
}

/** Loads the parts that are not in `given`. */
export async function loadZImage(source: ComponentSource, given: Partial<ZImageComponents>): Promise<ZImageComponents> {
  const [vae, textEncoder, tokenizer, transformer, scheduler] = await Promise.all([
    source.loadOptional("vae", AUTOENCODERS, given.vae),
    source.loadOptional("text_encoder", QWEN3_ENCODERS, given.textEncoder),
    source.loadOptional("tokenizer", QWEN_TOKENIZERS, given.tokenizer),
    source.load("transformer", { ZImageTransformer2DModel }, given.transformer),
    source.load("scheduler", SCHEDULERS_OF_CHECKPOINTS, given.scheduler),
  ]);
  return { vae, textEncoder, tokenizer, transformer, scheduler };
}
