import { ArgumentError } from "../errors.js";
import { resizeTensorBilinear } from "../image/resize-tensor.js";
import type { Autoencoder } from "../models/autoencoder.js";
import { AutoencoderTiny } from "../models/autoencoder-tiny.js";
import { Model } from "../models/model.js";
import { type Fields, needed, real, whole } from "../options/fields.js";
import { expectFlowLevels, followsFlow } from "../schedulers/shared/flow-settings.js";
import type { Scheduler, TimestepOptions } from "../schedulers/shared/scheduler.js";
import { type Shape, Tensor } from "../tensor/tensor.js";
import { warn } from "../warnings.js";
import { type LoraNetworks, loraNetworksOf } from "./adapters/lora-adapters.js";
import { type LatentDiffusionComponents, LatentDiffusionPipeline } from "./latent-diffusion.js";
import { LATENT_DIFFUSION_FIELDS, type LatentDiffusionRequest, NOISE_FIELDS, type NoiseOptions } from "./latent-diffusion-request.js";
import type { TextEmbeds } from "./prompt/prompt-options.js";
import type { TextEncoders, TextFeatures } from "./prompt/text-encoders.js";
import { expectSize, SIZE_FIELDS, type Size, type SizeOptions } from "./shared/arguments.js";
import type { Call, Denoised } from "./shared/call.js";
import type { ComponentSource } from "./shared/components.js";
import type { DenoisingNetwork } from "./shared/denoiser.js";
import type { Predict } from "./shared/denoising-loop.js";
import { evenSigmas, flowTimestepsOfStrength, linearMu, type ShiftConfig } from "./shared/flow-timesteps.js";
import { type ImageInput, INPAINT_FIELDS, type InpaintImages, imageInput, readImages, readInpaintImages } from "./shared/image-inputs.js";
import { prepareInpainting } from "./shared/inpainting.js";
import { colouredLatents, type LatentColours, measureColours } from "./shared/latent-colours.js";
import { addInitialNoise, givenStart, initialLatents, sizeOfImages } from "./shared/latents.js";
import { constant } from "./shared/per-step.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import type { Steerable } from "./shared/steering.js";

/** The parts of every pipeline with a transformer. */
export interface TransformerComponents<Transformer extends DenoisingNetwork> extends LatentDiffusionComponents {
  /** The denoising network. */
  readonly transformer: Transformer;
}

/** The options of every call of a pipeline with a transformer. */
export interface TransformerRequest<Embeds extends TextEmbeds = Tensor> extends LatentDiffusionRequest<Embeds> {
  /** The most tokens of a prompt; longer ones are cut. 512 by default. */
  readonly maxSequenceLength?: number | undefined;
}

export const TRANSFORMER_FIELDS: Fields<TransformerRequest> = { ...LATENT_DIFFUSION_FIELDS, maxSequenceLength: whole(1) };

/** The options of a text-to-image call. */
export interface NoiseStartOptions extends SizeOptions, NoiseOptions {}

export const NOISE_START_FIELDS: Fields<NoiseStartOptions> = { ...SIZE_FIELDS, ...NOISE_FIELDS };

/** The options of an image-to-image call. */
export interface PictureStartOptions extends NoiseStartOptions {
  /**
   * The picture to start from, or a list with one for each prompt. A tensor has values in 0..1, or is latents. It is resized to `height`
   * and `width`; by default the result has its size.
   */
  readonly image: ImageInput;
  /** How much of the picture is replaced, 0..1; 0.6 by default. That share of the steps is computed. */
  readonly strength?: number | undefined;
}

export const PICTURE_START_FIELDS: Fields<PictureStartOptions> = {
  ...NOISE_START_FIELDS,
  image: needed(imageInput, "image is the picture to start from"),
  strength: real(0, 1),
};

/** The options of a call that repaints a part of a picture. */
export interface RepaintOptions extends SizeOptions, InpaintImages {
  /** How much of the masked part is replaced, 0..1; 0.6 by default. That share of the steps is computed. */
  readonly strength?: number | undefined;
}

export const REPAINT_FIELDS: Fields<RepaintOptions> = { ...SIZE_FIELDS, ...INPAINT_FIELDS, strength: real(0, 1) };

/** A run whose size and timesteps are known. */
export interface PlannedRun {
  readonly size: Size;
  readonly timesteps: readonly number[];
}

