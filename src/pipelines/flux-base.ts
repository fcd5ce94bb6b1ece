import { CLIPTextModel } from "../models/clip-text.js";
import { FluxTransformer2DModel } from "../models/flux-transformer-2d.js";
import { T5EncoderModel } from "../models/t5-encoder.js";
import { type Fields, instanceOf, orNull, real } from "../options/fields.js";
import { concat, Tensor } from "../tensor/tensor.js";
import { CLIPTokenizer } from "../tokenizer/clip.js";
import { T5Tokenizer } from "../tokenizer/t5.js";
import { warn } from "../warnings.js";
import { LATENT_DIFFUSION_PARTS } from "./latent-diffusion.js";
import { GUIDANCE_FIELDS, type GuidanceOptions, type PromptEmbeds } from "./latent-diffusion-request.js";
import { PackedFlowPipeline } from "./packed-flow-pipeline.js";
import { conditionOn } from "./prompt/conditioning.js";
import { FLUX_PROMPT_FIELDS, type FluxFeatures, type FluxPromptOptions, FluxTextEncoders } from "./prompt/flux.js";
import { PROMPT_INPUT_FIELDS, type Prompted, type PromptInput, type TextEmbeds } from "./prompt/prompt-options.js";
import { joinRows } from "./prompt/text-encoders.js";
import type { Call } from "./shared/call.js";
import { AUTOENCODERS, SCHEDULERS_OF_CHECKPOINTS, TOKENIZERS } from "./shared/component-classes.js";
import { type ComponentSource, expectParts, part } from "./shared/components.js";
import type { StepCacheInputs } from "./shared/denoiser.js";
import { flowTime } from "./shared/flow-timesteps.js";
import { T5_ENCODERS, T5_TOKENIZERS } from "./shared/language-model-classes.js";
import { predictor } from "./shared/predictor.js";
import {
  type PlannedRun,
  type Predictions,
  TRANSFORMER_FIELDS,
  type TransformerComponents,
  type TransformerRequest,
} from "./transformer-pipeline.js";

/** The parts of a FLUX.1 checkpoint. */
export interface FluxComponents extends TransformerComponents<FluxTransformer2DModel> {
  /** CLIP, which reads the prompt as a whole; may be null if calls have `promptEmbeds` and `pooledPromptEmbeds` instead of prompts. */
  readonly textEncoder: CLIPTextModel | null;
  /** T5, which reads every token of the prompt; may be null like `textEncoder`. */
  readonly textEncoder2: T5EncoderModel | null;
  /** CLIP's tokenizer; may be null like `textEncoder`. */
  readonly tokenizer: CLIPTokenizer | null;
  /** T5's tokenizer; may be null like `textEncoder`. */
  readonly tokenizer2: T5Tokenizer | null;
}

export const FLUX_PARTS: Fields<FluxComponents> = {
  ...LATENT_DIFFUSION_PARTS,
  transformer: part(instanceOf(FluxTransformer2DModel)),
  textEncoder: part(orNull(instanceOf(CLIPTextModel))),
  textEncoder2: part(orNull(instanceOf(T5EncoderModel))),
  tokenizer: part(orNull(instanceOf(CLIPTokenizer))),
  tokenizer2: part(orNull(instanceOf(T5Tokenizer))),
};

/** The options of every call of a pipeline of FLUX.1. */
export interface FluxRequest extends TransformerRequest, FluxPromptOptions {
  /**
   * The guidance scale that the transformer takes as an input: how strongly the picture follows the prompt. 3.5 by default, 7 from a
   * picture, 30 for Fill. Schnell takes none.
   */
  readonly guidanceScale?: number | undefined;
}

export const FLUX_FIELDS: Fields<FluxRequest> = { ...TRANSFORMER_FIELDS, ...FLUX_PROMPT_FIELDS, guidanceScale: real() };

/** Guidance by negative prompts. */
export interface TrueGuidanceOptions {
  /**
   * How strongly the picture differs from what `negativePrompt` says; 1 by default. Above 1, and with a negative prompt, every step takes
   * twice as long.
   */
  readonly trueCfgScale?: number | undefined;
}

