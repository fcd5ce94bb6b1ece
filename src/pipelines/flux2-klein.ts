import type { JsonObject } from "../checkpoint/json.js";
import type { ModelIndex } from "../checkpoint/model-index.js";
import { FLUX2_KLEIN } from "../families/flux2-klein.js";
import type { Picture } from "../image/picture.js";
import { AutoencoderKLFlux2, type LatentStatistics } from "../models/autoencoder-kl-flux2.js";
import { Flux2Transformer2DModel } from "../models/flux2-transformer.js";
import { Qwen3Model } from "../models/qwen3.js";
import { type Fields, instanceOf, orNull } from "../options/fields.js";
import { gridPositions } from "../tensor/grid-positions.js";
import { concat, type Shape, Tensor } from "../tensor/tensor.js";
import { Qwen2Tokenizer } from "../tokenizer/qwen2.js";
import { warn } from "../warnings.js";
import { LATENT_DIFFUSION_PARTS } from "./latent-diffusion.js";
import { GUIDANCE_FIELDS, type GuidanceOptions, type PromptEmbeds } from "./latent-diffusion-request.js";
import { conditionOn } from "./prompt/conditioning.js";
import { type Flux2KleinFeatures, type Flux2KleinPromptOptions, Flux2KleinTextEncoders, outLayers } from "./prompt/flux2-klein.js";
import type { Prompted } from "./prompt/prompt-options.js";
import { joinRows } from "./prompt/text-encoders.js";
import type { Size } from "./shared/arguments.js";
import type { Call, Denoised } from "./shared/call.js";
import { SCHEDULERS_OF_CHECKPOINTS } from "./shared/component-classes.js";
import { type ComponentSource, expectParts, part } from "./shared/components.js";
import { flowTime } from "./shared/flow-timesteps.js";
import { type ImageInput, imageInput } from "./shared/image-inputs.js";
import { QWEN_TOKENIZERS, QWEN3_ENCODERS } from "./shared/language-model-classes.js";
import { expectVae } from "./shared/missing-parts.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import { predictor } from "./shared/predictor.js";
import { pictureTensor, readReferences } from "./shared/reference-pictures.js";
import {
  NOISE_START_FIELDS,
  type NoiseStartOptions,
  type PlannedRun,
  type Predictions,
  TRANSFORMER_FIELDS,
  type TransformerComponents,
  TransformerPipeline,
  type TransformerRequest,
} from "./transformer-pipeline.js";

/** The parts of a FLUX.2 klein checkpoint. */
export interface Flux2KleinComponents extends TransformerComponents<Flux2Transformer2DModel> {
  /** Decodes latents to pictures and encodes pictures. */
  readonly vae: AutoencoderKLFlux2;
  /** Encodes prompts; may be null if calls have `promptEmbeds` instead. */
  readonly textEncoder: Qwen3Model | null;
  /** Splits prompts into tokens; may be null if calls have `promptEmbeds` instead. */
  readonly tokenizer: Qwen2Tokenizer | null;
}

const PARTS: Fields<Flux2KleinComponents> = {
  ...LATENT_DIFFUSION_PARTS,
  vae: part(instanceOf(AutoencoderKLFlux2)),
  transformer: part(instanceOf(Flux2Transformer2DModel)),
  textEncoder: part(orNull(instanceOf(Qwen3Model))),
  tokenizer: part(orNull(instanceOf(Qwen2Tokenizer))),
};

/** A setting of a klein checkpoint. */
export interface Flux2KleinSettings {
  /** Whether the transformer was distilled: it needs few steps and takes no guidance. False by default. */
  readonly isDistilled?: boolean | undefined;
}

