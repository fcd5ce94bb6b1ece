import type { AttentionSlice } from "../graph/graph.js";
import { type Picture, pictures } from "../image/picture.js";
import type { Autoencoder } from "../models/autoencoder.js";
import type { MemorySaving } from "../models/tiling.js";
import { type UNet2DConditionInputs, UNet2DConditionModel } from "../models/unet-2d-condition.js";
import { checkOptions } from "../options/check-options.js";
import {
  abortSignal,
  type Fields,
  field,
  flag,
  group,
  hasMethods,
  instanceOf,
  numbers,
  oneOf,
  orNull,
  real,
  whole,
} from "../options/fields.js";
import type { Turn } from "../runtime/call-queue.js";
import { Scheduler } from "../schedulers/shared/scheduler.js";
import type { Generator } from "../tensor/random.js";
import { concat, type Tensor } from "../tensor/tensor.js";
import { warn } from "../warnings.js";
import { LoraPipeline } from "./adapters/lora-adapters.js";
import {
  loadTextualInversion,
  type TextualInversionOptions,
  type TextualInversionSource,
  unloadTextualInversion,
} from "./adapters/textual-inversions.js";
import {
  type EncodedPrompt,
  encodePrompt,
  PROMPT_FIELDS,
  type PromptOptions,
  type PromptOptionsXL,
  type PromptReader,
  promptCount,
} from "./prompt/clip-text-encoders.js";
import { expectEta, expectSize, RANDOM_FIELDS, type RandomOptions, resolveGenerators, seedsOf } from "./shared/arguments.js";
import { type ComponentSource, part } from "./shared/components.js";
import { type DenoiseOptions, denoise, toUnitRange, withPreviews } from "./shared/denoising-loop.js";
import { guide } from "./shared/guidance.js";
import { belongsElsewhere } from "./shared/misplaced-options.js";
import { expectTextParts, expectVae, latentsOf } from "./shared/missing-parts.js";
import { derive } from "./shared/per-step.js";
import { type DenoisingStep, finish, type PipelineRun, pipelineRun } from "./shared/pipeline-run.js";
import { expectStepCache, STEP_CACHE_FIELDS, StepCache, type StepCacheOptions } from "./shared/step-cache.js";
import { stepCount, stepsWalked } from "./shared/timesteps.js";

/** What works without an autoencoder. */
export const LATENTS_ALONE = 'ask for outputType "latent"';

const OUTPUT_TYPES = ["image", "tensor", "latent"] as const;

/** What a call gives: finished pictures, float pictures [batch, 3, height, width] in 0..1, or latents [batch, channels, height, width]. */
export type OutputType = (typeof OUTPUT_TYPES)[number];

