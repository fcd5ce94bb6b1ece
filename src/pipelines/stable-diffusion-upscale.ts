import type { JsonObject } from "../checkpoint/json.js";
import type { ModelIndex } from "../checkpoint/model-index.js";
import { ArgumentError } from "../errors.js";
import { UPSCALE, UPSCALER_LATENT_SCALE } from "../families/stable-diffusion.js";
import { type Fields, instanceOf, needed, tensor, whole } from "../options/fields.js";
import { Scheduler } from "../schedulers/shared/scheduler.js";
import { randnPerImage } from "../tensor/random.js";
import { Tensor } from "../tensor/tensor.js";
import type { NoiseOptions } from "./latent-diffusion-request.js";
import type { Prompted } from "./prompt/prompt-options.js";
import type { Call, Denoised } from "./shared/call.js";
import { SCHEDULERS_OF_CHECKPOINTS } from "./shared/component-classes.js";
import { type ComponentSource, expectParts, part } from "./shared/components.js";
import { loopTurns } from "./shared/control.js";
import { type ImageInput, imageInput, readImages } from "./shared/image-inputs.js";
import { type Generators, initialLatents, type LatentScale, repeatToBatch } from "./shared/latents.js";
import { latentsOf } from "./shared/missing-parts.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import {
  loadStableDiffusion,
  STABLE_DIFFUSION_PARTS,
  StableDiffusionBase,
  type StableDiffusionComponents,
} from "./stable-diffusion-base.js";
import { expectChannels } from "./unet-pipeline.js";
import { UNET_FIELDS, type UNetRequest } from "./unet-request.js";

/** The parts of the x4 upscaler. */
export interface StableDiffusionUpscaleComponents extends StableDiffusionComponents {
  /** Adds the noise to the small picture. */
  readonly lowResScheduler: Scheduler;
}

const PARTS: Fields<StableDiffusionUpscaleComponents> = { ...STABLE_DIFFUSION_PARTS, lowResScheduler: part(instanceOf(Scheduler)) };

/** The options of a call that makes a picture four times as wide and high; 75 steps and guidance 9 are the defaults. */
export interface StableDiffusionUpscaleOptions extends UNetRequest, NoiseOptions {
  /** The small picture, or a list with one for each prompt. A tensor has values in 0..1. */
  readonly image: ImageInput;
  /** How much noise the small picture gets: 20 by default, at most the checkpoint's `max_noise_level`, usually 350. More invents more. */
  readonly noiseLevel?: number | undefined;
}

const FIELDS: Fields<StableDiffusionUpscaleOptions> = {
  ...UNET_FIELDS,
  image: needed(imageInput, "image is the picture to make larger"),
  noiseLevel: whole(0),
  latents: tensor,
};

/** The request of a call of {@link StableDiffusionUpscalePipeline}: its options, with a prompt or embeddings. */
export type StableDiffusionUpscaleRequest = Prompted<StableDiffusionUpscaleOptions>;

const NOISE_LEVEL = 20;
const MOST_NOISE = 350;

/**
 * Makes a picture four times as wide and high (Rombach et al. 2022, section 4.5), with stabilityai/stable-diffusion-x4-upscaler: its UNet
 * sees the small picture with noise, and the noise level as a class. Matches diffusers' StableDiffusionUpscalePipeline.
 */
export class StableDiffusionUpscalePipeline extends StableDiffusionBase<StableDiffusionUpscaleRequest> {
  /** The class's name in diffusers. */
  static override readonly className = "StableDiffusionUpscalePipeline";
  /** @internal Fields of the parts. */
  static readonly parts = PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className = StableDiffusionUpscalePipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = UPSCALE.defaults;
  /** Adds the noise to the small picture. */
  lowResScheduler: Scheduler;
  /** The largest `noiseLevel`. */
  readonly maxNoiseLevel: number;

  /** Makes a pipeline of parts that the caller loaded. The caller disposes them. */
  constructor(
    components: StableDiffusionUpscaleComponents,
    { maxNoiseLevel = MOST_NOISE }: { readonly maxNoiseLevel?: number } = {},
    source?: ComponentSource,
  ) {
    expectParts(new.target.className, components, PARTS);
    super(components, source);
    this.lowResScheduler = components.lowResScheduler;
    this.maxNoiseLevel = maxNoiseLevel;
  }

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(
    source: ComponentSource,
    { options }: ModelIndex,
    given: Partial<StableDiffusionUpscaleComponents>,
  ): Promise<StableDiffusionUpscalePipeline> {
    const [components, lowResScheduler] = await Promise.all([
      loadStableDiffusion(source, given),
      source.load("low_res_scheduler", SCHEDULERS_OF_CHECKPOINTS, given.lowResScheduler),
    ]);
    const settings = typeof options.maxNoiseLevel === "number" ? { maxNoiseLevel: options.maxNoiseLevel } : {};
    return new StableDiffusionUpscalePipeline({ ...components, lowResScheduler }, settings, source);
  }

  /** The parts, by diffusers' names in camelCase: `new OtherPipeline(pipe.components)`. */
  override get components(): StableDiffusionUpscaleComponents {
    return super.components as StableDiffusionUpscaleComponents;
  }

  /** @internal */
  override get indexOptions(): JsonObject {
    return { maxNoiseLevel: this.maxNoiseLevel };
  }

  protected override get absentParts(): readonly string[] {
    return ["feature_extractor", "watermarker"];
  }

  /** diffusers' class uses this scale whatever the autoencoder's config says. */
  protected override get latentScale(): LatentScale {
    return { ...this.vae.config, scalingFactor: UPSCALER_LATENT_SCALE };
  }

  protected async *denoise(call: Call<StableDiffusionUpscaleRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    const { request, batch, generator, scheduler } = call;
    const { latentChannels, scaleFactor } = latentsOf(this.vae);
    expectChannels(this.unet, latentChannels + 3, "those of the latents and of the small picture");
    const noiseLevel = this.noiseLevelOf(request);
    const small = await readImages(request.image, this.vae, { resample: "bicubic" });
    const [count = 1, channels, height = 0, width = 0] = small.shape;
    if (channels !== 3)
      throw new ArgumentError(`image is [${small.shape}]; expected pictures [n, 3, height, width]`, { argument: "image" });
    const timesteps = this.planFromNoise(call);
    const size = { height: height * scaleFactor, width: width * scaleFactor };
    const conditioning = await this.conditioning(call, { size, timesteps });
    const own = (Array.isArray(generator) ? generator.slice(0, count) : generator) as Generators;
    const noisy = this.lowResScheduler.addNoise(small, randnPerImage(small.shape, own), [noiseLevel]);
    const beside = repeatToBatch("image", noisy, batch);
    const latents = initialLatents([batch, latentChannels, height, width], request.latents, generator, scheduler);
    const classLabels = Tensor.from([noiseLevel], [1]);
    const predict = this.predictor(
      call,
      { at: (index) => ({ ...conditioning.at(index), classLabels }) },
      { channels: () => [beside], turns: loopTurns(scheduler, timesteps, timesteps) },
    );
    return yield* this.loop(call, { latents, timesteps, predict, steerable: [conditioning] });
  }

  private noiseLevelOf({ noiseLevel = NOISE_LEVEL }: StableDiffusionUpscaleRequest): number {
    if (noiseLevel <= this.maxNoiseLevel) return noiseLevel;
    throw new ArgumentError((name) => `${name("noiseLevel")} is ${noiseLevel}; this checkpoint takes at most ${this.maxNoiseLevel}`, {
      argument: "noiseLevel",
    });
  }
}