/** The options of a call of klein. */
export interface Flux2KleinOptions
  extends Omit<TransformerRequest, "negativePrompt">,
    NoiseStartOptions,
    Pick<Flux2KleinPromptOptions, "textEncoderOutLayers"> {
  /**
   * A picture to change, or several pictures to refer to. Each is seen beside the noise. Larger ones than 1024 x 1024 pixels are reduced.
   * Without `height` and `width` the result has the size of the first one.
   */
  readonly image?: ImageInput | undefined;
  /**
   * How strongly the picture follows the prompt: 4 by default. At 1 and below there is no guidance, which is twice as fast. A distilled
   * checkpoint takes none. The negative prompt is always "". A list has a number for each step.
   */
  readonly guidanceScale?: number | readonly number[] | undefined;
}

const { negativePrompt: _, ...COMMON_FIELDS } = TRANSFORMER_FIELDS;
const FIELDS: Fields<Flux2KleinOptions> = {
  ...COMMON_FIELDS,
  ...NOISE_START_FIELDS,
  image: imageInput,
  textEncoderOutLayers: outLayers,
};

/** The request of a call of {@link Flux2KleinPipeline}: its options, with a prompt or embeddings. */
export type Flux2KleinRequest = Prompted<Flux2KleinOptions>;

/** Latents that the transformer was trained on, along a side. */
const NATIVE_SIDE = 128;
/** The distance of reference pictures on the first axis of positions. */
const REFERENCE_STEP = 10;

interface KleinInputs {
  readonly encoderHiddenStates: Tensor;
}

/** Tokens of reference pictures, and their positions. */
interface References {
  /** [1, tokens, channels] */
  readonly tokens: Tensor;
  readonly positions: readonly (readonly number[])[];
}

/**
 * Makes pictures from texts, or changes pictures, with FLUX.2 klein (Black Forest Labs 2026). Matches diffusers' Flux2KleinPipeline: the
 * same seed gives the same picture.
 */
export class Flux2KleinPipeline extends TransformerPipeline<Flux2KleinRequest, Flux2Transformer2DModel> {
  /** The class's name in diffusers. */
  static readonly className = "Flux2KleinPipeline";
  /** @internal Fields of the parts. */
  static readonly parts = PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className = Flux2KleinPipeline.className;
  /** Decodes latents to pictures and encodes pictures. */
  declare vae: AutoencoderKLFlux2;
  /** Encodes prompts. Null at run time if the pipeline was opened without it. */
  textEncoder: Qwen3Model;
  /** Splits prompts into tokens. Null at run time if the pipeline was opened without it. */
  tokenizer: Qwen2Tokenizer;
  /** Whether the transformer was distilled: then it takes no guidance. */
  readonly isDistilled: boolean;
  protected readonly fields = FIELDS;
  protected readonly defaults = FLUX2_KLEIN.workflows.noise.defaults;
  protected override readonly roundsSizes = true;
  protected override readonly givesUnpacked = true;

  /** Makes a pipeline of parts that the caller loaded. The caller disposes them. */
  constructor(components: Flux2KleinComponents, { isDistilled = false }: Flux2KleinSettings = {}, source?: ComponentSource) {
    expectParts(Flux2KleinPipeline.className, components, PARTS);
    super(components, source);
    this.textEncoder = components.textEncoder as Qwen3Model;
    this.tokenizer = components.tokenizer as Qwen2Tokenizer;
    this.isDistilled = isDistilled;
  }

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(source: ComponentSource, index: ModelIndex, given: Partial<Flux2KleinComponents>): Promise<Flux2KleinPipeline> {
    const [vae, textEncoder, tokenizer, transformer, scheduler] = await Promise.all([
      source.load("vae", { AutoencoderKLFlux2 }, given.vae),
      source.loadOptional("text_encoder", QWEN3_ENCODERS, given.textEncoder),
      source.loadOptional("tokenizer", QWEN_TOKENIZERS, given.tokenizer),
      source.load("transformer", { Flux2Transformer2DModel }, given.transformer),
      source.load("scheduler", SCHEDULERS_OF_CHECKPOINTS, given.scheduler),
    ]);
    const settings = { isDistilled: index.options.isDistilled === true };
    return new Flux2KleinPipeline({ vae, textEncoder, tokenizer, transformer, scheduler }, settings, source);
  }