/** What every latent diffusion call can be asked for. Names and defaults are those of diffusers. */
export interface LatentDiffusionRequest extends PromptOptions, RandomOptions {
  /** Denoising steps; more are slower and finer. 50 by default. */
  readonly numInferenceSteps?: number | undefined;
  /** Instead of a number of steps: the timesteps themselves, for schedulers that take them. */
  readonly timesteps?: readonly number[] | undefined;
  /** Instead of a number of steps: the noise levels themselves, for schedulers that take them. */
  readonly sigmas?: readonly number[] | undefined;
  /** How strongly the picture follows the prompt: 7.5 by default (5 for XL); 1 and below is without guidance and twice as fast. */
  readonly guidanceScale?: number | undefined;
  /** Restores the contrast that strong guidance changes (Lin et al. 2023, section 3.4): from 0 (default, off) to 1. Larger numbers are allowed, as in diffusers. */
  readonly guidanceRescale?: number | undefined;
  /**
   * DDIM's share of fresh noise at every step: 0 (default) is none, 1 is as much as DDPM; other schedulers ignore it. Larger numbers are allowed, as in
   * diffusers, with a warning: the picture may become black.
   */
  readonly eta?: number | undefined;
  /** Computes most steps from what an earlier one left behind: quicker, and not quite the same picture. Never without being asked for. */
  readonly cache?: StepCacheOptions | undefined;
  /** "image" (default) for pictures, "tensor" for floats in 0..1, "latent" for what the VAE would decode. */
  readonly outputType?: OutputType | undefined;
  /** Stops a running call between two steps, and a waiting one at once. The call throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

export const LATENT_DIFFUSION_FIELDS: Fields<LatentDiffusionRequest> = {
  ...PROMPT_FIELDS,
  ...RANDOM_FIELDS,
  numInferenceSteps: whole(1),
  timesteps: numbers(),
  sigmas: numbers(),
  guidanceScale: real(),
  guidanceRescale: real(0),
  eta: real(0),
  cache: group(STEP_CACHE_FIELDS),
  outputType: oneOf(...OUTPUT_TYPES),
  signal: abortSignal,
};

/** Height and width of a picture made from nothing. */
export interface SizeOptions {
  /** Pixels; multiples of the VAE's factor. By default the size the UNet was trained on. */
  readonly height?: number | undefined;
  /** Pixels; as `height`. */
  readonly width?: number | undefined;
}

export const SIZE_FIELDS: Fields<SizeOptions> = { height: whole(1), width: whole(1) };

/** What a call of a pipeline gives. */
export interface PipelineOutput<Output extends OutputType> {
  /** Finished pictures, or a tensor [batch, channels, height, width]. */
  readonly images: Output extends "image" ? Picture[] : Tensor;
  /** Initial seeds of the generators: one for the batch, or one for each picture. Enough to make the pictures again. */
  readonly seeds: readonly bigint[];
  /** For each picture, whether the safety checker blacked it out; only where there is one. */
  readonly nsfwContentDetected?: readonly boolean[] | undefined;
}

/** One call at work: its request with the defaults filled in, its random numbers, and its own copy of the scheduler. */
export interface Call<Request> {
  readonly request: Request;
  /** Pictures to make. */
  readonly batch: number;
  readonly generator: Generator | readonly Generator[];
  /** Which noise levels are walked, and how a step is taken. */
  readonly scheduler: Scheduler;
  readonly guidanceScale: number;
  readonly guidanceRescale: number;
  readonly isGuided: boolean;
  readonly eta: number;
  /** "image" (default) for pictures, "tensor" for floats in 0..1, "latent" for what the VAE would decode. */
  readonly outputType: OutputType;
  readonly signal: AbortSignal | undefined;
}

/** What a pipeline's own part gives: the denoised latents, and what is still to be done to a finished picture. */
export interface Denoised {
  readonly latents: Tensor;
  readonly retouch?: ((picture: Picture, index: number) => Picture) | undefined;
}

/** Whether prompts are encoded for guidance, as in diffusers: then negative ones are too. */
export interface GuidanceOptions {
  /** As for `generate`: above 1 is with guidance. The pipeline's own by default. */
  readonly guidanceScale?: number | undefined;
  /** Decides instead of the guidance scale. */
  readonly doClassifierFreeGuidance?: boolean | undefined;
}

export const GUIDANCE_FIELDS: Fields<GuidanceOptions> = { guidanceScale: real(), doClassifierFreeGuidance: flag };

/** What a text encoder makes of prompts, a row for each picture; a request takes them instead of the prompts. */
export interface PromptEmbeds {
  /** [batch, tokens, features] */
  readonly promptEmbeds: Tensor;
  /** Of the same shape, where guidance asks for it. */
  readonly negativePromptEmbeds?: Tensor | undefined;
}

/** What the UNet is conditioned on at each turn of the denoising loop; turns count from 0. */
export interface Conditioning {
  at(index: number): UNet2DConditionInputs;
}

/** What the network sees beside the latents. */
export interface PredictorOptions {
  /** Further channels of the input [batch, channels, height, width]. */
  readonly channels?: readonly Tensor[] | undefined;
  /** Conditioning that changes with the step, such as a ControlNet's residuals. */
  readonly perStep?: ((scaledLatents: Tensor, timestep: number, index: number) => Promise<Partial<UNet2DConditionInputs>>) | undefined;
}

/** The parts every latent diffusion pipeline has. */
export interface LatentDiffusionComponents {
  /** Decodes latents to pictures; null if only latents are given and returned. */
  readonly vae: Autoencoder | null;
  /** The denoising network. */
  readonly unet: UNet2DConditionModel;
  /** Which noise levels are walked, and how a step is taken. */
  readonly scheduler: Scheduler;
}

export const LATENT_DIFFUSION_PARTS: Fields<LatentDiffusionComponents> = {
  vae: part(orNull(field<Autoencoder>((value) => hasMethods(value, "encode", "decode"), "an AutoencoderKL or AutoencoderTiny"))),
  unet: part(instanceOf(UNet2DConditionModel)),
  scheduler: part(instanceOf(Scheduler)),
};

/**
 * What Stable Diffusion's pipelines have in common: checking the request, the guided denoising loop, decoding.
 * Calls run in the order they are made: see {@link DiffusionPipeline.queue}. Every call works on a copy of the scheduler.
 */
export abstract class LatentDiffusionPipeline<Request extends LatentDiffusionRequest> extends LoraPipeline {
  /** Decodes latents to pictures. Null at run time if the pipeline was opened without it. */
  vae: Autoencoder;
  /** The denoising network. */
  unet: UNet2DConditionModel;
  protected readonly defaultGuidanceScale: number = 7.5;