export const TRUE_GUIDANCE_FIELDS: Fields<TrueGuidanceOptions> = { trueCfgScale: real() };

/** Features of prompts, for requests in place of the prompts. */
export interface FluxPromptEmbeds extends PromptEmbeds {
  /** CLIP's pooled features [batch, width]. */
  readonly pooledPromptEmbeds: Tensor;
  /** Pooled features of the negative prompts; only for guidance. */
  readonly negativePooledPromptEmbeds?: Tensor | undefined;
}

/** What the transformer sees beside the noisy tokens. */
export interface FluxSight {
  /** Further numbers of each token [batch, tokens, numbers]. */
  readonly numbers?: Tensor | undefined;
  /** Further tokens [batch, tokens, channels], and their positions. */
  readonly reference?: { readonly tokens: Tensor; readonly positions: Tensor } | undefined;
}

/** The transformer's inputs that prompts make. */
interface FluxInputs {
  readonly encoderHiddenStates: Tensor;
  readonly pooledProjections: Tensor;
}

/** What the pipelines of FLUX.1 share. */
export abstract class FluxBase<Request extends FluxRequest & TrueGuidanceOptions> extends PackedFlowPipeline<
  Request,
  FluxTransformer2DModel
> {
  /** The class's name in diffusers. */
  static readonly className: string;
  /** CLIP. Null at run time if the pipeline was opened without it. */
  textEncoder: CLIPTextModel;
  /** T5. Null at run time if the pipeline was opened without it. */
  textEncoder2: T5EncoderModel;
  /** CLIP's tokenizer. Null at run time if the pipeline was opened without it. */
  tokenizer: CLIPTokenizer;
  /** T5's tokenizer. Null at run time if the pipeline was opened without it. */
  tokenizer2: T5Tokenizer;

  /** Makes a pipeline of parts that the caller loaded. The caller disposes them. */
  constructor(components: FluxComponents, source?: ComponentSource) {
    expectParts(new.target.className, components, FLUX_PARTS);
    super(components, source);
    this.textEncoder = components.textEncoder as CLIPTextModel;
    this.textEncoder2 = components.textEncoder2 as T5EncoderModel;
    this.tokenizer = components.tokenizer as CLIPTokenizer;
    this.tokenizer2 = components.tokenizer2 as T5Tokenizer;
  }

  override get components(): FluxComponents {
    return super.components as FluxComponents;
  }

  /**
   * Features that the text encoders make of prompts, for a request in place of the prompts:
   * `pipe.generate({ ...(await pipe.encodePrompt({ prompt })) })` makes the same pictures.
   * @throws ArgumentError as `generate`
   */
  encodePrompt(
    options: Prompted<FluxPromptOptions> & Pick<GuidanceOptions, "doClassifierFreeGuidance"> & TrueGuidanceOptions,
  ): Promise<FluxPromptEmbeds> {
    const { doClassifierFreeGuidance } = GUIDANCE_FIELDS;
    const { maxSequenceLength } = TRANSFORMER_FIELDS;
    return this.embed(options, {
      ...PROMPT_INPUT_FIELDS,
      ...FLUX_PROMPT_FIELDS,
      ...TRUE_GUIDANCE_FIELDS,
      doClassifierFreeGuidance,
      maxSequenceLength,
    });
  }

  protected override get absentParts(): readonly string[] {
    return ["image_encoder", "feature_extractor"];
  }

  protected get textEncoders(): FluxTextEncoders {
    const { textEncoder, tokenizer, textEncoder2, tokenizer2 } = this;
    const { jointAttentionDim, pooledProjectionDim } = this.transformer.config;
    return new FluxTextEncoders({ textEncoder, tokenizer, textEncoder2, tokenizer2, widths: [jointAttentionDim, pooledProjectionDim] });
  }

  /** `guidanceScale` is an input of the transformer; this is that of negative prompts. */
  protected override guidanceScaleOf({ trueCfgScale = 1 }: GuidanceOptions & TrueGuidanceOptions): number {
    return trueCfgScale;
  }

  protected override isGuided(scale: number, prompts: PromptInput<TextEmbeds>): boolean {
    const { negativePrompt, negativePromptEmbeds } = prompts;
    return scale > 1 && (negativePrompt !== undefined || negativePromptEmbeds !== undefined);
  }

  protected override expectGuidance({ negativePrompt, trueCfgScale = 1, guidanceScale = 1 }: Request): void {
    if (negativePrompt !== undefined && negativePrompt !== "" && trueCfgScale <= 1) {
      warn((name) => `${name("negativePrompt")} has no effect: ${name("trueCfgScale")} is ${trueCfgScale}`);
    }
    if (guidanceScale > 1 && !this.transformer.config.guidanceEmbeds) {
      warn((name) => `${name("guidanceScale")} has no effect: this transformer takes no guidance`);
    }
  }

  protected blankFeatures(rows: number, tokens: number): FluxFeatures {
    const { jointAttentionDim, pooledProjectionDim } = this.transformer.config;
    return {
      promptEmbeds: Tensor.zeros([rows, tokens, jointAttentionDim]),
      pooledPromptEmbeds: Tensor.zeros([rows, pooledProjectionDim]),
    };
  }

  protected predictions(call: Call<Request>, run: PlannedRun): Promise<Predictions> {
    return this.seeing(call, run, {});
  }

  /** The transformer's predictions if it sees something beside the noisy tokens. */
  protected async seeing(call: Call<Request>, { size, timesteps }: PlannedRun, { numbers, reference }: FluxSight): Promise<Predictions> {
    const { transformer } = this;
    const guidance = transformer.config.guidanceEmbeds ? (call.request.guidanceScale ?? this.defaults.guidance) : undefined;
    const own = this.positions(size);
    const imgIds = reference ? concat([own, reference.positions]) : own;
    const conditioning = await conditionOn<Request, FluxFeatures, FluxInputs>(
      this.textEncoders,
      call,
      timesteps,
      ({ positive, negative }) => {
        const { promptEmbeds, pooledPromptEmbeds } = joinRows(negative ? [negative, positive] : [positive]);
        return { encoderHiddenStates: promptEmbeds, pooledProjections: pooledPromptEmbeds };
      },
    );
    const forward = async (latents: Tensor, timestep: number, { firstBlock, ...inputs }: FluxInputs & StepCacheInputs) => {
      const wide = numbers ? concat([latents, numbers], 2) : latents;
      const txtIds = Tensor.zeros([inputs.encoderHiddenStates.shape[1] ?? 0, 3]);
      const { sample } = await transformer.forward(reference ? concat([wide, reference.tokens], 1) : wide, flowTime(timestep), {
        encoderHiddenStates: inputs.encoderHiddenStates,
        pooledProjections: inputs.pooledProjections,
        imgIds,
        txtIds,
        guidance,
        firstBlock,
      });
      return { sample: reference ? sample.slice(0, latents.shape[1] ?? 0, 1) : sample };
    };
    return {
      predict: predictor({ forward, cachesFirstBlock: transformer.cachesFirstBlock }, call, conditioning),
      steerable: [conditioning],
    };
  }
}

/** Loads the parts that are not in `given`. */
export async function loadFlux(source: ComponentSource, given: Partial<FluxComponents>): Promise<FluxComponents> {
  const [vae, textEncoder, textEncoder2, tokenizer, tokenizer2, transformer, scheduler] = await Promise.all([
    source.loadOptional("vae", AUTOENCODERS, given.vae),
    source.loadOptional("text_encoder", { CLIPTextModel }, given.textEncoder),
    source.loadOptional("text_encoder_2", T5_ENCODERS, given.textEncoder2),
    source.loadOptional("tokenizer", TOKENIZERS, given.tokenizer),
    source.loadOptional("tokenizer_2", T5_TOKENIZERS, given.tokenizer2),
    source.load("transformer", { FluxTransformer2DModel }, given.transformer),
    source.load("scheduler", SCHEDULERS_OF_CHECKPOINTS, given.scheduler),
  ]);
  return { vae, textEncoder, textEncoder2, tokenizer, tokenizer2, transformer, scheduler };
}