  override get components(): Flux2KleinComponents {
    return super.components as Flux2KleinComponents;
  }

  /** The setting of this pipeline, for another one of the same checkpoint. */
  get settings(): Flux2KleinSettings {
    return { isDistilled: this.isDistilled };
  }

  override get indexOptions(): JsonObject {
    return { isDistilled: this.isDistilled };
  }

  /**
   * Features that the text encoder makes of prompts, for a request in place of the prompts:
   * `pipe.generate({ ...(await pipe.encodePrompt({ prompt })) })` makes the same pictures.
   * @throws ArgumentError as `generate`
   */
  encodePrompt(options: Prompted<Omit<Flux2KleinPromptOptions, "negativePrompt">> & GuidanceOptions): Promise<PromptEmbeds> {
    const { prompt, promptEmbeds, negativePromptEmbeds, numImagesPerPrompt, maxSequenceLength, textEncoderOutLayers } = FIELDS;
    const fields = { prompt, promptEmbeds, negativePromptEmbeds, numImagesPerPrompt, maxSequenceLength, textEncoderOutLayers };
    return this.embed(options, { ...fields, ...GUIDANCE_FIELDS });
  }

  protected get textEncoders(): Flux2KleinTextEncoders {
    const { textEncoder, tokenizer } = this;
    return new Flux2KleinTextEncoders({ textEncoder, tokenizer, width: this.transformer.config.jointAttentionDim });
  }

  protected get noiseChannels(): number {
    return this.transformer.config.inChannels;
  }

  protected override get nativeSize(): Size {
    const side = NATIVE_SIDE * this.vaeScaleFactor;
    return { height: side, width: side };
  }

  /** Noise is drawn for squares of latents. */
  protected override noiseShape(batch: number, { height, width }: Size): Shape {
    return [batch, this.noiseChannels, height / this.sizeMultiple, width / this.sizeMultiple];
  }

  protected override pack(latents: Tensor): Tensor {
    const [batch = 0, channels = 0, height = 0, width = 0] = latents.shape;
    return latents.reshape([batch, channels, height * width]).permute(0, 2, 1);
  }

  protected override mu(tokens: number, steps: number): number {
    return empiricalMu(tokens, steps);
  }

  protected override isGuided(guidanceScale: number): boolean {
    return guidanceScale > 1 && !this.isDistilled;
  }

  protected override expectGuidance({ guidanceScale }: Flux2KleinRequest): void {
    if (!this.isDistilled || guidanceScale === undefined || Math.max(...[guidanceScale].flat()) <= 1) return;
    warn((name) => `${name("guidanceScale")} is ${guidanceScale}; this checkpoint is distilled and takes no guidance`);
  }

  protected async *denoise(call: Call<Flux2KleinRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    const { request } = call;
    const statistics = await (expectVae(this.vae) as AutoencoderKLFlux2).latentStatistics();
    const pictures = request.image === undefined ? [] : await readReferences(request.image, this.sizeMultiple);
    const size = this.size({ height: request.height ?? pictures[0]?.height, width: request.width ?? pictures[0]?.width });
    const timesteps = this.plan(call, size);
    const references = pictures.length > 0 ? await this.references(pictures, statistics) : undefined;
    const run = { size, timesteps };
    const others = references?.positions.length;
    const predictions = await this.predictionsInRoom(call, run, (pipeline) => pipeline.predictions(call, run, references), others);
    const latents = this.noise(call, size);
    const unpack = (tokens: Tensor) => unpacked(tokens, this.noiseShape(tokens.shape[0] ?? 0, size), statistics);
    return yield* this.loop(call, { latents, timesteps, ...predictions, unpack });
  }

  protected blankFeatures(rows: number, tokens: number): Flux2KleinFeatures {
    return { promptEmbeds: Tensor.zeros([rows, tokens, this.transformer.config.jointAttentionDim]) };
  }