  constructor({ vae, unet, scheduler }: LatentDiffusionComponents, source?: ComponentSource) {
    super(scheduler, source);
    this.vae = vae as Autoencoder;
    this.unet = unet;
  }

  /** Pixels per latent, along each side: the VAE's, or 8 without one, as in diffusers. */
  get vaeScaleFactor(): number {
    return latentsOf(this.vae).scaleFactor;
  }

  private get memorySaving(): MemorySaving {
    return expectVae(this.vae, "there is nothing to save without one").memory;
  }

  /** Fields of the request's options. */
  protected abstract readonly fields: Fields<LatentDiffusionRequest>;

  /** How those text encoders read prompts. */
  protected abstract get promptReader(): PromptReader;

  /**
   * Makes pictures, all of one batch at once.
   * @throws ArgumentError for a request that makes no sense; the signal's reason if it was aborted; DeviceError
   */
  generate<Output extends OutputType = "image">(
    request: Request & { readonly outputType?: Output | undefined },
  ): Promise<PipelineOutput<Output>> {
    return finish(this.steps(request));
  }

  /**
   * As `generate`, step by step: `for await (const step of pipe.steps(request))`, with progress and previews; `break` cancels.
   * The run's `result` has the pictures. Other calls wait until the run ends, or until its loop has not asked for a step for one second.
   */
  steps<Output extends OutputType = "image">(
    request: Request & { readonly outputType?: Output | undefined },
  ): PipelineRun<PipelineOutput<Output>> {
    const turn = this.turn();
    return pipelineRun(turn, this.run<Output>(request, turn));
  }

  /**
   * Loads an embedding (textual inversion, Gal et al. 2022), or several: `.safetensors` files, folders or hub ids with one, as diffusers,
   * AUTOMATIC1111's web UI or kohya-ss write them. Gives the tokens that stand for them, in prompts and negative prompts alike; one of n vectors
   * takes the place of n words. The vectors stay in their files, which have to stay, too.
   *
   * An embedding belongs to the tokenizers and text encoders it was loaded into: pipelines that share these share it, whichever of them
   * loads or unloads it. Of a pipeline that shares a tokenizer, but not the text encoder, prompts with the token are refused.
   * @throws CheckpointError for a file that is no embedding or one of another family; ArgumentError for a token that is taken; HubError.
   * Then nothing was loaded.
   */
  async loadTextualInversion(
    source: TextualInversionSource | readonly TextualInversionSource[],
    options: TextualInversionOptions = {},
  ): Promise<readonly string[]> {
    expectTextParts(this.promptReader.missing);
    return loadTextualInversion(this.textEncoders, source, options);
  }

