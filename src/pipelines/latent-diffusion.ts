import { MemoryError } from "../errors.js";
import type { PromptedDefaults } from "../families/family.js";
import type { AttentionSlice } from "../graph/graph.js";
import { AsymmetricAutoencoderKL, type DecodeCondition } from "../models/asymmetric-autoencoder-kl.js";
import type { Autoencoder } from "../models/autoencoder.js";
import { Model } from "../models/model.js";
import type { MemorySaving } from "../models/tiling.js";
import { type Fields, field, hasMethods, instanceOf, orNull } from "../options/fields.js";
import type { Turn } from "../runtime/call-queue.js";
import { Scheduler, type StepOptions } from "../schedulers/shared/scheduler.js";
import { concat, sizeOf, Tensor } from "../tensor/tensor.js";
import { warn } from "../warnings.js";
import { AdaptablePipeline } from "./adaptable-pipeline.js";
import type { GuidanceOptions, LatentDiffusionRequest } from "./latent-diffusion-request.js";
import { type PromptInput, promptCount, type TextEmbeds } from "./prompt/prompt-options.js";
import { embedsOf, type TextEncoders } from "./prompt/text-encoders.js";
import { expectSize, resolveGenerators, type Size, type SizeOptions, seedsOf } from "./shared/arguments.js";
import type { Call, Denoised } from "./shared/call.js";
import { type ComponentSource, part } from "./shared/components.js";
import { denoisingLoop, type LoopOptions, toUnitRange, withPreview, withPreviews } from "./shared/denoising-loop.js";
import { warnOfStrongGuidance } from "./shared/guidance.js";
import { type GuidanceLimits, GuidancePlan } from "./shared/guidance-plan.js";
import { type LatentScale, unscaleLatents } from "./shared/latents.js";
import { expectVae, LATENTS_ALONE, latentsOf } from "./shared/missing-parts.js";
import { type OutputType, outputOf, type PipelineOutput } from "./shared/output.js";
import { type DenoisingStep, finish, type PipelineRun } from "./shared/pipeline-run.js";
import { type Steerable, steering } from "./shared/steering.js";
import { expectStepCache } from "./shared/step-cache.js";
import { refuseShares, requestedTimesteps } from "./shared/timesteps.js";

/** The parts of every latent diffusion pipeline, beside its network. */
export interface LatentDiffusionComponents {
  /** Decodes latents to pictures and encodes pictures; null if calls take and return latents only. */
  readonly vae: Autoencoder | null;
  /** Chooses the noise levels and computes the steps. */
  readonly scheduler: Scheduler;
}

export const LATENT_DIFFUSION_PARTS: Fields<LatentDiffusionComponents> = {
  vae: part(
    orNull(
      field<Autoencoder>((value) => hasMethods(value, "encode", "decode"), "an AutoencoderKL, AsymmetricAutoencoderKL or AutoencoderTiny"),
    ),
  ),
  scheduler: part(instanceOf(Scheduler)),
};

/** Bytes that decoding takes for each pixel, more than in any autoencoder: Stable Diffusion's takes 3,900. */
const MOST_BYTES_OF_PIXEL = 2 ** 14;

const EXAMPLE = '{ prompt: "a red fox" }';

/** What a call says of its guidance. */
export type GuidedRequest = PromptInput<TextEmbeds> & GuidanceOptions & Pick<LatentDiffusionRequest, "guidanceInterval">;

/** A pipeline's part of the options of its loop. */
export interface LatentLoopOptions
  extends Pick<LoopOptions, "latents" | "predict" | "afterStep" | "endsWithPrediction">,
    Pick<Denoised, "unpack"> {
  readonly timesteps?: readonly number[];
  /** What `onStepEnd` may replace beside the latents and the guidance. */
  readonly steerable?: readonly Steerable[];
}

