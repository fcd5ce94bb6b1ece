import { CLIPTextModelWithProjection } from "../models/clip-text.js";
import { SD3Transformer2DModel } from "../models/sd3-transformer-2d.js";
import { T5EncoderModel } from "../models/t5-encoder.js";
import { type Fields, instanceOf, layerNumbers, orNull, real } from "../options/fields.js";
import type { Scheduler } from "../schedulers/shared/scheduler.js";
import { Tensor } from "../tensor/tensor.js";
import { CLIPTokenizer } from "../tokenizer/clip.js";
import { T5Tokenizer } from "../tokenizer/t5.js";
import { LATENT_DIFFUSION_PARTS } from "./latent-diffusion.js";
import { GUIDANCE_FIELDS, type GuidanceOptions, type PromptEmbeds } from "./latent-diffusion-request.js";
import { conditionOn } from "./prompt/conditioning.js";
import type { FluxFeatures } from "./prompt/flux.js";
import { PROMPT_INPUT_FIELDS, type Prompted } from "./prompt/prompt-options.js";
import {
  STABLE_DIFFUSION_3_PROMPT_FIELDS,
  type StableDiffusion3PromptOptions,
  StableDiffusion3TextEncoders,
} from "./prompt/stable-diffusion-3.js";
import { joinRows } from "./prompt/text-encoders.js";
import type { Size } from "./shared/arguments.js";
import type { Call } from "./shared/call.js";
import { AUTOENCODERS, SCHEDULERS_OF_CHECKPOINTS, TOKENIZERS } from "./shared/component-classes.js";
import { type ComponentSource, expectParts, part } from "./shared/components.js";
import type { Predict } from "./shared/denoising-loop.js";
import { T5_ENCODERS, T5_TOKENIZERS } from "./shared/language-model-classes.js";
import { predictor } from "./shared/predictor.js";
import {
  type PlannedRun,
  type Predictions,
  TRANSFORMER_FIELDS,
  type TransformerComponents,
  TransformerPipeline,
  type TransformerRequest,
} from "./transformer-pipeline.js";

/** Tokens of a prompt for CLIP, before those for T5. */
const CLIP_TOKENS = 77;

/** The parts of a Stable Diffusion 3 checkpoint. */
export interface StableDiffusion3Components extends TransformerComponents<SD3Transformer2DModel> {
  /** CLIP's smaller text encoder; may be null if calls have `promptEmbeds` and `pooledPromptEmbeds` instead of prompts. */
  readonly textEncoder: CLIPTextModelWithProjection | null;
  /** CLIP's larger text encoder; may be null like `textEncoder`. */
  readonly textEncoder2: CLIPTextModelWithProjection | null;
  /** T5; null for pictures without it, which takes 9 GB less memory and follows long prompts less closely. */
  readonly textEncoder3: T5EncoderModel | null;
  /** The tokenizer of `textEncoder`; may be null like it. */
  readonly tokenizer: CLIPTokenizer | null;
  /** The tokenizer of `textEncoder2`; may be null like it. */
  readonly tokenizer2: CLIPTokenizer | null;
  /** T5's tokenizer; may be null like `textEncoder3`. */
  readonly tokenizer3: T5Tokenizer | null;
}

export const STABLE_DIFFUSION_3_PARTS: Fields<StableDiffusion3Components> = {
  ...LATENT_DIFFUSION_PARTS,
  transformer: part(instanceOf(SD3Transformer2DModel)),
  textEncoder: part(orNull(instanceOf(CLIPTextModelWithProjection))),
  textEncoder2: part(orNull(instanceOf(CLIPTextModelWithProjection))),
  textEncoder3: part(orNull(instanceOf(T5EncoderModel))),
  tokenizer: part(orNull(instanceOf(CLIPTokenizer))),
  tokenizer2: part(orNull(instanceOf(CLIPTokenizer))),
  tokenizer3: part(orNull(instanceOf(T5Tokenizer))),
};

/** The options of every call of a pipeline of Stable Diffusion 3. T5 reads at most 256 tokens by default. */
export interface StableDiffusion3Common extends TransformerRequest, StableDiffusion3PromptOptions {
  /** The shift of noise levels, for a scheduler with dynamic shifting; by default it grows with the picture. */
  readonly mu?: number | undefined;
}

export const STABLE_DIFFUSION_3_FIELDS: Fields<StableDiffusion3Common> = {
  ...TRANSFORMER_FIELDS,
  ...STABLE_DIFFUSION_3_PROMPT_FIELDS,
  mu: real(),
};

