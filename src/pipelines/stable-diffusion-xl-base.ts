import type { JsonObject } from "../checkpoint/json.js";
import type { ModelIndex } from "../checkpoint/model-index.js";
import { ArgumentError, ConfigError } from "../errors.js";
import { SIZE_WIDTH, STABLE_DIFFUSION_XL } from "../families/stable-diffusion-xl.js";
import { AESTHETIC_SCORES } from "../families/stable-diffusion-xl-refiner.js";
import { CLIPTextModel, CLIPTextModelWithProjection } from "../models/clip-text.js";
import { type UNet2DConditionInputs, UNet2DConditionModel } from "../models/unet-2d-condition.js";
import { type Fields, field, instanceOf, orNull, real } from "../options/fields.js";
import { concat, Tensor } from "../tensor/tensor.js";
import { CLIPTokenizer } from "../tokenizer/clip.js";
import { loadImageEncoder } from "./adapters/load-ip-adapters.js";
import { GUIDANCE_FIELDS, type GuidanceOptions, type PromptEmbeds } from "./latent-diffusion-request.js";
import type { ClipFeatures } from "./prompt/clip-features.js";
import { ClipTextEncoders } from "./prompt/clip-text-encoders.js";
import { conditionOn, type SteeredConditioning } from "./prompt/conditioning.js";
import { readPenultimate } from "./prompt/penultimate-layer.js";
import { PROMPT_FIELDS_XL, type Prompted, type PromptOptionsXL } from "./prompt/prompt-options.js";
import { joinRows, repeat, type TextEncoders } from "./prompt/text-encoders.js";
import type { Call } from "./shared/call.js";
import { AUTOENCODERS, SCHEDULERS_OF_CHECKPOINTS, TOKENIZERS } from "./shared/component-classes.js";
import { type ComponentSource, expectParts, part } from "./shared/components.js";
import { guidanceScaleEmbedding } from "./shared/guidance.js";
import { derive } from "./shared/per-step.js";
import { type ConditionedRun, UNET_PARTS, type UNetComponents, UNetPipeline } from "./unet-pipeline.js";
import { UNET_FIELDS, type UNetRequest } from "./unet-request.js";

/** The parts of a Stable Diffusion XL checkpoint; a refiner has only the second tokenizer and text encoder. */
export interface StableDiffusionXLComponents extends UNetComponents {
  /** The first text encoder; a refiner has none. */
  readonly textEncoder?: CLIPTextModel | null | undefined;
  /** The second text encoder, with a projection; may be null if calls have `promptEmbeds` and `pooledPromptEmbeds` instead of prompts. */
  readonly textEncoder2: CLIPTextModelWithProjection | null;
  /** The first text encoder's tokenizer. */
  readonly tokenizer?: CLIPTokenizer | null | undefined;
  /** The second text encoder's tokenizer; may be null like `textEncoder2`. */
  readonly tokenizer2: CLIPTokenizer | null;
}

export const XL_PARTS: Fields<StableDiffusionXLComponents> = {
  ...UNET_PARTS,
  textEncoder: orNull(instanceOf(CLIPTextModel)),
  textEncoder2: part(orNull(instanceOf(CLIPTextModelWithProjection))),
  tokenizer: orNull(instanceOf(CLIPTokenizer)),
  tokenizer2: part(orNull(instanceOf(CLIPTokenizer))),
};

/** Settings of an XL checkpoint's `model_index.json`. */
export interface StableDiffusionXLSettings {
  /** Without a negative prompt, its embeddings are zeros instead of those of the empty text. */
  readonly forceZerosForEmptyPrompt?: boolean | undefined;
  /** The network takes an aesthetic score instead of the target size (refiners). */
  readonly requiresAestheticsScore?: boolean | undefined;
  /** The latents of a picture that is edited are scaled, as CosXL Edit expects; false by default. */
  readonly isCosxlEdit?: boolean | undefined;
}

/** Height and width in pixels, or top and left. */
export type Pair = readonly [number, number];

/** Sizes and crops as inputs of XL (Podell et al. 2023, section 2.2), for the prompt and for the negative prompt. */
export interface MicroConditioning {
  /** Size of the imagined original picture [height, width]. Smaller sizes give blurrier pictures. The picture's size by default. */
  readonly originalSize?: Pair | undefined;
  /** Crop of the imagined original picture [top, left]; [0, 0] by default. */
  readonly cropsCoordsTopLeft?: Pair | undefined;
  /** Size of the imagined crop [height, width]; the picture's size by default. */
  readonly targetSize?: Pair | undefined;
  /** As `originalSize`, for the negative prompt; the same by default. */
  readonly negativeOriginalSize?: Pair | undefined;
  /** As `cropsCoordsTopLeft`, for the negative prompt; [0, 0] by default. */
  readonly negativeCropsCoordsTopLeft?: Pair | undefined;
  /** As `targetSize`, for the negative prompt; the same by default. */
  readonly negativeTargetSize?: Pair | undefined;
}

