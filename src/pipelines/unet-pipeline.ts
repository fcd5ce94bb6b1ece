import { ArgumentError } from "../errors.js";
import { CLIPImageProcessor } from "../image/clip-image-processor.js";
import type { LoraPart } from "../lora/lora-names.js";
import { AsymmetricAutoencoderKL } from "../models/asymmetric-autoencoder-kl.js";
import { CLIPVisionModelWithProjection } from "../models/clip-vision.js";
import type { FreeUFactors } from "../models/freeu.js";
import type { IPAdapterScale } from "../models/ip-adapter-scales.js";
import { type UNet2DConditionInputs, UNet2DConditionModel } from "../models/unet-2d-condition.js";
import { type Fields, instanceOf, orNull } from "../options/fields.js";
import type { StepOptions } from "../schedulers/shared/scheduler.js";
import { concat, Tensor } from "../tensor/tensor.js";
import {
  imageConditioning,
  PREPARE_FIELDS,
  type PrepareIPAdapterOptions,
  prepareImageEmbeds,
  scaleList,
  withImages,
} from "./adapters/ip-adapters.js";
import { type IPAdapterSources, type LoadIPAdapterOptions, loadIPAdapters } from "./adapters/load-ip-adapters.js";
import type { LoraNetwork, LoraNetworks } from "./adapters/lora-adapters.js";
import { TextualInversions } from "./adapters/textual-inversions.js";
import { LATENT_DIFFUSION_PARTS, type LatentDiffusionComponents, LatentDiffusionPipeline } from "./latent-diffusion.js";
import type { NoiseOptions } from "./latent-diffusion-request.js";
import type { ClipTextEncoders } from "./prompt/clip-text-encoders.js";
import type { PromptInput } from "./prompt/prompt-options.js";
import { expectEta, type Size, type SizeOptions } from "./shared/arguments.js";
import type { Call, Denoised } from "./shared/call.js";
import { type ComponentSource, part } from "./shared/components.js";
import { type Control, type ControlFit, expectSameSize, type LoopTurns, loopTurns } from "./shared/control.js";
import type { Predict } from "./shared/denoising-loop.js";
import { guide, guideEdit } from "./shared/guidance.js";
import { type ImageInput, type InpaintImages, readImages, readInpaintImages } from "./shared/image-inputs.js";
import { prepareInpainting } from "./shared/inpainting.js";
import { addInitialNoise, initialLatents, pictureLatents, repeatToBatch, sizeOfImages, startingLatents } from "./shared/latents.js";
import { latentsOf } from "./shared/missing-parts.js";
import { type PerturbedGuidanceOptions, perturbedGuidance } from "./shared/perturbed-guidance.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import { type Conditioning, type PredictorOptions, predictor } from "./shared/predictor.js";
import type { Steerable } from "./shared/steering.js";
import { expectRange, planRange, type TimestepRangeOptions, timestepsUntil } from "./shared/timesteps.js";
import type { EditOptions, UNetRequest } from "./unet-request.js";

/** The parts of every pipeline with a UNet that is conditioned by texts. */
export interface UNetComponents extends LatentDiffusionComponents {
  /** The denoising network. */
  readonly unet: UNet2DConditionModel;
  /** Prepares pictures for the safety checker and for the image encoder. */
  readonly featureExtractor?: CLIPImageProcessor | undefined;
  /** Encodes the pictures of IP-Adapters. `loadIPAdapter` loads one if there is none. */
  readonly imageEncoder?: CLIPVisionModelWithProjection | null | undefined;
}

export const UNET_PARTS: Fields<UNetComponents> = {
  ...LATENT_DIFFUSION_PARTS,
  unet: part(instanceOf(UNet2DConditionModel)),
  featureExtractor: instanceOf(CLIPImageProcessor),
  imageEncoder: orNull(instanceOf(CLIPVisionModelWithProjection)),
};

interface NoiseStart extends SizeOptions, NoiseOptions, Pick<TimestepRangeOptions, "denoisingEnd"> {}

