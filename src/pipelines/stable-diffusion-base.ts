import type { JsonObject } from "../checkpoint/json.js";
import { ArgumentError, ConfigError } from "../errors.js";
import { pictures } from "../image/picture.js";
import { CLIPTextModel } from "../models/clip-text.js";
import { StableDiffusionSafetyChecker } from "../models/safety-checker.js";
import { UNet2DConditionModel } from "../models/unet-2d-condition.js";
import { type Fields, instanceOf, orNull } from "../options/fields.js";
import type { Scheduler } from "../schedulers/shared/scheduler.js";
import { concat, Tensor } from "../tensor/tensor.js";
import { CLIPTokenizer } from "../tokenizer/clip.js";
import { warn } from "../warnings.js";
import { FEATURE_EXTRACTORS, loadImageEncoder } from "./adapters/load-ip-adapters.js";
import { GUIDANCE_FIELDS, type GuidanceOptions, type PromptEmbeds } from "./latent-diffusion-request.js";
import { ClipTextEncoders } from "./prompt/clip-text-encoders.js";
import { conditionOn } from "./prompt/conditioning.js";
import { PROMPT_FIELDS, type Prompted, type PromptOptions } from "./prompt/prompt-options.js";
import { joinRows, repeat } from "./prompt/text-encoders.js";
import type { Call } from "./shared/call.js";
import { AUTOENCODERS, SCHEDULERS_OF_CHECKPOINTS, TOKENIZERS } from "./shared/component-classes.js";
import { type ComponentSource, expectParts, part } from "./shared/components.js";
import { guidanceScaleEmbedding } from "./shared/guidance.js";
import { type ConditionedRun, UNET_PARTS, type UNetComponents, UNetPipeline } from "./unet-pipeline.js";
import type { UNetRequest } from "./unet-request.js";

/** The parts of a Stable Diffusion 1.x or 2.x checkpoint. */
export interface StableDiffusionComponents extends UNetComponents {
  /** Encodes prompts; may be null if calls have `promptEmbeds` instead. */
  readonly textEncoder: CLIPTextModel | null;
  /** Splits prompts into tokens; may be null if calls have `promptEmbeds` instead. */
  readonly tokenizer: CLIPTokenizer | null;
  /** Replaces unsafe pictures by black ones. With null pictures are not checked, even if the checkpoint has a safety checker. */
  readonly safetyChecker?: StableDiffusionSafetyChecker | null | undefined;
}

export const STABLE_DIFFUSION_PARTS: Fields<StableDiffusionComponents> = {
  ...UNET_PARTS,
  textEncoder: part(orNull(instanceOf(CLIPTextModel))),
  tokenizer: part(orNull(instanceOf(CLIPTokenizer))),
  safetyChecker: orNull(instanceOf(StableDiffusionSafetyChecker)),
};

/** Settings that the schedulers of old checkpoints have wrong, with the right values. */
export const CORRECT_SETTINGS = { stepsOffset: 1, clipSample: false, skipPrkSteps: true } as const;

/** The corrections of diffusers' pipelines from text and from a picture, and of those with perturbed-attention guidance. */
export const USUAL_CORRECTIONS = { stepsOffset: CORRECT_SETTINGS.stepsOffset, clipSample: CORRECT_SETTINGS.clipSample } as const;

/** What the pipelines of Stable Diffusion 1.x and 2.x share: one text encoder, a safety checker. */
export abstract class StableDiffusionBase<Request extends UNetRequest> extends UNetPipeline<Request> {
  /** The class's name in diffusers. */
  static readonly className: string;
  /** Settings of old checkpoints' schedulers that the class corrects, as diffusers' class does. @internal */
  static readonly corrections: Partial<typeof CORRECT_SETTINGS> = {};
  /** Encodes prompts. Null at run time if the pipeline was opened without it. */
  textEncoder: CLIPTextModel;
  /** Splits prompts into tokens. Null at run time if the pipeline was opened without it. */
  tokenizer: CLIPTokenizer;
  /** Replaces unsafe pictures by black ones. With null pictures are not checked. */
  safetyChecker: StableDiffusionSafetyChecker | null;

  /** Makes a pipeline of parts that the caller loaded. The caller disposes them. */
  constructor(components: StableDiffusionComponents, source?: ComponentSource) {
    expectParts(new.target.className, components, STABLE_DIFFUSION_PARTS);
    if (components.unet.config.additionEmbedType === "text_time") {
      throw new ConfigError("this UNet is conditioned like Stable Diffusion XL's", {
        hint: "open the checkpoint with DiffusionPipeline or a StableDiffusionXL pipeline",
      });
    }
    if (components.unet.className === "UNetMotionModel" && !("motionAdapter" in components)) {
      throw new ConfigError("this UNet makes videos: it has motion modules", {
        hint: "use AnimateDiffPipeline, or give the UNet of a checkpoint for pictures",
      });
    }
    super({ ...components, scheduler: corrected(components.scheduler, new.target.corrections) }, source);
    this.textEncoder = components.textEncoder as CLIPTextModel;
    this.tokenizer = components.tokenizer as CLIPTokenizer;
    this.safetyChecker = components.safetyChecker ?? null;
  }

