import type { JsonObject } from "../checkpoint/json.js";
import type { ModelIndex } from "../checkpoint/model-index.js";
import { ArgumentError } from "../errors.js";
import { LATENT_UPSCALE } from "../families/latent-upscaler.js";
import { CLIPTextModel } from "../models/clip-text.js";
import { type UNet2DConditionInputs, UNet2DConditionModel } from "../models/unet-2d-condition.js";
import { type Fields, needed, tensor } from "../options/fields.js";
import { f32, sumFloat32 } from "../schedulers/float32/arithmetic.js";
import { logTorch } from "../schedulers/float32/exp-log.js";
import type { Scheduler } from "../schedulers/shared/scheduler.js";
import { interpolate } from "../tensor/interpolate.js";
import { concat, Tensor } from "../tensor/tensor.js";
import {
  GUIDANCE_FIELDS,
  type GuidanceOptions,
  LATENT_DIFFUSION_FIELDS,
  type LatentDiffusionRequest,
  NOISE_FIELDS,
  type NoiseOptions,
} from "./latent-diffusion-request.js";
import type { ClipFeatures } from "./prompt/clip-features.js";
import { ClipTextEncoders } from "./prompt/clip-text-encoders.js";
import { conditionOn, type SteeredConditioning } from "./prompt/conditioning.js";
import { readLastLayer } from "./prompt/last-layer.js";
import { PROMPT_FIELDS, type Prompted, type PromptInput, type PromptOptions, type PromptOptionsXL } from "./prompt/prompt-options.js";
import { joinRows } from "./prompt/text-encoders.js";
import type { Call, Denoised } from "./shared/call.js";
import { AUTOENCODERS, SCHEDULERS_OF_CHECKPOINTS, TOKENIZERS } from "./shared/component-classes.js";
import type { ComponentSource } from "./shared/components.js";
import type { Predict } from "./shared/denoising-loop.js";
import { guide } from "./shared/guidance.js";
import { type ImageInput, imageInput, readImages } from "./shared/image-inputs.js";
import { initialLatents, startingLatents } from "./shared/latents.js";
import { latentsOf } from "./shared/missing-parts.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import { STABLE_DIFFUSION_PARTS, StableDiffusionBase, type StableDiffusionComponents } from "./stable-diffusion-base.js";
import type { PromptEmbedsXL } from "./stable-diffusion-xl-base.js";
import { type ConditionedRun, expectChannels } from "./unet-pipeline.js";

/** The parts of the latent upscaler. */
export type StableDiffusionLatentUpscaleComponents = Pick<
  StableDiffusionComponents,
  "vae" | "textEncoder" | "tokenizer" | "unet" | "scheduler"
>;

const { vae, textEncoder, tokenizer, unet, scheduler } = STABLE_DIFFUSION_PARTS;
const PARTS: Fields<StableDiffusionLatentUpscaleComponents> = { vae, textEncoder, tokenizer, unet, scheduler };

/** The pooled features that stand beside embeddings in a request. */
type PooledOptions = Pick<PromptOptionsXL, "pooledPromptEmbeds" | "negativePooledPromptEmbeds">;

/** The options of a call that makes a picture twice as wide and high; 75 steps and guidance 9 are the defaults. */
export interface StableDiffusionLatentUpscaleOptions
  extends Omit<LatentDiffusionRequest, "cache">,
    PromptOptions,
    PooledOptions,
    NoiseOptions {
  /**
   * The picture to enlarge, or a list with one for each prompt. A tensor has values in 0..1, or is latents of Stable Diffusion, such as
   * another pipeline's result with `outputType: "latent"`, which then need not be decoded.
   */
  readonly image: ImageInput;
}

const { cache: _, ...LOOP_FIELDS } = LATENT_DIFFUSION_FIELDS;
const POOLED_FIELDS: Fields<PooledOptions> = { pooledPromptEmbeds: tensor, negativePooledPromptEmbeds: tensor };
const FIELDS: Fields<StableDiffusionLatentUpscaleOptions> = {
  ...LOOP_FIELDS,
  ...PROMPT_FIELDS,
  ...POOLED_FIELDS,
  ...NOISE_FIELDS,
  image: needed(imageInput, "image is the picture to make larger"),
};

