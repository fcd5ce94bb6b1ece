import type { LoraPart } from "../lora/lora-names.js";
import { type UNet2DConditionInputs, UNet2DConditionModel } from "../models/unet-2d-condition.js";
import { type Fields, instanceOf, real } from "../options/fields.js";
import type { StepOptions } from "../schedulers/shared/scheduler.js";
import type { Tensor } from "../tensor/tensor.js";
import type { LoraNetwork, LoraNetworks } from "./adapters/lora-adapters.js";
import { TextualInversions } from "./adapters/textual-inversions.js";
import { LATENT_DIFFUSION_PARTS, type LatentDiffusionComponents, LatentDiffusionPipeline } from "./latent-diffusion.js";
import { LATENT_DIFFUSION_FIELDS, type LatentDiffusionRequest, type NoiseOptions } from "./latent-diffusion-request.js";
import type { ClipTextEncoders } from "./prompt/clip-text-encoders.js";
import { PROMPT_FIELDS, type PromptInput, type PromptOptions } from "./prompt/prompt-options.js";
import { expectEta, type Size, type SizeOptions } from "./shared/arguments.js";
import type { Call, Denoised } from "./shared/call.js";
import { type ComponentSource, part } from "./shared/components.js";
import type { Denoiser } from "./shared/denoiser.js";
import type { Predict } from "./shared/denoising-loop.js";
import { guide } from "./shared/guidance.js";
import { type ImageInput, type InpaintImages, readImages, readInpaintImages } from "./shared/image-inputs.js";
import { prepareInpainting } from "./shared/inpainting.js";
import { addInitialNoise, initialLatents, sizeOfImages, startingLatents } from "./shared/latents.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import { type Conditioning, type PredictorOptions, predictor } from "./shared/predictor.js";
import { expectRange, planRange, type TimestepRangeOptions } from "./shared/timesteps.js";

/** The parts of every pipeline with a UNet that is conditioned by texts. */
export interface UNetComponents extends LatentDiffusionComponents {
  /** The denoising network. */
  readonly unet: UNet2DConditionModel;
}

export const UNET_PARTS: Fields<UNetComponents> = { ...LATENT_DIFFUSION_PARTS, unet: part(instanceOf(UNet2DConditionModel)) };

/** The options of every call of a pipeline with a UNet. */
export interface UNetRequest extends LatentDiffusionRequest, PromptOptions {
  /**
   * Restores the contrast that strong guidance changes (Lin et al. 2023, section 3.4): from 0, the default, which is off, to 1. As in
   * diffusers, larger numbers are allowed.
   */
  readonly guidanceRescale?: number | undefined;
  /**
   * DDIM's share of fresh noise at every step: 0, the default, is none, 1 is as much as in DDPM. Other schedulers ignore it. As in
   * diffusers, larger numbers are allowed; a warning says that the picture may become black.
   */
  readonly eta?: number | undefined;
}

export const UNET_FIELDS: Fields<UNetRequest> = {
  ...LATENT_DIFFUSION_FIELDS,
  ...PROMPT_FIELDS,
  guidanceRescale: real(0),
  eta: real(0),
};

interface StrengthOptions extends TimestepRangeOptions {
  readonly strength?: number | undefined;
}

interface PictureOptions extends StrengthOptions {
  readonly image: ImageInput;
}

interface RepaintOptions extends StrengthOptions, SizeOptions, InpaintImages {}

/** The size and the timesteps that the UNet's inputs are made for. */
export interface ConditionedRun {
  readonly size: Size;
  readonly timesteps: readonly number[];
}

/** What Stable Diffusion 1, 2 and XL share: a UNet that is conditioned by CLIP's features of texts. */
export abstract class UNetPipeline<Request extends UNetRequest> extends LatentDiffusionPipeline<Request> {
  /** The denoising network. */
  unet: UNet2DConditionModel;

  constructor(components: UNetComponents, source?: ComponentSource) {
    super(components, source);
    this.unet = components.unet;
  }