const pair = field<Pair>(
  (value) => Array.isArray(value) && value.length === 2 && value.every(Number.isFinite),
  "two numbers, such as [1024, 1024]",
);

const MICRO_CONDITIONING_FIELDS: Fields<MicroConditioning> = {
  originalSize: pair,
  cropsCoordsTopLeft: pair,
  targetSize: pair,
  negativeOriginalSize: pair,
  negativeCropsCoordsTopLeft: pair,
  negativeTargetSize: pair,
};

/** Aesthetic scores as inputs of a refiner, 1..10. */
export interface AestheticOptions {
  /** 6 by default. */
  readonly aestheticScore?: number | undefined;
  /** 2.5 by default. */
  readonly negativeAestheticScore?: number | undefined;
}

export const AESTHETIC_FIELDS: Fields<AestheticOptions> = { aestheticScore: real(), negativeAestheticScore: real() };

/** The options of every XL call. */
export interface StableDiffusionXLCommonRequest extends UNetRequest, PromptOptionsXL, MicroConditioning {}

export const XL_FIELDS: Fields<StableDiffusionXLCommonRequest> = {
  ...UNET_FIELDS,
  ...PROMPT_FIELDS_XL,
  ...MICRO_CONDITIONING_FIELDS,
};

/** Features that XL's text encoders make of prompts. */
export interface PromptEmbedsXL extends PromptEmbeds {
  /** The second text encoder's pooled features [batch, width]. */
  readonly pooledPromptEmbeds: Tensor;
  /** Pooled features of the negative prompts; only for guidance. */
  readonly negativePooledPromptEmbeds?: Tensor | undefined;
}

/** Size and crop numbers for the two halves of a guided batch, a row for each picture. */
export interface TimeIds {
  readonly positive: readonly number[];
  readonly negative: readonly number[];
}

/** What the pipelines of Stable Diffusion XL share: two text encoders, pooled features, micro-conditioning. */
export abstract class StableDiffusionXLBase<Request extends StableDiffusionXLCommonRequest> extends UNetPipeline<Request> {
  /** The class's name in diffusers. */
  static readonly className: string;
  /** The first text encoder; a refiner has none. */
  textEncoder: CLIPTextModel | undefined;
  /** The second text encoder, with a projection. Null at run time if the pipeline was opened without it. */
  textEncoder2: CLIPTextModelWithProjection;
  /** The first text encoder's tokenizer. */
  tokenizer: CLIPTokenizer | undefined;
  /** The second text encoder's tokenizer. Null at run time if the pipeline was opened without it. */
  tokenizer2: CLIPTokenizer;
  /** Settings in `model_index.json`. */
  readonly settings: StableDiffusionXLSettings;

  /** Makes a pipeline of parts that the caller loaded. The caller disposes them. */
  constructor(components: StableDiffusionXLComponents, settings: StableDiffusionXLSettings = {}, source?: ComponentSource) {
    expectParts(new.target.className, components, XL_PARTS);
    if (components.unet.config.additionEmbedType !== "text_time") {
      throw new ConfigError("this UNet is not conditioned like Stable Diffusion XL's", {
        hint: "open the checkpoint with DiffusionPipeline or a StableDiffusion pipeline",
      });
    }
    super(components, source);
    this.textEncoder = components.textEncoder ?? undefined;
    this.textEncoder2 = components.textEncoder2 as CLIPTextModelWithProjection;
    this.tokenizer = components.tokenizer ?? undefined;
    this.tokenizer2 = components.tokenizer2 as CLIPTokenizer;
    this.settings = settings;
  }

  override get components(): StableDiffusionXLComponents {
    return super.components as StableDiffusionXLComponents;
  }

  override get indexOptions(): JsonObject {
    const { forceZerosForEmptyPrompt = true, requiresAestheticsScore = false } = this.settings;
    // diffusers' other pipelines do not take it.
    const takesScore = /Img2Img|Inpaint/.test((this.constructor as typeof StableDiffusionXLBase).className);
    return { forceZerosForEmptyPrompt, ...(takesScore && { requiresAestheticsScore }) };
  }