/**
 * What latent diffusion pipelines have in common: checks of requests, the denoising loop, decoding.
 * Calls run in the order they are made. Every call works on a copy of the scheduler.
 */
export abstract class LatentDiffusionPipeline<Request extends LatentDiffusionRequest<TextEmbeds>> extends AdaptablePipeline {
  /** Decodes latents to pictures. Null at run time if the pipeline was opened without it. */
  vae: Autoencoder;
  /** The values of options that a request leaves out. */
  protected abstract readonly defaults: PromptedDefaults;
  /** Calls whose pictures were found to have room to be decoded. */
  private readonly decodable = new WeakSet<Call<Request>>();

  constructor({ vae, scheduler }: LatentDiffusionComponents, source?: ComponentSource) {
    super(scheduler, source);
    this.vae = vae as Autoencoder;
  }

  /** Pixels per latent, along each side: the VAE's, or 8 without one, as in diffusers. */
  get vaeScaleFactor(): number {
    return latentsOf(this.vae).scaleFactor;
  }

  /** Fields of the request's options. */
  protected abstract readonly fields: Fields<object>;

  /** Encodes the prompts. */
  protected abstract get textEncoders(): TextEncoders<Request>;

  private get vaeMemory(): MemorySaving {
    return expectVae(this.vae).memory;
  }

  /**
   * Makes pictures, all pictures of a call at once.
   * @throws ArgumentError for a wrong request; the signal's reason if it was aborted; DeviceError
   */
  generate<Output extends OutputType = "image">(
    request: Request & { readonly outputType?: Output | undefined },
  ): Promise<PipelineOutput<Output>> {
    return finish(this.steps(request));
  }

  /**
   * As `generate`, step by step, with progress and previews: `for await (const step of pipe.steps(request))`. `break` cancels the run.
   * The run's `result` has the pictures. Other calls wait until the run ends, or until its loop has requested no step for one second.
   */
  steps<Output extends OutputType = "image">(
    request: Request & { readonly outputType?: Output | undefined },
  ): PipelineRun<PipelineOutput<Output>> {
    return this.start((turn) => this.run<Output>(request, turn));
  }

  /**
   * Computes the denoising network's attention in several parts: slower, in less memory. "auto" makes two parts, "max" one part for each
   * head; a number is the number of heads in a part.
   */
  enableAttentionSlicing(slice: AttentionSlice = "auto"): void {
    this.denoiser.setAttentionSlice(slice);
  }

  /** Computes attention all at once again. */
  disableAttentionSlicing(): void {
    this.denoiser.setAttentionSlice(undefined);
  }

  /** Decodes and encodes the pictures of a batch one after another: the pictures are the same, in the memory of one. */
  enableVaeSlicing(): void {
    this.vaeMemory.slicing = true;
  }

  /** Decodes and encodes all pictures of a batch at once again. */
  disableVaeSlicing(): void {
    this.vaeMemory.slicing = false;
  }

  /**
   * Decodes and encodes large pictures in overlapping tiles of the size that the autoencoder was trained on: far less memory, faint seams.
   */
  enableVaeTiling(): void {
    this.vaeMemory.tiling = true;
  }

  /** Decodes and encodes whole pictures again. */
  disableVaeTiling(): void {
    this.vaeMemory.tiling = false;
  }

  /** Does nothing but warn, for programs written for diffusers: attention is one fused operation already. */
  enableXformersMemoryEfficientAttention(): void {
    warn("attention is fused already; enableXformersMemoryEfficientAttention changes nothing");
  }

  /** The pipeline's own part: from the request to denoised latents. */
  protected abstract denoise(call: Call<Request>): AsyncGenerator<DenoisingStep, Denoised, void>;