interface StrengthOptions extends SizeOptions, TimestepRangeOptions {
  readonly strength?: number | undefined;
}

interface PictureOptions extends StrengthOptions, NoiseOptions {
  readonly image: ImageInput;
}

interface RepaintOptions extends StrengthOptions, InpaintImages {}

/** The size and the timesteps that the UNet's inputs are made for. */
export interface ConditionedRun {
  readonly size: Size;
  readonly timesteps: readonly number[];
}

interface UNetPredictorOptions extends Pick<PredictorOptions<UNet2DConditionInputs>, "channels" | "combine"> {
  readonly control?: Control | undefined;
  readonly turns: LoopTurns;
}

/** What Stable Diffusion 1, 2 and XL share: a UNet that is conditioned by CLIP's features of texts. */
export abstract class UNetPipeline<Request extends UNetRequest> extends LatentDiffusionPipeline<Request> {
  /** The denoising network. */
  unet: UNet2DConditionModel;
  /** Prepares pictures for the safety checker and for the image encoder. */
  featureExtractor: CLIPImageProcessor | undefined;
  /** Encodes the pictures of IP-Adapters. */
  imageEncoder: CLIPVisionModelWithProjection | null;

  constructor(components: UNetComponents, source?: ComponentSource) {
    super(components, source);
    this.unet = components.unet;
    this.featureExtractor = components.featureExtractor;
    this.imageEncoder = components.imageEncoder ?? null;
  }

  /**
   * Loads an IP-Adapter (Ye et al. 2023), which lets the pictures of `ipAdapterImage` act beside the prompt, or several: lists of sources,
   * subfolders or names. Adapters that were loaded before are replaced. Files have the names of Tencent's (h94/IP-Adapter): plain, Plus,
   * Plus Face, Full Face, FaceID and FaceID Plus, for Stable Diffusion 1.x and XL. A source is a `.safetensors` file, a folder or a hub id.
   *
   * The adapters belong to the UNet: pipelines that share it share them. Their weights stay in the file: do not delete it. If the pipeline
   * has no image encoder, the one in `imageEncoderFolder` is loaded, too. A LoRA inside a file of FaceID is loaded as the adapter
   * `faceid_0`.
   * @throws CheckpointError if a file is not an IP-Adapter or is for another family, or if there is no image encoder; then nothing changes.
   * HubError
   */
  async loadIPAdapter(source: IPAdapterSources, options: LoadIPAdapterOptions = {}): Promise<void> {
    await loadIPAdapters(this, source, options, this.source);
  }

  /**
   * Sets how strongly IP-Adapters act: a number (1 when they are loaded), or a list with one for each adapter. A scale can also be given by
   * block, as InstantStyle does (Wang et al. 2024): `{ up: { block_0: [0, 1, 0] } }`; what is not named is 0. For pictures with masks it
   * can be a list with one for each: `[[0.7, 0.4]]`. Takes effect at the next step, without loading anything again.
   * @throws ArgumentError for another number of scales than adapters, or for a block that the UNet does not have.
   */
  setIPAdapterScale(scale: IPAdapterScale | readonly IPAdapterScale[]): void {
    this.unet.ipAdapters.setScales(scaleList(scale));
  }

  /** Removes all IP-Adapters and the image encoder. A LoRA that a file of FaceID had stays, as in diffusers. */
  async unloadIPAdapter(): Promise<void> {
    await this.unet.ipAdapters.unload();
    await this.imageEncoder?.unload();
    this.imageEncoder = null;
  }

  /**
   * Embeddings of pictures for the loaded IP-Adapters, to be given as `ipAdapterImageEmbeds` any number of times. With guidance each has
   * the rows for the negative prompt first.
   * @throws ArgumentError as `generate`
   */
  async prepareIPAdapterImageEmbeds(options: PrepareIPAdapterOptions): Promise<readonly Tensor[]> {
    const checked = this.check<PrepareIPAdapterOptions>("prepareIPAdapterImageEmbeds", options, PREPARE_FIELDS, "{ ipAdapterImage }");
    const { numImagesPerPrompt: times = 1, doClassifierFreeGuidance: isGuided = this.isGuided(this.defaults.guidance, {}) } = checked;
    return prepareImageEmbeds(this, checked, { times, isGuided });
  }