  protected get textEncoders(): ClipTextEncoders {
    const { textEncoder, tokenizer, textEncoder2, tokenizer2 } = this.textParts;
    return new ClipTextEncoders({
      encoders: [
        ...(textEncoder && tokenizer ? [{ name: "text_encoder" as const, tokenizer, model: textEncoder }] : []),
        ...(textEncoder2 && tokenizer2 ? [{ name: "text_encoder_2" as const, tokenizer: tokenizer2, model: textEncoder2 }] : []),
      ],
      missing: this.missingTextParts,
      read: readPenultimate,
      pooledWidth: textEncoder2?.config.projectionDim ?? "width",
      zerosForEmpty: this.settings.forceZerosForEmptyPrompt ?? true,
    });
  }

  /**
   * Features that the text encoders make of prompts, for a request in place of the prompts:
   * `pipe.generate({ ...(await pipe.encodePrompt({ prompt })) })` makes the same pictures.
   * @throws ArgumentError as `generate`, and for a prompt that changes with the step.
   */
  encodePrompt(options: Prompted<PromptOptionsXL> & GuidanceOptions): Promise<PromptEmbedsXL> {
    return this.embed(options, { ...PROMPT_FIELDS_XL, ...GUIDANCE_FIELDS });
  }

  private get textParts(): Pick<StableDiffusionXLComponents, "textEncoder" | "tokenizer" | "textEncoder2" | "tokenizer2"> {
    return { textEncoder: this.textEncoder, tokenizer: this.tokenizer, textEncoder2: this.textEncoder2, tokenizer2: this.tokenizer2 };
  }

  /** The absent parts that prompts need. A refiner's UNet takes only the second text encoder's features; other UNets take those of both. */
  private get missingTextParts(): readonly string[] {
    const { textEncoder, tokenizer, textEncoder2, tokenizer2 } = this.textParts;
    const [width] = [this.unet.config.crossAttentionDim].flat();
    const needsFirst = textEncoder ? true : textEncoder2?.config.hiddenSize !== width;
    const needed = { ...(needsFirst && { textEncoder, tokenizer }), textEncoder2, tokenizer2 };
    return Object.entries(needed).flatMap(([name, part]) => (part ? [] : name));
  }

  /** Size and crop numbers of a call for pictures of this size. */
  protected abstract timeIds(request: Request, size: Pair): TimeIds;

  /** Whether the time ids of the two halves alternate picture by picture, as in diffusers' text-to-image pipeline. */
  protected readonly interleavesTimeIds: boolean = false;

  protected textConditioning(
    call: Call<Request>,
    { size: { height, width }, timesteps }: ConditionedRun,
  ): Promise<SteeredConditioning<FeaturesXL, UNet2DConditionInputs>> {
    const { request, batch } = call;
    const { timeCondProjDim } = this.unet.config;
    const encoders = withTimeIds(this.textEncoders, this.timeIds(request, [height, width]), batch);
    return conditionOn(encoders, call, timesteps, ({ positive, negative }, scale) => {
      this.expectTimeIds(positive);
      const opposite = negative ? repeat(negative, this.unconditionalParts) : [];
      const { promptEmbeds, pooledPromptEmbeds } = negative ? joinRows([...opposite, positive]) : positive;
      const halves = [...opposite.map(({ addTimeIds }) => addTimeIds), positive.addTimeIds];
      return {
        encoderHiddenStates: promptEmbeds,
        addedCond: { textEmbeds: pooledPromptEmbeds as Tensor, timeIds: this.interleavesTimeIds ? alternating(halves) : concat(halves) },
        ...(timeCondProjDim && { timestepCond: guidanceScaleEmbedding(scale, batch, timeCondProjDim) }),
      };
    });
  }

  /** @throws ArgumentError unless the UNet takes as many size and crop numbers. */
  private expectTimeIds({ addTimeIds, pooledPromptEmbeds }: FeaturesXL): void {
    const { additionTimeEmbedDim, projectionClassEmbeddingsInputDim } = this.unet.config;
    const pooledWidth = pooledPromptEmbeds?.shape[1] ?? 0;
    const expected = ((projectionClassEmbeddingsInputDim ?? 0) - pooledWidth) / (additionTimeEmbedDim ?? SIZE_WIDTH);
    const found = addTimeIds.shape[1] ?? 0;
    if (!projectionClassEmbeddingsInputDim || expected === found) return;
    throw new ArgumentError(`this UNet expects ${expected} size and crop numbers; got ${found}`, {
      hint: `the checkpoint's requires_aesthetics_score should be ${found === STABLE_DIFFUSION_XL.denoiser.sizeNumbers}; an XL refiner has true, a base model false`,
    });
  }
}

/** What XL's UNet takes of a prompt: the text's features, and size and crop numbers, a row for each picture. */
type FeaturesXL = ClipFeatures & { readonly addTimeIds: Tensor };