/** The request of a call of {@link StableDiffusionLatentUpscalePipeline}: its options, with a prompt or embeddings. */
export type StableDiffusionLatentUpscaleRequest = Prompted<StableDiffusionLatentUpscaleOptions>;

/** How many times as wide and high the latents become. */
const { enlarges: FACTOR } = LATENT_UPSCALE;
/** The noise on the small latents as the UNet is told of it: two embeddings of this width. They have none. */
const NOISE_WIDTH = 64;

/**
 * Makes a picture twice as wide and high by its latents, with stabilityai/sd-x2-latent-upscaler (Crowson 2022): its UNet sees the small
 * latents and the pooled features of the text. Matches diffusers' StableDiffusionLatentUpscalePipeline. As there, at guidance 0 the prompt
 * is not read.
 */
export class StableDiffusionLatentUpscalePipeline extends StableDiffusionBase<StableDiffusionLatentUpscaleRequest> {
  /** The class's name in diffusers. */
  static override readonly className = "StableDiffusionLatentUpscalePipeline";
  /** @internal Fields of the parts. */
  static readonly parts = PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className = StableDiffusionLatentUpscalePipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = LATENT_UPSCALE.defaults;

  /** Makes a pipeline of parts that the caller loaded. The caller disposes them. */
  constructor(components: StableDiffusionLatentUpscaleComponents, source?: ComponentSource) {
    super(components, source);
  }

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(
    source: ComponentSource,
    _index: ModelIndex,
    given: Partial<StableDiffusionLatentUpscaleComponents>,
  ): Promise<StableDiffusionLatentUpscalePipeline> {
    const [vae, textEncoder, tokenizer, unet, scheduler] = await Promise.all([
      source.loadOptional("vae", AUTOENCODERS, given.vae),
      source.loadOptional("text_encoder", { CLIPTextModel }, given.textEncoder),
      source.loadOptional("tokenizer", TOKENIZERS, given.tokenizer),
      source.load("unet", { UNet2DConditionModel }, given.unet),
      source.load("scheduler", SCHEDULERS_OF_CHECKPOINTS, given.scheduler),
    ]);
    return new StableDiffusionLatentUpscalePipeline({ vae, textEncoder, tokenizer, unet, scheduler }, source);
  }

  /** @internal */
  override get indexOptions(): JsonObject {
    return {};
  }

  protected override get textEncoders(): ClipTextEncoders {
    const { list, missing } = super.textEncoders;
    return new ClipTextEncoders({
      encoders: list,
      missing,
      read: readLastLayer,
      pooledWidth: list[0]?.model.config.hiddenSize ?? "width",
    });
  }

  /**
   * Features that the text encoder makes of prompts, for a request in place of the prompts:
   * `pipe.generate({ image, ...(await pipe.encodePrompt({ prompt })) })` makes the same pictures.
   * @throws ArgumentError as `generate`, and for a prompt that changes with the step.
   */
  override encodePrompt(
    options: Prompted<PromptOptions & Pick<PromptOptionsXL, "pooledPromptEmbeds" | "negativePooledPromptEmbeds">> & GuidanceOptions,
  ): Promise<PromptEmbedsXL> {
    return this.embed(options, { ...PROMPT_FIELDS, ...POOLED_FIELDS, ...GUIDANCE_FIELDS });
  }

  /** The UNet's `timestepCond` is not an embedding of the guidance scale here. */
  protected override isGuided(guidanceScale: number, _prompts: PromptInput): boolean {
    return guidanceScale > 1 || this.scheduler.needsUnconditional;
  }

  protected override expectGuidance(): void {}