/** What a transformer predicts at each turn of a run, and what programs may replace between two steps. */
export interface Predictions {
  readonly predict: Predict;
  readonly steerable: readonly Steerable[];
}

/** Bytes that a pass takes for each token, more than in any transformer: FLUX.2's takes 400,000. */
const MOST_BYTES_OF_TOKEN = 2 ** 20;
/** Bytes that a pass takes for widened weights and a text, more than in any transformer. */
const MOST_BYTES_BESIDE = 2 ** 31;

/** Sides in pixels of pictures whose call names no size. */
const NATIVE_SIDE = 1024;

/**
 * What pipelines of flow matching (Liu et al. 2022; Esser et al. 2024) with a transformer have in common: noise in the shape that diffusers
 * draws it, latents as tokens, noise levels shifted by the size of the picture. A pipeline says what its transformer predicts.
 */
export abstract class TransformerPipeline<
  Request extends TransformerRequest<TextEmbeds>,
  Transformer extends DenoisingNetwork,
> extends LatentDiffusionPipeline<Request> {
  /** The denoising network. */
  transformer: Transformer;
  /** Latents along each side of the squares that are one token. */
  protected readonly patch: number = 2;
  /**
   * Whether other sizes than multiples of a token are rounded down with a warning, as in some of diffusers' pipelines; else they are
   * refused.
   */
  protected readonly roundsSizes: boolean = false;
  /** Whether calls give the noise to start from as tokens; else in the shape in which it is drawn. */
  protected readonly takesPackedNoise: boolean = false;

  /** Tokens of a prompt by default. */
  protected readonly defaultTokens: number = 512;

  /** How colours depend on the latents of an autoencoder. */
  private colours: { readonly vae: Autoencoder; readonly measured: Promise<LatentColours> } | undefined;

  constructor({ transformer, ...components }: TransformerComponents<Transformer>, source?: ComponentSource) {
    super(components, source);
    this.transformer = transformer;
  }

  /** The transformer's predictions in one call. Encodes the prompts. */
  protected abstract predictions(call: Call<Request>, run: PlannedRun): Promise<Predictions>;

  /**
   * Zeros in the shapes of features of so many prompts, which are filled up to so many tokens. If they are not, each has one token, since
   * their number is known only when they are read.
   */
  protected abstract blankFeatures(rows: number, tokens: number): TextFeatures;

  /** Channels of the noise as it is drawn. */
  protected abstract get noiseChannels(): number;

  /** The shape in which noise is drawn. */
  protected noiseShape(batch: number, { height, width }: Size): Shape {
    return [batch, this.noiseChannels, height / this.vaeScaleFactor, width / this.vaeScaleFactor];
  }

  /** Latents as the transformer takes them, and as they are in the loop; unchanged by default. */
  protected pack(latents: Tensor): Tensor {
    return latents;
  }

  /** The opposite of {@link pack}, for pictures of this size. */
  protected unpack(latents: Tensor, _size: Size): Tensor {
    return latents;
  }

  protected get denoiser(): DenoisingNetwork {
    return this.transformer;
  }

  protected override get loraNetworks(): LoraNetworks {
    return loraNetworksOf(this.components);
  }

  protected override get sizeMultiple(): number {
    return this.vaeScaleFactor * this.patch;
  }

  protected get nativeSize(): Size {
    return { height: NATIVE_SIDE, width: NATIVE_SIDE };
  }

  protected override size(options: SizeOptions): Size {
    const { height = this.nativeSize.height, width = this.nativeSize.width } = options;
    const multiple = this.sizeMultiple;
    const floor = (side: number) => Math.floor(side / multiple) * multiple;
    const size = { height: floor(height), width: floor(width) };
    if (!this.roundsSizes || size.height === 0 || size.width === 0) {
      expectSize(width, height, multiple, "the pixels of one token");
      return { height, width };
    }
    if (size.height !== height || size.width !== width) {
      warn(`${width}x${height} pixels are not multiples of ${multiple}, so the picture has ${size.width}x${size.height}`);
    }
    return size;
  }

  /** Tokens of a picture. */
  protected tokens({ height, width }: Size): number {
    return (height / this.sizeMultiple) * (width / this.sizeMultiple);
  }

  /** The shift of noise levels under dynamic shifting, for so many tokens and steps. */
  protected mu(tokens: number, _steps: number, { config }: Scheduler, _request: Request): number {
    return linearMu(tokens, config as ShiftConfig);
  }

  /** Noise levels that the scheduler is asked for, before it shifts them; undefined if it chooses them itself. */
  protected sigmas(steps: number, { config }: Scheduler): readonly number[] | undefined {
    // In flow mode a solver chooses them itself. UniPC would take these in the wrong order.
    return (config as { readonly useFlowSigmas?: boolean }).useFlowSigmas ? undefined : evenSigmas(steps);
  }

  /** Plans the timesteps of a call: all of them, or from a picture on the last ones, a share of `strength`. */
  protected plan({ request, scheduler, steps, timestepOptions }: Call<Request>, size: Size, strength?: number): readonly number[] {
    warnOfOtherSchedulers(scheduler);
    const isGiven = timestepOptions.timesteps !== undefined || timestepOptions.sigmas !== undefined;
    const sigmas = !isGiven && scheduler.takesSigmas ? this.sigmas(steps, scheduler) : undefined;
    const levels: TimestepOptions = sigmas ? { sigmas } : timestepOptions;
    const { useDynamicShifting } = scheduler.config as { readonly useDynamicShifting?: boolean };
    if (useDynamicShifting && !scheduler.takesMu) throw noDynamicShift(scheduler);
    const asked = request.numInferenceSteps ?? (isGiven ? this.defaults.steps : steps);
    scheduler.setTimesteps({ ...levels, ...(useDynamicShifting && { mu: this.mu(this.tokens(size), asked, scheduler, request) }) });
    expectFlowLevels(scheduler);
    return strength === undefined ? scheduler.timesteps : flowTimestepsOfStrength(scheduler, steps, strength);
  }

  /** Noise to start from, given or drawn, as the transformer takes it. */
  protected noise({ request, batch, generator, scheduler }: Call<Request & NoiseOptions>, size: Size): Tensor {
    const shape = this.noiseShape(batch, size);
    const { latents } = request;
    if (!latents || !this.takesPackedNoise) return this.pack(initialLatents(shape, latents, generator, scheduler));
    return expectPacked(latents, [batch, this.tokens(size)]);
  }

  /**
   * What `predictions` gives: the predictions of a call. Before it encodes the prompts, it is checked that a pass of the transformer, which
   * sees `others` tokens of other pictures, too, and the decoding of a picture fit into memory.
   * @throws MemoryError
   */
  protected async predictionsInRoom(
    call: Call<Request>,
    run: PlannedRun,
    predictions: (pipeline: this) => Promise<Predictions> = (pipeline) => pipeline.predictions(call, run),
    others = 0,
  ): Promise<Predictions> {
    const { size, timesteps } = run;
    const { batch, isGuided, guidance } = call;
    const { transformer } = this;
    const latents = this.pack(Tensor.zeros(this.noiseShape(batch, size)));
    await this.expectRoomToDecode(call, this.unpack(latents, size));
    if (transformer instanceof Model) {
      const blank = () => this.blankFeatures(batch, call.request.maxSequenceLength ?? this.defaultTokens);
      const encode = async () => constant({ positive: blank(), negative: isGuided ? blank() : undefined });
      const most = MOST_BYTES_BESIDE + MOST_BYTES_OF_TOKEN * (this.tokens(size) + others) * batch * (isGuided ? 2 : 1);
      await transformer.expectRoom(most, async (checked) => {
        const textEncoders: TextEncoders<Request> = { encode };
        const pipeline: this = Object.create(this, {
          transformer: { value: checked },
          textEncoders: { value: textEncoders },
          textEncodersFor: { value: async () => textEncoders },
        });
        const { predict } = await predictions(pipeline);
        const guided = timesteps.findIndex((_, index) => guidance.at(index).isGuided);
        const index = Math.max(0, guided);
        await predict(latents, timesteps[index] ?? 0, index, latents);
      });
    }
    return predictions(this);
  }

  /** Makes pictures from noise. */
  protected async *fromNoise(call: Call<Request & NoiseStartOptions>): AsyncGenerator<DenoisingStep, Denoised, void> {
    const size = this.size(call.request);
    const timesteps = this.plan(call, size);
    const run = { size, timesteps };
    const predictions = await this.predictionsInRoom(call, run);
    const latents = this.noise(call, size);
    return yield* this.flow(call, { size, timesteps }, latents, predictions);
  }

  /** Makes pictures from a picture with added noise. */
  protected async *fromPicture(call: Call<Request & PictureStartOptions>): AsyncGenerator<DenoisingStep, Denoised, void> {
    const { request, batch, generator, scheduler } = call;
    const wanted = sidesOf(request);
    const image = await readImages(request.image, this.vae, { ...wanted, multiple: this.sizeMultiple });
    const size = this.size({ ...sizeOfImages(this.vae, image), ...wanted });
    const timesteps = this.plan(call, size, request.strength ?? this.defaults.strength ?? 1);
    const run = { size, timesteps };
    const predictions = await this.predictionsInRoom(call, run);
    const noised = async () => {
      const start = await givenStart(this.vae, image, batch, generator);
      return this.pack(addInitialNoise(start, generator, scheduler, timesteps[0] ?? 0));
    };
    return yield* this.flow(call, { size, timesteps }, request.latents ?? (await noised()), predictions);
  }

  /** Repaints the part of a picture under a mask: after each step, the rest is put back. */
  protected async *repaint(call: Call<Request & RepaintOptions>): AsyncGenerator<DenoisingStep, Denoised, void> {
    const { request } = call;
    const { image, mask, size: read, retouch } = await readInpaintImages(request, sidesOf(request), this.vae, this.sizeMultiple);
    const size = this.size(read);
    const strength = request.strength ?? this.defaults.strength ?? 1;
    const timesteps = this.plan(call, size, strength);
    const run = { size, timesteps };
    const predictions = await this.predictionsInRoom(call, run);
    const input = { vae: this.vae, inChannels: this.noiseChannels, call, timesteps, image, mask, size, strength };
    const { latents, afterStep, steerable } = await prepareInpainting(input);
    const denoised = yield* this.loop(call, {
      latents: this.pack(latents),
      timesteps,
      predict: predictions.predict,
      afterStep: afterStep && ((packed, index) => this.pack(afterStep(this.unpack(packed, size), index))),
      steerable: [...predictions.steerable, steerable],
      unpack: (packed) => this.unpack(packed, size),
    });
    return { ...denoised, retouch };
  }

  /**
   * A preview costs next to nothing: its colours are sums of the latents' channels, measured once from the autoencoder. A tiny autoencoder
   * decodes it instead.
   */
  protected override async preview(latents: Tensor): Promise<Tensor> {
    const { vae } = this;
    if (!vae || vae instanceof AutoencoderTiny) return super.preview(latents);
    if (this.colours?.vae !== vae) this.colours = { vae, measured: measureColours(latents.shape[1] ?? 0, (some) => this.decode(some)) };
    const small = colouredLatents(latents, await this.colours.measured);
    const [, , height = 0, width = 0] = small.shape;
    return resizeTensorBilinear(small, height * vae.scaleFactor, width * vae.scaleFactor);
  }

  /** The loop from packed latents. */
  protected flow(
    call: Call<Request>,
    { size, timesteps }: PlannedRun,
    latents: Tensor,
    predictions: Predictions,
  ): AsyncGenerator<DenoisingStep, Denoised, void> {
    return this.loop(call, { latents, timesteps, ...predictions, unpack: (packed) => this.unpack(packed, size) });
  }
}