  /** Takes embeddings away again, all of them where no tokens are named. @throws ArgumentError for a token that was not loaded. */
  unloadTextualInversion(tokens?: string | readonly string[]): void {
    unloadTextualInversion(this.textEncoders, tokens);
  }

  /** Computes the UNet's attention in several steps: slower, in less memory. "auto" in two steps, "max" head by head, or so many heads at once. */
  enableAttentionSlicing(slice: AttentionSlice = "auto"): void {
    this.unet.setAttentionSlice(slice);
  }

  /** Attention all at once again. */
  disableAttentionSlicing(): void {
    this.unet.setAttentionSlice(undefined);
  }

  /** Decodes and encodes the pictures of a batch one after another: the memory of one, the same pictures. */
  enableVaeSlicing(): void {
    this.memorySaving.slicing = true;
  }

  /** A batch at once again. */
  disableVaeSlicing(): void {
    this.memorySaving.slicing = false;
  }

  /** Decodes and encodes pictures larger than the autoencoder was trained on in overlapping tiles: far less memory, faint seams. */
  enableVaeTiling(): void {
    this.memorySaving.tiling = true;
  }

  /** Whole pictures again. */
  disableVaeTiling(): void {
    this.memorySaving.tiling = false;
  }

  /** Here for programs written for diffusers: attention is one fused operation already, so there is nothing to enable. */
  enableXformersMemoryEfficientAttention(): void {
    warn("attention is fused already; enableXformersMemoryEfficientAttention changes nothing");
  }

  /** The pipeline's own story: from the prompt to denoised latents. */
  protected abstract develop(call: Call<Request>): AsyncGenerator<DenoisingStep, Denoised, void>;

  private async *run<Output extends OutputType>(request: Request, turn: Turn): AsyncGenerator<DenoisingStep, PipelineOutput<Output>, void> {
    const call = this.begin(this.check("generate", request, this.fields));
    const { outputType, signal, generator } = call;
    await turn.take(signal);
    const { latents, retouch } = yield* this.develop(call);
    const { images, nsfwContentDetected } = outputType === "latent" ? { images: latents } : await this.inspect(await this.decode(latents));
    signal?.throwIfAborted();
    const results = outputType === "image" ? pictures(images).map((picture, i) => retouch?.(picture, i) ?? picture) : images;
    return {
      images: results as PipelineOutput<Output>["images"],
      seeds: seedsOf(generator),
      ...(nsfwContentDetected && { nsfwContentDetected }),
    };
  }

  /** Lets a safety checker look at float pictures [batch, 3, height, width] in 0..1. */
  protected async inspect(images: Tensor): Promise<{ images: Tensor; nsfwContentDetected?: readonly boolean[] }> {
    return { images };
  }

  /** The prompts' features, to be given in place of the prompts. */
  protected async embed(
    options: PromptOptionsXL & GuidanceOptions,
    fields: Fields<PromptOptions & GuidanceOptions>,
  ): Promise<PromptEmbeds> {
    const checked = this.check("encodePrompt", options, fields);
    const { guidanceScale = this.defaultGuidanceScale, doClassifierFreeGuidance: isGuided = this.isGuided(guidanceScale) } = checked;
    const encoded = await encodePrompt(this.promptReader, checked, { isGuided });
    const { positive, negative } = encoded.at(1);
    return {
      promptEmbeds: positive.embeds,
      ...(negative && { negativePromptEmbeds: negative.embeds }),
      ...(positive.pooled && { pooledPromptEmbeds: positive.pooled }),
      ...(negative?.pooled && { negativePooledPromptEmbeds: negative.pooled }),
    };
  }

  /** The prompts' features as the UNet wants them, for the timesteps that are walked. */
  protected async conditionOn(
    { request, scheduler, isGuided }: Call<Request>,
    timesteps: readonly number[],
    toInputs: (encoded: EncodedPrompt) => UNet2DConditionInputs,
  ): Promise<Conditioning> {
    const steps = stepsWalked(scheduler, timesteps, stepCount(request));
    const inputs = derive([await encodePrompt(this.promptReader, request, { isGuided, steps })], toInputs);
    return { at: (index) => inputs.at(Math.min(Math.floor(index / scheduler.order) + 1, steps)) };
  }