  /** The steps of `generate` and `steps`. */
  protected async *run<Output extends OutputType>(
    request: Request,
    turn: Turn,
  ): AsyncGenerator<DenoisingStep, PipelineOutput<Output>, void> {
    const call = this.begin(this.check<Request>("generate", request, this.fields, EXAMPLE), turn);
    const { outputType, signal, generator } = call;
    await turn.take(signal);
    const { latents, unpack = asTheyAre, decodedAtOnce, decodeCondition, retouch } = yield* this.denoise(call);
    const decoded = async () => this.checkSafety(await this.decode(unpack(latents), decodedAtOnce, decodeCondition));
    const { images, nsfwContentDetected } =
      outputType === "latent" ? { images: this.givesUnpacked ? unpack(latents) : latents } : await decoded();
    signal?.throwIfAborted();
    return {
      images: await outputOf<Output>(images, outputType, retouch),
      seeds: seedsOf(generator),
      ...(nsfwContentDetected && { nsfwContentDetected }),
    };
  }

  /** Shows float pictures [batch, 3, height, width] in 0..1 to a safety checker, if there is one. */
  protected async checkSafety(images: Tensor): Promise<{ images: Tensor; nsfwContentDetected?: readonly boolean[] }> {
    return { images };
  }

  /** Features of the prompts, for a request in place of the prompts. */
  protected async embed<Embeds extends object>(
    options: PromptInput<TextEmbeds> & GuidanceOptions,
    fields: Fields<object>,
  ): Promise<Embeds> {
    const checked = this.check<typeof options>("encodePrompt", options, fields, EXAMPLE);
    const { doClassifierFreeGuidance: isGuided = this.guidanceOf(checked).isEverGuided } = checked;
    const encoded = await this.textEncoders.encode(checked as Request, { isGuided });
    return embedsOf(encoded.at(1)) as Embeds;
  }

  /** The denoising loop over a network's guided predictions, with previews. `timesteps` are the scheduler's by default. */
  protected async *loop(
    call: Call<Request>,
    { unpack = asTheyAre, steerable: parts = [], ...options }: LatentLoopOptions,
  ): AsyncGenerator<DenoisingStep, Denoised, void> {
    const { onStepEnd } = call.request;
    const { scheduler, generator, guidance, stepOptions, signal, turn } = call;
    await this.expectRoomToDecode(call, unpack(options.latents));
    const decode = (latents: Tensor) => this.preview(unpack(latents));
    const endStep = onStepEnd && steering(turn, { onStepEnd, guidance, parts, asStep: (loopTurn) => withPreview(loopTurn, decode) });
    const loop = denoisingLoop({
      timesteps: scheduler.timesteps,
      ...options,
      scheduler,
      stepOptions: { generator, ...stepOptions },
      endStep,
      signal,
    });
    try {
      return { latents: yield* withPreviews(loop, decode), unpack };
    } finally {
      await this.denoiser.rest();
    }
  }

  /** Whether latents that a call asks for are those of the autoencoder; they are as the network has them by default. */
  protected readonly givesUnpacked: boolean = false;

  /** Float pictures [batch, 3, height, width] in 0..1 of latents, for previews. */
  protected preview(latents: Tensor): Promise<Tensor> {
    return this.decode(latents);
  }

  /** How latents are scaled before they are decoded. */
  protected get latentScale(): LatentScale {
    return this.vae.config;
  }

  /** Checks once, before the first step of a call, that one of its pictures can be decoded. @throws MemoryError */
  protected async expectRoomToDecode(call: Call<Request>, { shape }: Tensor): Promise<void> {
    const { vae } = this;
    if (!(vae instanceof Model) || shape.length !== 4 || call.outputType === "latent" || this.decodable.has(call)) return;
    this.decodable.add(call);
    const one = [1, ...shape.slice(1)];
    const pixels = sizeOf(shape.slice(2)) * this.vaeScaleFactor ** 2;
    await vae.expectRoom(MOST_BYTES_OF_PIXEL * pixels, (network) => (network as typeof vae).decode(Tensor.zeros(one)));
  }