  protected override textConditioning(
    call: Call<StableDiffusionLatentUpscaleRequest>,
    { timesteps }: ConditionedRun,
  ): Promise<SteeredConditioning<ClipFeatures, UNet2DConditionInputs>> {
    const { request } = call;
    const isBlank = request.guidanceScale === 0 && request.prompt !== undefined;
    const read = { ...request, ...(isBlank && { prompt: [request.prompt].flat().map(() => "") }) };
    return conditionOn(this.textEncoders, { ...call, request: read }, timesteps, ({ positive, negative }) => {
      const { promptEmbeds, pooledPromptEmbeds } = negative ? joinRows([negative, positive]) : positive;
      const rows = promptEmbeds.shape[0] ?? 0;
      const noise = [Tensor.full([rows, NOISE_WIDTH], 1), Tensor.zeros([rows, NOISE_WIDTH])];
      return { encoderHiddenStates: promptEmbeds, timestepCond: concat([...noise, pooledPromptEmbeds as Tensor], 1) };
    });
  }

  protected async *denoise(call: Call<StableDiffusionLatentUpscaleRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    const { request, batch, generator, scheduler } = call;
    const { latentChannels, scaleFactor } = latentsOf(this.vae);
    expectChannels(this.unet, 2 * latentChannels, "those of the latents and of the small picture's latents");
    const timesteps = this.planFromNoise(call);
    const sigmas = sigmasOf(scheduler);
    const images = await readImages(request.image, this.vae, { resample: "bicubic" });
    const small = await startingLatents(this.vae, images, batch, generator);
    const [, , height, width] = this.expectSides(small).map((side) => side * FACTOR) as [number, number, number, number];
    const beside = interpolate(small, [height, width], "nearest");
    const size = { height: height * scaleFactor, width: width * scaleFactor };
    const conditioning = await this.textConditioning(call, { size, timesteps });
    const latents = initialLatents([batch, latentChannels, height, width], request.latents, generator, scheduler);
    const predict: Predict = async (scaled, timestep, index, latents) => {
      const { scale, isGuided } = call.guidance.at(index);
      const sigma = sigmas(index);
      const { sample } = await this.unet.forward(
        concat([scaled, beside], 1),
        Tensor.from([0.25 * f32(logTorch(sigma))]),
        conditioning.at(index),
      );
      // The preconditioning of Karras et al. 2022, table 1. The UNet's last channel is a variance that nobody uses.
      const share = scheduler.scaleModelInput(Tensor.from([sigma]), timestep).item();
      const own = isGuided ? concat([latents, latents]) : latents;
      const prediction = sumFloat32([1 / f32(f32(sigma * sigma) + 1), own], [share, sample.slice(0, -1, 1)]);
      return {
        sample: isGuided ? guide(prediction, scale) : prediction,
        ...(scheduler.needsUnconditional && { unconditional: prediction.slice(0, batch) }),
      };
    };
    return yield* this.loop(call, { latents, timesteps, predict, steerable: [conditioning] });
  }

  /** The shape of the small latents. @throws ArgumentError unless the UNet can halve the large ones as often as it does. */
  private expectSides({ shape }: Tensor): readonly number[] {
    const multiple = 2 ** (this.unet.config.blockOutChannels.length - 1);
    const sides = shape.slice(2);
    if (sides.every((side) => (side * FACTOR) % multiple === 0 && side >= multiple)) return shape;
    const { scaleFactor } = latentsOf(this.vae);
    const step = (multiple / FACTOR) * scaleFactor;
    const [height = 0, width = 0] = sides.map((side) => side * scaleFactor);
    const fitting = (side: number) => Math.max(2, Math.floor(side / step)) * step;
    throw new ArgumentError((name) => `${name("image")} is ${width}x${height}; both sides must be multiples of ${step} from ${2 * step}`, {
      argument: "image",
      hint: `resize or crop the picture first, such as to ${fitting(width)}x${fitting(height)}`,
    });
  }
}

/** The noise level at each turn of the loop. @throws ArgumentError if the scheduler has none. */
function sigmasOf({ sigmas, className }: Scheduler): (index: number) => number {
  if (!sigmas) {
    throw new ArgumentError((name) => `${name("scheduler")} is ${className}, which has no noise levels; this pipeline needs them`, {
      argument: "scheduler",
      hint: "EulerDiscreteScheduler is the checkpoint's own",
    });
  }
  return (index) => sigmas[index] ?? 0;
}
