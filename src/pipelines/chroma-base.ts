import { ChromaTransformer2DModel } from "../models/chroma-transformer-2d.js";
import { T5EncoderModel } from "../models/t5-encoder.js";
import { type Fields, instanceOf, orNull } from "../options/fields.js";
import { concat, Tensor } from "../tensor/tensor.js";
import { T5Tokenizer } from "../tokenizer/t5.js";
import { LATENT_DIFFUSION_PARTS } from "./latent-diffusion.js";
import { GUIDANCE_FIELDS, type GuidanceOptions, type PromptEmbeds } from "./latent-diffusion-request.js";
import { PackedFlowPipeline } from "./packed-flow-pipeline.js";
import { CHROMA_PROMPT_FIELDS, type ChromaFeatures, type ChromaPromptOptions, ChromaTextEncoders } from "./prompt/chroma.js";
import { conditionOn } from "./prompt/conditioning.js";
import { PROMPT_INPUT_FIELDS, type Prompted } from "./prompt/prompt-options.js";
import { joinRows } from "./prompt/text-encoders.js";
import type { Call } from "./shared/call.js";
import { AUTOENCODERS, SCHEDULERS_OF_CHECKPOINTS } from "./shared/component-classes.js";
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

/** The parts of a Chroma checkpoint. */
export interface ChromaComponents extends TransformerComponents<ChromaTransformer2DModel> {
  /** T5; may be null if calls have `promptEmbeds` and `promptAttentionMask` instead of prompts. */
  readonly textEncoder: T5EncoderModel | null;
  /** T5's tokenizer; may be null like `textEncoder`. */
  readonly tokenizer: T5Tokenizer | null;
}

export const CHROMA_PARTS: Fields<ChromaComponents> = {
  ...LATENT_DIFFUSION_PARTS,
  transformer: part(instanceOf(ChromaTransformer2DModel)),
  textEncoder: part(orNull(instanceOf(T5EncoderModel))),
  tokenizer: part(orNull(instanceOf(T5Tokenizer))),
};

/** The options of every call of a pipeline of Chroma. Guidance is 5 by default, in 35 steps. */
export interface ChromaRequest extends TransformerRequest, ChromaPromptOptions {}

export const CHROMA_FIELDS: Fields<ChromaRequest> = { ...TRANSFORMER_FIELDS, ...CHROMA_PROMPT_FIELDS };

/** Features of prompts, for requests in place of the prompts. */
export interface ChromaPromptEmbeds extends PromptEmbeds {
  /** 1 for tokens that count, 0 for padding [batch, tokens]. */
  readonly promptAttentionMask: Tensor;
  /** As `promptAttentionMask`, for the negative prompts; only for guidance. */
  readonly negativePromptAttentionMask?: Tensor | undefined;
}

/** The transformer's inputs that prompts make. */
interface ChromaInputs {
  readonly encoderHiddenStates: Tensor;
  readonly mask: Tensor;
}

/** What the pipelines of Chroma share. */
export abstract class ChromaBase<Request extends ChromaRequest> extends PackedFlowPipeline<Request, ChromaTransformer2DModel> {
  /** The class's name in diffusers. */
  static readonly className: string;
  /** T5. Null at run time if the pipeline was opened without it. */
  textEncoder: T5EncoderModel;
  /** T5's tokenizer. Null at run time if the pipeline was opened without it. */
  tokenizer: T5Tokenizer;

  /** Makes a pipeline of parts that the caller loaded. The caller disposes them. */
  constructor(components: ChromaComponents, source?: ComponentSource) {
    expectParts(new.target.className, components, CHROMA_PARTS);
    super(components, source);
    this.textEncoder = components.textEncoder as T5EncoderModel;
    this.tokenizer = components.tokenizer as T5Tokenizer;
  }

  override get components(): ChromaComponents {
    return super.components as ChromaComponents;
  }

  /**
   * Features that T5 makes of prompts, for a request in place of the prompts:
   * `pipe.generate({ ...(await pipe.encodePrompt({ prompt })) })` makes the same pictures.
   * @throws ArgumentError as `generate`
   */
  encodePrompt(options: Prompted<ChromaPromptOptions> & GuidanceOptions): Promise<ChromaPromptEmbeds> {
    const { maxSequenceLength } = TRANSFORMER_FIELDS;
    return this.embed(options, { ...PROMPT_INPUT_FIELDS, ...CHROMA_PROMPT_FIELDS, ...GUIDANCE_FIELDS, maxSequenceLength });
  }

  protected override get absentParts(): readonly string[] {
    return ["image_encoder", "feature_extractor"];
  }

  protected get textEncoders(): ChromaTextEncoders {
    const { textEncoder, tokenizer } = this;
    return new ChromaTextEncoders({ textEncoder, tokenizer, width: this.transformer.config.jointAttentionDim });
  }

  protected blankFeatures(rows: number, tokens: number): ChromaFeatures {
    return {
      promptEmbeds: Tensor.zeros([rows, tokens, this.transformer.config.jointAttentionDim]),
      promptAttentionMask: Tensor.full([rows, tokens], 1),
    };
  }

  protected async predictions(call: Call<Request>, { size, timesteps }: PlannedRun): Promise<Predictions> {
    const { transformer } = this;
    const imgIds = this.positions(size);
    const conditioning = await conditionOn<Request, ChromaFeatures, ChromaInputs>(
      this.textEncoders,
      call,
      timesteps,
      ({ positive, negative }) => {
        const { promptEmbeds, promptAttentionMask: mask } = joinRows(negative ? [negative, positive] : [positive]);
        const ofPicture = Tensor.full([mask.shape[0] ?? 0, imgIds.shape[0] ?? 0], 1);
        return { encoderHiddenStates: promptEmbeds, mask: concat([mask, ofPicture], 1) };
      },
    );
    const forward = (latents: Tensor, timestep: number, inputs: ChromaInputs & StepCacheInputs) => {
      const { encoderHiddenStates, mask: attentionMask, firstBlock } = inputs;
      const txtIds = Tensor.zeros([encoderHiddenStates.shape[1] ?? 0, 3]);
      return transformer.forward(latents, flowTime(timestep), { encoderHiddenStates, attentionMask, imgIds, txtIds, firstBlock });
    };
    return {
      predict: predictor({ forward, cachesFirstBlock: transformer.cachesFirstBlock }, call, conditioning),
      steerable: [conditioning],
    };
  }
}

/** Loads the parts that are not in `given`. */
export async function loadChroma(source: ComponentSource, given: Partial<ChromaComponents>): Promise<ChromaComponents> {
  const [vae, textEncoder, tokenizer, transformer, scheduler] = await Promise.all([
    source.loadOptional("vae", AUTOENCODERS, given.vae),
    source.loadOptional("text_encoder", T5_ENCODERS, given.textEncoder),
    source.loadOptional("tokenizer", T5_TOKENIZERS, given.tokenizer),
    source.load("transformer", { ChromaTransformer2DModel }, given.transformer),
    source.load("scheduler", SCHEDULERS_OF_CHECKPOINTS, given.scheduler),
  ]);
  return { vae, textEncoder, tokenizer, transformer, scheduler };
}