  /** The denoising loop over a network's guided predictions. */
  protected async *denoise(
    { scheduler, generator, eta, signal }: Call<Request>,
    options: Pick<DenoiseOptions, "latents" | "predict" | "afterStep"> & { readonly timesteps?: readonly number[] },
  ): AsyncGenerator<DenoisingStep, Tensor, void> {
    const loop = denoise({ timesteps: scheduler.timesteps, ...options, scheduler, stepOptions: { generator, eta }, signal });
    try {
      return yield* withPreviews(loop, (latents) => this.decode(latents));
    } finally {
      await this.unet.rest();
    }
  }

  /** The UNet's prediction under classifier-free guidance, both halves in one batch: there are twice as many texts as latents. */
  protected predictor(
    call: Call<Request>,
    conditioning: Conditioning,
    { channels = [], perStep }: PredictorOptions = {},
  ): DenoiseOptions["predict"] {
    const { request, scheduler, isGuided, guidanceScale, guidanceRescale } = call;
    const cache = request.cache && request.cache.interval > 1 ? new StepCache(request.cache, scheduler) : undefined;
    return async (scaled, timestep, index) => {
      const input = channels.length > 0 ? concat([scaled, ...channels], 1) : scaled;
      const { sample, deepFeature } = await this.unet.forward(input, timestep, {
        ...conditioning.at(index),
        ...(await perStep?.(scaled, timestep, index)),
        ...cache?.take(timestep, index),
      });
      cache?.keep(deepFeature);
      return isGuided ? guide(sample, guidanceScale, guidanceRescale) : sample;
    };
  }

  /** Float pictures [batch, 3, height, width] in 0..1 of scaled latents. */
  protected async decode(latents: Tensor): Promise<Tensor> {
    const vae = expectVae(this.vae, LATENTS_ALONE);
    const { sample } = await vae.decode(latents.div(vae.config.scalingFactor));
    return toUnitRange(sample);
  }

  /** The size asked for or the UNet's own. @throws ArgumentError unless both sides are multiples of the VAE's factor. */
  protected size({ height, width }: SizeOptions): { height: number; width: number } {
    const factor = this.vaeScaleFactor;
    const [nativeHeight, nativeWidth] = this.unet.sampleSize;
    const size = { height: height ?? nativeHeight * factor, width: width ?? nativeWidth * factor };
    expectSize(size.width, size.height, factor);
    return size;
  }

  private begin(request: Request): Call<Request> {
    const {
      guidanceScale = this.defaultGuidanceScale,
      guidanceRescale = 0,
      eta = 0,
      outputType = "image",
      numImagesPerPrompt = 1,
    } = request;
    expectEta(eta);
    if (request.cache) expectStepCache(request.cache, this.unet);
    if (outputType !== "latent") expectVae(this.vae, LATENTS_ALONE);
    const batch = promptCount(request) * numImagesPerPrompt;
    return {
      request,
      batch,
      generator: resolveGenerators(request, batch),
      scheduler: this.scheduler.clone(),
      guidanceScale,
      guidanceRescale,
      isGuided: this.isGuided(guidanceScale),
      eta,
      outputType,
      signal: request.signal,
    };
  }

  /** The checked options of a call. @throws ArgumentError */
  private check<Options extends object>(method: "generate" | "encodePrompt", options: Options, fields: Fields<object>): Options {
    return checkOptions(options, fields as Fields<Options>, {
      call: `${this.className}.${method}`,
      example: `such as pipe.${method}({ prompt: "a red fox" })`,
      elsewhere: (option) => belongsElsewhere(this.className, option),
    });
  }

  /** Above 1 the UNet sees every picture twice; but a network distilled for guidance takes the scale as an input instead. */
  private isGuided(guidanceScale: number): boolean {
    return guidanceScale > 1 && !this.unet.config.timeCondProjDim;
  }
}