  protected async predictions(
    call: Call<Flux2KleinRequest>,
    { size, timesteps }: PlannedRun,
    references?: References,
  ): Promise<Predictions> {
    const conditioning = await conditionOn<Flux2KleinRequest, { readonly promptEmbeds: Tensor }, KleinInputs>(
      this.textEncoders,
      call,
      timesteps,
      ({ positive, negative }) => ({ encoderHiddenStates: (negative ? joinRows([negative, positive]) : positive).promptEmbeds }),
    );
    const [, , rows = 0, columns = 0] = this.noiseShape(1, size);
    const imgIds = [...positionsOf(0, rows, columns), ...(references?.positions ?? [])];
    const forward = async (tokens: Tensor, timestep: number, { encoderHiddenStates }: KleinInputs) => {
      const [batch = 0, own = 0] = tokens.shape;
      const input = references ? concat([tokens, references.tokens.repeatInterleave(batch)], 1) : tokens;
      const txtIds = Array.from({ length: encoderHiddenStates.shape[1] ?? 0 }, (_, i) => [0, 0, 0, i]);
      const inputs = { encoderHiddenStates, imgIds, txtIds };
      const { sample } = await this.transformer.forward(input, flowTime(timestep), inputs);
      return { sample: references ? sample.permute(1, 0, 2).slice(0, own).permute(1, 0, 2) : sample };
    };
    return { predict: predictor({ forward }, call, conditioning), steerable: [conditioning] };
  }

  /** Tokens of the pictures' likeliest latents, normalised, one picture after another. */
  private async references(pictures: readonly Picture[], { mean, std }: LatentStatistics): Promise<References> {
    const parts: Tensor[] = [];
    const positions: number[][] = [];
    for (const [i, picture] of pictures.entries()) {
      const { latentDist } = await this.vae.encode(pictureTensor(picture));
      const squares = squaresOf(latentDist.mode());
      const [, channels = 0, rows = 0, columns = 0] = squares.shape;
      const normalised = squares.sub(mean.reshape([1, channels, 1, 1])).div(std.reshape([1, channels, 1, 1]));
      parts.push(this.pack(normalised));
      positions.push(...positionsOf(REFERENCE_STEP * (i + 1), rows, columns));
    }
    return { tokens: concat(parts, 1), positions };
  }
}

/** Positions of a picture's tokens, row by row. */
function positionsOf(frame: number, rows: number, columns: number): number[][] {
  return gridPositions(rows, columns, frame).map((position) => [...position, 0]);
}

/** Latents [batch, channels, height, width] with the four numbers of each square of 2 x 2 as channels. */
function squaresOf(latents: Tensor): Tensor {
  const [batch = 0, channels = 0, height = 0, width = 0] = latents.shape;
  const squares = latents.reshape([batch, channels, height / 2, 2, width / 2, 2]).permute(0, 1, 3, 5, 2, 4);
  return squares.reshape([batch, channels * 4, height / 2, width / 2]);
}

/** The autoencoder's latents of tokens that stand for squares of this shape. */
function unpacked(tokens: Tensor, [batch = 0, channels = 0, rows = 0, columns = 0]: Shape, { mean, std }: LatentStatistics): Tensor {
  const squares = tokens.permute(0, 2, 1).reshape([batch, channels, rows, columns]);
  const own = squares.mul(std.reshape([1, channels, 1, 1])).add(mean.reshape([1, channels, 1, 1]));
  const latents = own.reshape([batch, channels / 4, 2, 2, rows, columns]).permute(0, 1, 4, 2, 5, 3);
  return latents.reshape([batch, channels / 4, rows * 2, columns * 2]);
}

/** The shift of noise levels that was measured to be best for so many tokens and steps. Matches diffusers' compute_empirical_mu. */
function empiricalMu(tokens: number, steps: number): number {
  const ofManySteps = 0.00016927 * tokens + 0.45666666;
  if (tokens > 4300) return ofManySteps;
  const ofTenSteps = 8.73809524e-5 * tokens + 1.89833333;
  const slope = (ofManySteps - ofTenSteps) / 190;
  return slope * steps + (ofManySteps - 200 * slope);
}