/** The text encoders, with the size and crop numbers among the features. */
function withTimeIds(
  textEncoders: TextEncoders<PromptOptionsXL, ClipFeatures>,
  ids: TimeIds,
  batch: number,
): TextEncoders<PromptOptionsXL, FeaturesXL> {
  const rows = (row: readonly number[]) => ({ addTimeIds: Tensor.from(row, [1, row.length]).repeatInterleave(batch) });
  const [ofPositive, ofNegative] = [rows(ids.positive), rows(ids.negative)];
  return {
    encode: async (options, run) =>
      derive([await textEncoders.encode(options, run)], ({ positive, negative }) => ({
        positive: { ...positive, ...ofPositive },
        negative: negative && { ...negative, ...ofNegative },
      })),
  };
}

/** The first row of every tensor, then the second of every tensor, and so on. */
function alternating(tensors: readonly Tensor[]): Tensor {
  const rows = tensors[0]?.shape[0] ?? 0;
  return concat(Array.from({ length: rows }, (_, i) => tensors.map((tensor) => tensor.slice(i, i + 1))).flat());
}

/** Size and crop numbers of the text-to-image pipelines. */
export function noiseTimeIds(request: MicroConditioning, size: Pair): TimeIds {
  const { originalSize = size, targetSize = size, cropsCoordsTopLeft = [0, 0] } = request;
  const { negativeOriginalSize, negativeTargetSize, negativeCropsCoordsTopLeft = [0, 0] } = request;
  const positive = [...originalSize, ...cropsCoordsTopLeft, ...targetSize];
  // diffusers ignores the negative sizes unless both are given.
  const isNegative = negativeOriginalSize !== undefined && negativeTargetSize !== undefined;
  return { positive, negative: isNegative ? [...negativeOriginalSize, ...negativeCropsCoordsTopLeft, ...negativeTargetSize] : positive };
}

/**
 * Size and crop numbers of the image-to-image and inpainting pipelines. A refiner takes the aesthetic score in place of the target size.
 */
export function imageTimeIds(
  request: MicroConditioning & AestheticOptions,
  size: Pair,
  { requiresAestheticsScore = false }: StableDiffusionXLSettings,
): TimeIds {
  const { originalSize = size, targetSize = size, cropsCoordsTopLeft = [0, 0] } = request;
  const { negativeOriginalSize = originalSize, negativeTargetSize = targetSize, negativeCropsCoordsTopLeft = [0, 0] } = request;
  if (requiresAestheticsScore) {
    const { aestheticScore = AESTHETIC_SCORES.positive, negativeAestheticScore = AESTHETIC_SCORES.negative } = request;
    return {
      positive: [...originalSize, ...cropsCoordsTopLeft, aestheticScore],
      negative: [...negativeOriginalSize, ...negativeCropsCoordsTopLeft, negativeAestheticScore],
    };
  }
  // The negative prompt gets the positive crop, as in diffusers.
  return {
    positive: [...originalSize, ...cropsCoordsTopLeft, ...targetSize],
    negative: [...negativeOriginalSize, ...cropsCoordsTopLeft, ...negativeTargetSize],
  };
}

/** Loads the parts that are not in `given`. */
export async function loadStableDiffusionXL(
  source: ComponentSource,
  given: Partial<StableDiffusionXLComponents>,
): Promise<StableDiffusionXLComponents> {
  // A refiner's index may leave out the first text encoder and tokenizer.
  const first = <Part>(name: string, given: Part | null | undefined) => given ?? (source.has(name) ? given : null);
  const [vae, textEncoder, textEncoder2, tokenizer, tokenizer2, unet, scheduler, imageEncoder] = await Promise.all([
    source.loadOptional("vae", AUTOENCODERS, given.vae),
    source.loadOptional("text_encoder", { CLIPTextModel }, first("text_encoder", given.textEncoder)),
    source.loadOptional("text_encoder_2", { CLIPTextModelWithProjection }, given.textEncoder2),
    source.loadOptional("tokenizer", TOKENIZERS, first("tokenizer", given.tokenizer)),
    source.loadOptional("tokenizer_2", TOKENIZERS, given.tokenizer2),
    source.load("unet", { UNet2DConditionModel }, given.unet),
    source.load("scheduler", SCHEDULERS_OF_CHECKPOINTS, given.scheduler),
    loadImageEncoder(source, given.imageEncoder),
  ]);
  const { featureExtractor } = given;
  return { vae, textEncoder, textEncoder2, tokenizer, tokenizer2, unet, scheduler, featureExtractor, imageEncoder };
}

/** The settings in `model_index.json`. */
export function settingsXL({ options }: ModelIndex): StableDiffusionXLSettings {
  return options as StableDiffusionXLSettings;
}