  protected get denoiser(): UNet2DConditionModel {
    return this.unet;
  }

  protected get nativeSize(): Size {
    const [height, width] = this.unet.sampleSize;
    return { height: height * this.vaeScaleFactor, width: width * this.vaeScaleFactor };
  }

  /**
   * Turns FreeU on (Si et al. 2023) for all calls of pipelines with this UNet: see {@link UNet2DConditionModel.enableFreeU}. In the order
   * of diffusers: `enableFreeU(0.9, 0.2, 1.5, 1.6)`, or by name: `enableFreeU({ s1: 0.9, s2: 0.2, b1: 1.5, b2: 1.6 })`.
   * @throws ArgumentError unless all are finite numbers other than 0
   */
  enableFreeU(...factors: readonly [s1: number, s2: number, b1: number, b2: number] | readonly [FreeUFactors]): void {
    const [first, s2, b1, b2] = factors;
    this.unet.enableFreeU(typeof first === "number" ? ({ s1: first, s2, b1, b2 } as FreeUFactors) : first);
  }

  /** Turns FreeU off. */
  disableFreeU(): void {
    this.unet.disableFreeU();
  }

  protected abstract override get textEncoders(): ClipTextEncoders;

  protected override get loraNetworks(): LoraNetworks {
    return new Map<LoraPart, LoraNetwork>([
      ["unet", this.denoiser],
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

  /** @throws ArgumentError for an interval of guidance if the UNet takes the guidance as an input at every step. */
  protected override expectGuidance({ guidanceInterval }: Request): void {
    if (!guidanceInterval || !this.unet.config.timeCondProjDim) return;
    throw new ArgumentError((name) => `${name("guidanceInterval")} was given, but this UNet takes the guidance as an input at every step`, {
      argument: "guidanceInterval",
      hint: (name) => `leave ${name("guidanceInterval")} out`,
    });
  }

  protected override stepOptions({ eta = 0 }: Request): StepOptions {
    return { eta: expectEta(eta) };
  }

  /** Parts of a guided prediction that have the negative prompt: one, or two if there is guidance by a picture as well. */
  protected readonly unconditionalParts: number = 1;

  /** The UNet's inputs that texts make at each turn of the loop over `timesteps`, the unconditional half first under guidance. */
  protected abstract textConditioning(call: Call<Request>, run: ConditionedRun): Promise<Conditioning<UNet2DConditionInputs> & Steerable>;

  /** The UNet's inputs beside the latents at each turn of the loop. */
  protected async conditioning(call: Call<Request>, run: ConditionedRun): Promise<Conditioning<UNet2DConditionInputs> & Steerable> {
    const images = await imageConditioning(this, call, { ...run.size, unconditionalParts: this.unconditionalParts });
    const text = await this.textConditioning(call, run);
    return images ? withImages(text, images) : text;
  }

  /** What steers the UNet beside the text in one call; nothing by default. */
  protected async control(_call: Call<Request>, _fit: ControlFit): Promise<Control | undefined> {
    return undefined;
  }

  /**
   * The size of a repainted picture if the call names none: the one the network was trained on or, as in diffusers' pipelines with
   * control, the picture's own.
   */
  protected readonly repaintsAtOwnSize: boolean = false;

  /** Whether an AsymmetricAutoencoderKL sees the repainted picture; in diffusers two pipelines show it. */
  protected readonly showsPictureToDecoder: boolean = false;

  /** Perturbed-attention guidance of calls that name none; off but in the pipelines that have it in their name. */
  protected pag: Pick<PerturbedGuidanceOptions, "pagScale" | "pagAppliedLayers"> = {};

  /** The UNet's predictions in one call, for {@link loop}. */
  protected predictor(
    call: Call<Request>,
    conditioning: Conditioning<UNet2DConditionInputs>,
    { channels, control, turns, combine: ownCombine }: UNetPredictorOptions,
  ): Predict {
    const { request, batch } = call;
    const {
      freeU,
      tokenMerging,
      guidanceRescale,
      pagScale = this.pag.pagScale ?? 0,
      pagAppliedLayers = this.pag.pagAppliedLayers,
    } = request;
    if (ownCombine && pagScale > 0) {
      throw new ArgumentError((name) => `${name("pagScale")} is ${pagScale}; edits of pictures have no perturbed-attention guidance`, {
        argument: "pagScale",
        hint: (name) => `leave ${name("pagScale")} out`,
      });
    }
    const combine = ownCombine ?? ((prediction: Tensor, scale: number) => guide(prediction, scale, guidanceRescale));
    const perturbed = perturbedGuidance({ ...request, pagScale, pagAppliedLayers }, { batch, guidanceRescale });
    const perStep = async (scaled: Tensor, timestep: number, index: number) => ({
      ...(await control?.inputs({ scaled, timestep, index, turns, conditioning: conditioning.at(index) })),
      ...(freeU && { freeU }),
      ...(tokenMerging && { tokenMerging }),
    });
    return predictor(this.unet, call, conditioning, { channels, combine, perturbed, perStep });
  }

  /** Noise to start from, given or drawn, for pictures of this size. */
  protected noise({ request, batch, generator, scheduler }: Call<Request & NoiseOptions>, { height, width }: Size): Tensor {
    const shape = [batch, this.unet.config.inChannels, height / this.vaeScaleFactor, width / this.vaeScaleFactor];
    return initialLatents(shape, request.latents, generator, scheduler);
  }

  /** Plans all timesteps of a call. */
  protected planFromNoise({ scheduler, timestepOptions }: Call<Request>): readonly number[] {
    scheduler.setTimesteps(timestepOptions);
    return scheduler.timesteps;
  }

  /** Makes pictures from noise, or the first part of them. */
  protected async *fromNoise(call: Call<Request & NoiseStart>): AsyncGenerator<DenoisingStep, Denoised, void> {
    const { request, scheduler } = call;
    expectRange(request);
    const control = await this.control(call, request);
    const size = this.size(control?.size ?? request);
    const planned = this.planFromNoise(call);
    const timesteps = timestepsUntil(scheduler, planned, request.denoisingEnd);
    const conditioning = await this.conditioning(call, { size, timesteps });
    const latents = this.noise(call, size);
    const turns = loopTurns(scheduler, timesteps, planned);
    const predict = this.predictor(call, conditioning, { control, turns });
    return yield* this.loop(call, { latents, timesteps, predict, steerable: [conditioning] });
  }

  /**
   * What the UNet sees beside the latents [batch, channels, height / factor, width / factor] in {@link fromPicture}; nothing by default.
   */
  protected async besideLatents(_call: Call<Request>, _size: Size): Promise<readonly Tensor[]> {
    return [];
  }

  /** Makes pictures from a picture with added noise, or from the latents of another model's unfinished run. */
  protected async *fromPicture(call: Call<Request & PictureOptions>): AsyncGenerator<DenoisingStep, Denoised, void> {
    const { request, batch, generator, scheduler } = call;
    expectRange(request);
    const [image, control] = await Promise.all([readImages(request.image, this.vae, request), this.control(call, request)]);
    const size = sizeOfImages(this.vae, image);
    expectSameSize(control, size);
    const planned = planRange(call, request.strength ?? this.defaults.strength ?? 1);
    const timesteps = timestepsUntil(scheduler, planned, request.denoisingEnd);
    const conditioning = await this.conditioning(call, { size, timesteps });
    const start = request.latents ?? (await startingLatents(this.vae, image, batch, generator));
    // The latents of a request, and those of an unfinished run, have their noise already.
    const isNoised = request.latents !== undefined || request.denoisingStart !== undefined;
    const latents = isNoised ? start : addInitialNoise(start, generator, scheduler, timesteps[0] ?? 0);
    const turns = loopTurns(scheduler, timesteps, planned);
    const beside = await this.besideLatents(call, size);
    const predict = this.predictor(call, conditioning, { channels: () => beside, control, turns });
    return yield* this.loop(call, { latents, timesteps, predict, steerable: [conditioning] });
  }

  /** Repaints the masked part of a picture. */
  protected async *repaint(call: Call<Request & RepaintOptions>): AsyncGenerator<DenoisingStep, Denoised, void> {
    const { request, scheduler } = call;
    expectRange(request);
    const strength = request.strength ?? this.defaults.strength ?? 1;
    const wanted = this.repaintsAtOwnSize ? request : this.size(request);
    const { image, mask, size, crop, retouch } = await readInpaintImages(request, wanted, this.vae);
    const control = await this.control(call, crop ? { ...size, crop } : request);
    expectSameSize(control, size);
    const planned = planRange(call, strength);
    const timesteps = timestepsUntil(scheduler, planned, request.denoisingEnd);
    const conditioning = await this.conditioning(call, { size, timesteps });
    const { channels, steerable, ...start } = await prepareInpainting({
      vae: this.vae,
      inChannels: this.unet.config.inChannels,
      ...{ call, timesteps, image, mask, size, strength },
      isNoised: request.denoisingStart !== undefined,
    });
    const turns = loopTurns(scheduler, timesteps, planned);
    const denoised = yield* this.loop(call, {
      ...start,
      timesteps,
      predict: this.predictor(call, conditioning, { channels, control, turns }),
      steerable: [conditioning, steerable],
    });
    const shown = this.showsPictureToDecoder && this.vae instanceof AsymmetricAutoencoderKL;
    const decodeCondition = shown
      ? { image: repeatToBatch("image", image, call.batch), mask: repeatToBatch("maskImage", mask, call.batch) }
      : undefined;
    return { ...denoised, decodeCondition, retouch };
  }

  /**
   * Changes a picture, whose latents are further channels of the UNet's input. `wanted` is the size that it is brought to; its own by
   * default.
   */
  protected async *edit(
    call: Call<Request & EditOptions & Pick<TimestepRangeOptions, "denoisingEnd">>,
    wanted: SizeOptions = {},
  ): AsyncGenerator<DenoisingStep, Denoised, void> {
    const { request, batch, generator, scheduler } = call;
    expectRange(request);
    const { latentChannels, scaleFactor } = latentsOf(this.vae);
    expectChannels(this.unet, 2 * latentChannels, "those of the latents and of the picture's latents");
    const image = await readImages(request.image, this.vae, wanted);
    const { height, width } = sizeOfImages(this.vae, image);
    const planned = this.planFromNoise(call);
    const timesteps = timestepsUntil(scheduler, planned, request.denoisingEnd);
    const conditioning = await this.conditioning(call, { size: { height, width }, timesteps });
    const picture = await pictureLatents(this.vae, image, batch, this.editScale);
    const three = concat([Tensor.zeros(picture.shape), picture, picture]);
    const channels = (isGuided: boolean) => [isGuided ? three : picture];
    const latents = initialLatents(
      [batch, latentChannels, height / scaleFactor, width / scaleFactor],
      request.latents,
      generator,
      scheduler,
    );
    const combine = (prediction: Tensor, scale: number) =>
      guideEdit(prediction, scale, request.imageGuidanceScale ?? this.defaults.imageGuidance ?? 1, request.guidanceRescale);
    const predict = this.predictor(call, conditioning, { channels, combine, turns: loopTurns(scheduler, timesteps, planned) });
    return yield* this.loop(call, { latents, timesteps, predict, steerable: [conditioning] });
  }

  /** The latents of a picture that is edited are multiplied by this. */
  protected get editScale(): number {
    return 1;
  }
}

/** @throws ArgumentError unless the UNet takes this many channels; `what` says what they are. */
export function expectChannels({ config: { inChannels } }: UNet2DConditionModel, expected: number, what: string): void {
  if (inChannels === expected) return;
  throw new ArgumentError(`this UNet takes ${inChannels} channels; this pipeline needs one that takes ${expected}, ${what}`, {
    argument: "unet",
  });
}