/** Skip-layer guidance: away from what the transformer predicts without some of its blocks. Good for hands and bodies with 3.5 medium. */
export interface SkipLayerOptions {
  /** The blocks that are left out, from 0; [7, 8, 9] for 3.5 medium. By default there is no skip-layer guidance. */
  readonly skipGuidanceLayers?: readonly number[] | undefined;
  /** How strong it is; 2.8 by default. */
  readonly skipLayerGuidanceScale?: number | undefined;
  /** The share of the steps after which it begins, 0..1; 0.01 by default. */
  readonly skipLayerGuidanceStart?: number | undefined;
  /** The share of the steps before which it ends, 0..1; 0.2 by default. */
  readonly skipLayerGuidanceStop?: number | undefined;
}

export const SKIP_LAYER_FIELDS: Fields<SkipLayerOptions> = {
  skipGuidanceLayers: layerNumbers,
  skipLayerGuidanceScale: real(),
  skipLayerGuidanceStart: real(0, 1),
  skipLayerGuidanceStop: real(0, 1),
};

/** Features of prompts, for requests in place of the prompts. */
export interface StableDiffusion3PromptEmbeds extends PromptEmbeds {
  /** CLIP's pooled features [batch, width]. */
  readonly pooledPromptEmbeds: Tensor;
  /** Pooled features of the negative prompts; only for guidance. */
  readonly negativePooledPromptEmbeds?: Tensor | undefined;
}

/** The transformer's inputs that prompts make. */
interface SD3Inputs {
  readonly encoderHiddenStates: Tensor;
  readonly pooledProjections: Tensor;
}

/** What the pipelines of Stable Diffusion 3 share. */
export abstract class StableDiffusion3Base<Request extends StableDiffusion3Common & SkipLayerOptions> extends TransformerPipeline<
  Request,
  SD3Transformer2DModel