  /** Float pictures [batch, 3, height, width] in 0..1 of latents; if all at once do not fit into memory, one after another. */
  protected async decode(latents: Tensor, atOnce = latents.shape[0] ?? 1, condition?: DecodeCondition): Promise<Tensor> {
    const [rows = 0] = latents.shape;
    const vae = expectVae(this.vae, LATENTS_ALONE);
    if (condition && vae instanceof AsymmetricAutoencoderKL)
      return toUnitRange((await vae.decode(unscaleLatents(latents, this.latentScale), condition)).sample);
    const samples: Tensor[] = [];
    try {
      for (let row = 0; row < rows; row += atOnce) {
        const { sample } = await vae.decode(unscaleLatents(latents.slice(row, Math.min(row + atOnce, rows)), this.latentScale));
        samples.push(sample);
      }
    } catch (error) {
      if (atOnce === 1 || rows === 1 || !(error instanceof MemoryError)) throw error;
      return this.decode(latents, 1);
    }
    return toUnitRange(concat(samples));
  }

  /** Both sides of pictures are multiples of this many pixels. */
  protected get sizeMultiple(): number {
    return this.vaeScaleFactor;
  }

  /** The size of pictures whose call names none. */
  protected abstract get nativeSize(): Size;

  /**
   * The requested size, or the one the network was trained on. @throws ArgumentError unless both sides are multiples of
   * {@link sizeMultiple}.
   */
  protected size({ height, width }: SizeOptions): Size {
    const native = this.nativeSize;
    const size = { height: height ?? native.height, width: width ?? native.width };
    expectSize(size.width, size.height, this.sizeMultiple);
    return size;
  }

  private begin(request: Request, turn: Turn): Call<Request> {
    const { outputType = "image", numImagesPerPrompt = 1 } = request;
    this.expectGuidance(request);
    const guidance = this.guidanceOf(request);
    const stepOptions = this.stepOptions(request);
    if (this.scheduler.isAdaptive) refuseShares(this.scheduler, request);
    warnOfStrongGuidance(this.scheduler, guidance.largest);
    if (request.cache) expectStepCache(request.cache, this.denoiser);
    if (outputType !== "latent") expectVae(this.vae, LATENTS_ALONE);
    const batch = promptCount(request) * numImagesPerPrompt;
    return {
      request,
      batch,
      generator: resolveGenerators(request, batch),
      scheduler: this.scheduler.clone(),
      guidance,
      isGuided: guidance.isEverGuided,
      ...requestedTimesteps(request, this.defaults.steps),
      stepOptions,
      outputType,
      signal: request.signal,
      turn,
    };
  }

  private guidanceOf(request: GuidedRequest): GuidancePlan {
    return new GuidancePlan(this.guidanceScaleOf(request), (scale) => this.isGuided(scale, request), this.guidanceLimits(request));
  }

  /** Which steps of a call are not guided. */
  protected guidanceLimits({ guidanceInterval: interval }: GuidedRequest): GuidanceLimits {
    return { interval };
  }

  /** @throws ArgumentError for guidance that the network cannot have. */
  protected expectGuidance(_request: Request): void {}

  /** Options of the scheduler's steps besides the generator. @throws ArgumentError for wrong values. */
  protected stepOptions(_request: Request): StepOptions {
    return {};
  }

  /** Whether the network predicts every picture twice at this scale, with the prompt and with the negative prompt. */
  protected isGuided(guidanceScale: number, _prompts: PromptInput<TextEmbeds>): boolean {
    return guidanceScale > 1 || this.scheduler.needsUnconditional;
  }

  /** The scale of classifier-free guidance. A network that takes its `guidanceScale` as an input may have another option for it. */
  protected guidanceScaleOf({ guidanceScale = this.defaults.guidance }: GuidanceOptions): number | readonly number[] {
    return guidanceScale;
  }
}

function asTheyAre(latents: Tensor): Tensor {
  return latents;
}