  protected get denoiser(): Denoiser<UNet2DConditionInputs> {
    return this.unet;
  }

  protected abstract override get textEncoders(): ClipTextEncoders;

  protected override get loraNetworks(): LoraNetworks {
    return new Map<LoraPart, LoraNetwork>([
      ["unet", this.unet],
      ...this.textEncoders.list.map(({ name, model }) => [name, model] as const),
    ]);
  }

  protected override get embeddings(): TextualInversions {
    const { list, missing } = this.textEncoders;
    return new TextualInversions(list, missing);
  }

  /** A UNet that was distilled for guidance takes the guidance scale as an input instead. */
  protected override isGuided(guidanceScale: number, prompts: PromptInput): boolean {
    return super.isGuided(guidanceScale, prompts) && !this.unet.config.timeCondProjDim;
  }

  protected override stepOptions({ eta = 0 }: Request): StepOptions {
    return { eta: expectEta(eta) };
  }

  /** The UNet's inputs beside the latents at each turn of the loop over `timesteps`, the unconditional half first under guidance. */
  protected abstract conditioning(call: Call<Request>, run: ConditionedRun): Promise<Conditioning<UNet2DConditionInputs>>;

  /** The UNet's predictions in one call, for {@link loop}. */
  protected predictor(
    call: Call<Request>,
    conditioning: Conditioning<UNet2DConditionInputs>,
    options: Omit<PredictorOptions<UNet2DConditionInputs>, "combine"> = {},
  ): Predict {
    const combine = (prediction: Tensor, scale: number) => guide(prediction, scale, call.request.guidanceRescale);
    return predictor(this.unet, call, conditioning, { ...options, combine });
  }

  /** Noise to start from, given or drawn, for pictures of this size. */
  protected noise({ request, batch, generator, scheduler }: Call<Request & NoiseOptions>, { height, width }: Size): Tensor {
    const shape = [batch, this.unet.config.inChannels, height / this.vaeScaleFactor, width / this.vaeScaleFactor];
    return initialLatents(shape, request.latents, generator, scheduler);
  }

  /** Makes pictures from a picture with added noise, or from the latents of another model's unfinished run. */
  protected async *fromPicture(call: Call<Request & PictureOptions>): AsyncGenerator<DenoisingStep, Denoised, void> {
    const { request, batch, generator, scheduler } = call;
    expectRange(request);
    const image = await readImages(request.image, this.vae);
    const timesteps = planRange(call, request.strength ?? this.defaults.strength ?? 1);
    const conditioning = await this.conditioning(call, { size: sizeOfImages(this.vae, image), timesteps });
    const start = await startingLatents(this.vae, image, batch, generator);
    // The latents of an unfinished run have their noise already.
    const latents = request.denoisingStart === undefined ? addInitialNoise(start, generator, scheduler, timesteps[0] ?? 0) : start;
    return yield* this.loop(call, { latents, timesteps, predict: this.predictor(call, conditioning) });
  }

  /** Repaints the masked part of a picture. */
  protected async *repaint(call: Call<Request & RepaintOptions>): AsyncGenerator<DenoisingStep, Denoised, void> {
    const { request } = call;
    expectRange(request);
    const strength = request.strength ?? this.defaults.strength ?? 1;
    const size = this.size(request);
    const { image, mask, retouch } = await readInpaintImages(request, size, this.vae);
    const timesteps = planRange(call, strength);
    const conditioning = await this.conditioning(call, { size, timesteps });
    const { channels, ...start } = await prepareInpainting({
      vae: this.vae,
      inChannels: this.unet.config.inChannels,
      ...{ call, timesteps, image, mask, size, strength },
      isNoised: request.denoisingStart !== undefined,
    });
    const denoised = yield* this.loop(call, { ...start, timesteps, predict: this.predictor(call, conditioning, { channels }) });
    return { ...denoised, retouch };
  }
}