> {
  /** The class's name in diffusers. */
  static readonly className: string;
  /** CLIP's smaller text encoder. Null at run time if the pipeline was opened without it. */
  textEncoder: CLIPTextModelWithProjection;
  /** CLIP's larger text encoder. Null at run time if the pipeline was opened without it. */
  textEncoder2: CLIPTextModelWithProjection;
  /** T5; null without it. */
  textEncoder3: T5EncoderModel | null;
  /** The tokenizer of `textEncoder`. Null at run time if the pipeline was opened without it. */
  tokenizer: CLIPTokenizer;
  /** The tokenizer of `textEncoder2`. Null at run time if the pipeline was opened without it. */
  tokenizer2: CLIPTokenizer;
  /** T5's tokenizer; null without it. */
  tokenizer3: T5Tokenizer | null;

  /** Makes a pipeline of parts that the caller loaded. The caller disposes them. */
  constructor(components: StableDiffusion3Components, source?: ComponentSource) {
    expectParts(new.target.className, components, STABLE_DIFFUSION_3_PARTS);
    super(components, source);
    this.textEncoder = components.textEncoder as CLIPTextModelWithProjection;
    this.textEncoder2 = components.textEncoder2 as CLIPTextModelWithProjection;
    this.textEncoder3 = components.textEncoder3;
    this.tokenizer = components.tokenizer as CLIPTokenizer;
    this.tokenizer2 = components.tokenizer2 as CLIPTokenizer;
    this.tokenizer3 = components.tokenizer3;
  }

  override get components(): StableDiffusion3Components {
    return super.components as StableDiffusion3Components;
  }

  /**
   * Features that the text encoders make of prompts, for a request in place of the prompts:
   * `pipe.generate({ ...(await pipe.encodePrompt({ prompt })) })` makes the same pictures.
   * @throws ArgumentError as `generate`
   */
  encodePrompt(options: Prompted<StableDiffusion3PromptOptions> & GuidanceOptions): Promise<StableDiffusion3PromptEmbeds> {
    const { maxSequenceLength } = TRANSFORMER_FIELDS;
    return this.embed(options, { ...PROMPT_INPUT_FIELDS, ...STABLE_DIFFUSION_3_PROMPT_FIELDS, ...GUIDANCE_FIELDS, maxSequenceLength });
  }

  protected override get absentParts(): readonly string[] {
    return ["image_encoder", "feature_extractor"];
  }

  protected get textEncoders(): StableDiffusion3TextEncoders {
    const { textEncoder, tokenizer, textEncoder2, tokenizer2, textEncoder3, tokenizer3 } = this;
    const { jointAttentionDim, pooledProjectionDim } = this.transformer.config;
    const reading = { textEncoder, tokenizer, textEncoder2, tokenizer2, textEncoder3, tokenizer3 };
    return new StableDiffusion3TextEncoders({ ...reading, widths: [jointAttentionDim, pooledProjectionDim] });
  }

  protected override readonly defaultTokens = 256;

  protected get noiseChannels(): number {
    return this.transformer.config.inChannels;
  }

  protected override get sizeMultiple(): number {
    return this.vaeScaleFactor * this.transformer.config.patchSize;
  }

  protected override get nativeSize(): Size {
    const side = this.transformer.config.sampleSize * this.vaeScaleFactor;
    return { height: side, width: side };
  }

  /** The scheduler chooses its noise levels itself. */
  protected override sigmas(): undefined {
    return undefined;
  }

  protected override mu(tokens: number, steps: number, scheduler: Scheduler, request: Request): number {
    return request.mu ?? super.mu(tokens, steps, scheduler, request);
  }

  protected blankFeatures(rows: number, tokens: number): FluxFeatures {
    const { jointAttentionDim, pooledProjectionDim } = this.transformer.config;
    return {
      promptEmbeds: Tensor.zeros([rows, CLIP_TOKENS + tokens, jointAttentionDim]),
      pooledPromptEmbeds: Tensor.zeros([rows, pooledProjectionDim]),
    };
  }

  protected async predictions(call: Call<Request>, { timesteps }: PlannedRun): Promise<Predictions> {
    const { transformer } = this;
    const conditioning = await conditionOn<Request, FluxFeatures, SD3Inputs>(
      this.textEncoders,
      call,
      timesteps,
      ({ positive, negative }) => {
        const { promptEmbeds, pooledPromptEmbeds } = joinRows(negative ? [negative, positive] : [positive]);
        return { encoderHiddenStates: promptEmbeds, pooledProjections: pooledPromptEmbeds };
      },
    );
    const { skipGuidanceLayers: skipLayers } = call.request;
    let last: { readonly sample: Tensor; readonly inputs: SD3Inputs } | undefined;
    const forward = async (latents: Tensor, timestep: number, { encoderHiddenStates, pooledProjections }: SD3Inputs) => {
      const inputs = { encoderHiddenStates, pooledProjections };
      const { sample } = await transformer.forward(latents, timestep, inputs);
      last = { sample, inputs };
      return { sample };
    };
    const whole = predictor({ forward }, call, conditioning);
    const { skipLayerGuidanceScale: scale = 2.8, skipLayerGuidanceStart: start = 0.01, skipLayerGuidanceStop: stop = 0.2 } = call.request;
    const steps = call.timestepOptions.sigmas || call.timestepOptions.timesteps ? timesteps.length : call.steps;
    const predict: Predict = async (scaled, timestep, index, latents) => {
      const prediction = await whole(scaled, timestep, index, latents);
      const isSkipping = skipLayers && call.guidance.at(index).isGuided && index > steps * start && index < steps * stop;
      if (!isSkipping || !last) return prediction;
      const conditional = (tensor: Tensor) => tensor.chunk(2)[1] as Tensor;
      const inputs = {
        encoderHiddenStates: conditional(last.inputs.encoderHiddenStates),
        pooledProjections: conditional(last.inputs.pooledProjections),
      };
      const text = conditional(last.sample);
      const { sample: skipped } = await transformer.forward(scaled, timestep, { ...inputs, skipLayers });
      return { ...prediction, sample: prediction.sample.add(text.sub(skipped).mul(scale)) };
    };
    return { predict, steerable: [conditioning] };
  }
}

/** Loads the parts that are not in `given`. */
export async function loadStableDiffusion3(
  source: ComponentSource,
  given: Partial<StableDiffusion3Components>,
): Promise<StableDiffusion3Components> {
  const [vae, textEncoder, textEncoder2, textEncoder3, tokenizer, tokenizer2, tokenizer3, transformer, scheduler] = await Promise.all([
    source.loadOptional("vae", AUTOENCODERS, given.vae),
    source.loadOptional("text_encoder", { CLIPTextModelWithProjection }, given.textEncoder),
    source.loadOptional("text_encoder_2", { CLIPTextModelWithProjection }, given.textEncoder2),
    source.loadOptional("text_encoder_3", T5_ENCODERS, given.textEncoder3),
    source.loadOptional("tokenizer", TOKENIZERS, given.tokenizer),
    source.loadOptional("tokenizer_2", TOKENIZERS, given.tokenizer2),
    source.loadOptional("tokenizer_3", T5_TOKENIZERS, given.tokenizer3),
    source.load("transformer", { SD3Transformer2DModel }, given.transformer),
    source.load("scheduler", SCHEDULERS_OF_CHECKPOINTS, given.scheduler),
  ]);
  return { vae, textEncoder, textEncoder2, textEncoder3, tokenizer, tokenizer2, tokenizer3, transformer, scheduler };
}