  override get components(): StableDiffusionComponents {
    return super.components as StableDiffusionComponents;
  }

  override get indexOptions(): JsonObject {
    return { requiresSafetyChecker: this.source?.options.requiresSafetyChecker ?? true };
  }

  protected get textEncoders(): ClipTextEncoders {
    const { textEncoder, tokenizer } = this.textParts;
    return new ClipTextEncoders({
      encoders: textEncoder && tokenizer ? [{ name: "text_encoder", tokenizer, model: textEncoder }] : [],
      missing: Object.entries(this.textParts).flatMap(([name, part]) => (part ? [] : name)),
      read: (model, inputIds, clipSkip) =>
        model.recall(`clip skip ${clipSkip}`, [inputIds], async () => ({
          promptEmbeds: (await model.forward(inputIds, { clipSkip })).lastHiddenState,
        })),
    });
  }

  private get textParts(): Pick<StableDiffusionComponents, "textEncoder" | "tokenizer"> {
    return { textEncoder: this.textEncoder, tokenizer: this.tokenizer };
  }

  /** Replaces pictures that the safety checker finds unsafe by black ones. */
  protected override async checkSafety(images: Tensor): Promise<{ images: Tensor; nsfwContentDetected?: readonly boolean[] }> {
    const { safetyChecker, featureExtractor } = this;
    if (!safetyChecker) return { images };
    if (!featureExtractor) {
      throw new ArgumentError("the safety checker needs a featureExtractor (CLIPImageProcessor)", {
        argument: "featureExtractor",
        hint: "give one, or safetyChecker: null",
      });
    }
    const { hasNsfwConcepts } = await safetyChecker.forward(featureExtractor.preprocess(await pictures(images)));
    if (hasNsfwConcepts.includes(true)) warn("the safety checker found a picture unsafe and made it black; try another prompt or seed");
    const checked = hasNsfwConcepts.map((isUnsafe, i) => (isUnsafe ? Tensor.zeros([1, ...images.shape.slice(1)]) : images.slice(i, i + 1)));
    return { images: concat(checked), nsfwContentDetected: hasNsfwConcepts };
  }

  /**
   * Features that the text encoder makes of prompts, for a request in place of the prompts:
   * `pipe.generate({ ...(await pipe.encodePrompt({ prompt })) })` makes the same pictures.
   * @throws ArgumentError as `generate`, and for a prompt that changes with the step.
   */
  encodePrompt(options: Prompted<PromptOptions> & GuidanceOptions): Promise<PromptEmbeds> {
    return this.embed(options, { ...PROMPT_FIELDS, ...GUIDANCE_FIELDS });
  }

  protected textConditioning(call: Call<Request>, { timesteps }: ConditionedRun): ReturnType<UNetPipeline<Request>["textConditioning"]> {
    const { timeCondProjDim } = this.unet.config;
    return conditionOn(this.textEncoders, call, timesteps, ({ positive, negative }, scale) => ({
      encoderHiddenStates: (negative ? joinRows([...repeat(negative, this.unconditionalParts), positive]) : positive).promptEmbeds,
      ...(timeCondProjDim && { timestepCond: guidanceScaleEmbedding(scale, call.batch, timeCondProjDim) }),
    }));
  }
}

/** Loads the parts that are not in `given`. */
export async function loadStableDiffusion(
  source: ComponentSource,
  given: Partial<StableDiffusionComponents>,
): Promise<StableDiffusionComponents> {
  // Only the checker needs the feature extractor. Checkpoints often list one without a checker.
  const isChecked = given.safetyChecker !== null && (given.safetyChecker !== undefined || source.has("safety_checker"));
  const [vae, textEncoder, tokenizer, unet, scheduler, safetyChecker, featureExtractor, imageEncoder] = await Promise.all([
    source.loadOptional("vae", AUTOENCODERS, given.vae),
    source.loadOptional("text_encoder", { CLIPTextModel }, given.textEncoder),
    source.loadOptional("tokenizer", TOKENIZERS, given.tokenizer),
    source.load("unet", { UNet2DConditionModel }, given.unet),
    source.load("scheduler", SCHEDULERS_OF_CHECKPOINTS, given.scheduler),
    isChecked ? source.load("safety_checker", { StableDiffusionSafetyChecker }, given.safetyChecker ?? undefined) : null,
    isChecked ? source.load("feature_extractor", FEATURE_EXTRACTORS, given.featureExtractor) : given.featureExtractor,
    loadImageEncoder(source, given.imageEncoder),
  ]);
  return { vae, textEncoder, tokenizer, unet, scheduler, safetyChecker, featureExtractor, imageEncoder };
}

/** A scheduler with the right values of settings that old checkpoints have wrong. diffusers corrects them in the same place. */
function corrected(scheduler: Scheduler, corrections: Partial<typeof CORRECT_SETTINGS>): Scheduler {
  const config = scheduler.config as Readonly<Record<string, unknown>>;
  const wrong = Object.entries(corrections).filter(([name, value]) => config[name] !== undefined && config[name] !== value);
  return wrong.length === 0 ? scheduler : scheduler.clone(Object.fromEntries(wrong));
}