/** Given noise that is tokens already. @throws ArgumentError if it has another batch or another number of tokens */
function expectPacked(latents: Tensor, [batch, tokens]: readonly [number, number]): Tensor {
  if (latents.shape.length === 3 && latents.shape[0] === batch && latents.shape[1] === tokens) return latents;
  throw new ArgumentError(`latents are [${latents.shape}]; expected [${batch}, ${tokens}, channels]`, { argument: "latents" });
}

/** The sides that a request names. */
export function sidesOf({ height, width }: SizeOptions): SizeOptions {
  return { ...(height !== undefined && { height }), ...(width !== undefined && { width }) };
}

function noDynamicShift({ className }: Scheduler): ArgumentError {
  return new ArgumentError(`${className} cannot shift its noise levels by the size of the picture, as this checkpoint needs`, {
    argument: "scheduler",
    hint: "take euler, lcm, dpm++-2m, unipc or deis; in a program, a scheduler made without the checkpoint's config has a fixed shift",
  });
}

/** Warns of a scheduler that takes the transformer's velocities for noise. */
function warnOfOtherSchedulers(scheduler: Scheduler): void {
  if (followsFlow(scheduler)) return;
  const { className } = scheduler;
  warn(
    `${className} is not set for flow matching, so the pictures will be noise: it needs use_flow_sigmas and prediction_type "flow_prediction", if it has them; or use FlowMatchEulerDiscreteScheduler`,
  );
}
