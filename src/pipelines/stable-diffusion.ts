import type { ModelIndex } from "../checkpoint/model-index.js";
import { ArgumentError } from "../errors.js";
import { type Picture, pictures } from "../image/picture.js";
import { AutoencoderKL } from "../models/autoencoder-kl.js";
import { CLIPTextModel } from "../models/clip-text.js";
import { UNet2DConditionModel } from "../models/unet-2d-condition.js";
import type { Scheduler } from "../schedulers/scheduler.js";
import { concat, type Tensor } from "../tensor/tensor.js";
import { CLIPTokenizer } from "../tokenizer/clip.js";
import { warn } from "../warnings.js";
import { expectInteger, expectNumber, expectSize, type RandomOptions, resolveGenerators } from "./arguments.js";
import { type ComponentSource, SCHEDULERS_OF_CHECKPOINTS } from "./components.js";
import { denoise, initialLatents, timestepOptions, withPreviews } from "./denoise.js";
import { DiffusionPipeline } from "./diffusion-pipeline.js";
import { encodePrompt, type PromptOptions, promptCount } from "./encode-prompt.js";
import { guidanceScaleEmbedding, guide } from "./guidance.js";
import { type DenoisingStep, finish, type PipelineRun, pipelineRun } from "./pipeline-run.js";

/** The parts of a Stable Diffusion checkpoint. */
export interface StableDiffusionComponents {
  readonly vae: AutoencoderKL;
  readonly textEncoder: CLIPTextModel;
  readonly tokenizer: CLIPTokenizer;
  readonly unet: UNet2DConditionModel;
  readonly scheduler: Scheduler;
  /** null does without the check for unsafe pictures. */
  readonly safetyChecker: null;
}

const OUTPUT_TYPES = ["image", "tensor", "latent"] as const;

/** What a call gives: finished pictures, float pictures [batch, 3, height, width] in 0..1, or latents [batch, channels, height, width]. */
export type OutputType = (typeof OUTPUT_TYPES)[number];

/** What a text-to-image call can be asked for. Names and defaults are those of diffusers' StableDiffusionPipeline. */
export interface StableDiffusionRequest extends PromptOptions, RandomOptions {
  /** Denoising steps; more are slower and finer. 50 by default. */
  readonly numInferenceSteps?: number;
  /** Instead of a number of steps: the timesteps themselves, for schedulers that take them. */
  readonly timesteps?: readonly number[];
  /** Instead of a number of steps: the noise levels themselves, for schedulers that take them. */
  readonly sigmas?: readonly number[];
  /** How strongly the picture follows the prompt: 7.5 by default; 1 and below is without guidance and twice as fast. */
  readonly guidanceScale?: number;
  /** 0..1: brings back the contrast that strong guidance takes away; 0 by default. */
  readonly guidanceRescale?: number;
  /** Pixels; multiples of the VAE's factor. By default the size the UNet was trained on. */
  readonly height?: number;
  readonly width?: number;
  /** DDIM's share of fresh noise at every step, 0..1; other schedulers ignore it. */
  readonly eta?: number;
  /** Noise to start from [batch, channels, height / factor, width / factor], of unit variance. */
  readonly latents?: Tensor;
  readonly outputType?: OutputType;
  /** Stops the work between two steps; the call then throws the signal's reason. */
  readonly signal?: AbortSignal;
}

/** What a call of a pipeline gives. */
export interface PipelineOutput<Output extends OutputType> {
  readonly images: Output extends "image" ? Picture[] : Tensor;
  /** Initial seeds of the generators: one for the batch, or one for each picture. Enough to make the pictures again. */
  readonly seeds: readonly bigint[];
}

/**
 * Text to picture with Stable Diffusion 1.x and 2.x (Rombach et al. 2022). Matches diffusers' StableDiffusionPipeline: the same seed gives the same picture.
 * Every call works on a copy of the scheduler, so calls may overlap; they take turns on the device.
 */
export class StableDiffusionPipeline extends DiffusionPipeline {
  vae: AutoencoderKL;
  textEncoder: CLIPTextModel;
  tokenizer: CLIPTokenizer;
  unet: UNet2DConditionModel;
  scheduler: Scheduler;

  /** A pipeline over parts loaded one by one, which stay the caller's to dispose. */
  constructor(
    { vae, textEncoder, tokenizer, unet, scheduler }: Omit<StableDiffusionComponents, "safetyChecker">,
    source?: ComponentSource,
  ) {
    super(source);
    this.vae = vae;
    this.textEncoder = textEncoder;
    this.tokenizer = tokenizer;
    this.unet = unet;
    this.scheduler = modernised(scheduler);
  }

  /** Loads the parts that `given` does not bring; `DiffusionPipeline.fromPretrained` is the way in. */
  static async open(
    source: ComponentSource,
    _index: ModelIndex,
    given: Partial<StableDiffusionComponents>,
  ): Promise<StableDiffusionPipeline> {
    if (given.safetyChecker !== null && source.has("safety_checker")) {
      warn("the checkpoint's safety checker is not run; give safetyChecker: null to say that this is meant");
    }
    const [vae, textEncoder, tokenizer, unet, scheduler] = await Promise.all([
      source.load("vae", { AutoencoderKL }, given.vae),
      source.load("text_encoder", { CLIPTextModel }, given.textEncoder),
      source.load("tokenizer", { CLIPTokenizer, CLIPTokenizerFast: CLIPTokenizer }, given.tokenizer),
      source.load("unet", { UNet2DConditionModel }, given.unet),
      source.load("scheduler", SCHEDULERS_OF_CHECKPOINTS, given.scheduler),
    ]);
    return new StableDiffusionPipeline({ vae, textEncoder, tokenizer, unet, scheduler }, source);
  }

  /**
   * Makes pictures, all of one batch at once.
   * @throws ArgumentError for a request that makes no sense; the signal's reason if it was aborted; DeviceError
   */
  generate<Output extends OutputType = "image">(
    request: StableDiffusionRequest & { readonly outputType?: Output },
  ): Promise<PipelineOutput<Output>> {
    return finish(this.steps(request));
  }

  /**
   * As `generate`, step by step: `for await (const step of pipe.steps(request))`, with progress and previews; `break` cancels.
   * The pictures are in the run's `result`.
   */
  steps<Output extends OutputType = "image">(
    request: StableDiffusionRequest & { readonly outputType?: Output },
  ): PipelineRun<PipelineOutput<Output>> {
    return pipelineRun(this.run(request));
  }

  private async *run<Output extends OutputType>(
    request: StableDiffusionRequest & { readonly outputType?: Output },
  ): AsyncGenerator<DenoisingStep, PipelineOutput<Output>, void> {
    const { width, height, batch, guidanceScale, guidanceRescale, outputType, signal, eta } = this.check(request);
    signal?.throwIfAborted();
    const { timeCondProjDim, inChannels } = this.unet.config;
    const isGuided = guidanceScale > 1 && !timeCondProjDim;
    const generator = resolveGenerators(request, batch);
    const seeds = [generator].flat().map(({ initialSeed }) => initialSeed);

    const { promptEmbeds, negativePromptEmbeds } = await encodePrompt(this.tokenizer, this.textEncoder, request, isGuided);
    const encoderHiddenStates = negativePromptEmbeds ? concat([negativePromptEmbeds, promptEmbeds]) : promptEmbeds;
    const timestepCond = timeCondProjDim ? guidanceScaleEmbedding(guidanceScale, batch, timeCondProjDim) : undefined;

    const scheduler = this.scheduler.clone();
    scheduler.setTimesteps(timestepOptions(request));
    const latents = initialLatents(
      [batch, inChannels, height / this.vae.scaleFactor, width / this.vae.scaleFactor],
      request.latents,
      generator,
      scheduler,
    );
    const predict = async (scaled: Tensor, timestep: number) => {
      const input = isGuided ? concat([scaled, scaled]) : scaled;
      const { sample } = await this.unet.forward(input, timestep, { encoderHiddenStates, timestepCond });
      return isGuided ? guide(sample, guidanceScale, guidanceRescale) : sample;
    };
    const loop = denoise({ scheduler, latents, predict, stepOptions: { generator, eta }, signal });
    const denoised = yield* withPreviews(loop, (predicted) => this.decode(predicted));
    const images = outputType === "latent" ? denoised : await this.decode(denoised);
    signal?.throwIfAborted();
    return { images: (outputType === "image" ? pictures(images) : images) as PipelineOutput<Output>["images"], seeds };
  }

  /** Float pictures [batch, 3, height, width] in 0..1 of scaled latents. */
  private async decode(latents: Tensor): Promise<Tensor> {
    const { sample } = await this.vae.decode(latents.div(this.vae.config.scalingFactor));
    return sample.map((value) => Math.min(Math.max(value * 0.5 + 0.5, 0), 1));
  }

  /** The request with its defaults. @throws ArgumentError naming what is wrong. */
  private check(request: StableDiffusionRequest) {
    const { guidanceScale = 7.5, guidanceRescale = 0, eta = 0, outputType = "image", numImagesPerPrompt = 1, signal } = request;
    expectNumber("guidanceScale", guidanceScale);
    expectNumber("guidanceRescale", guidanceRescale, 0, 1);
    expectNumber("eta", eta, 0, 1);
    if (request.numInferenceSteps !== undefined) expectInteger("numInferenceSteps", request.numInferenceSteps, 1);
    expectInteger("numImagesPerPrompt", numImagesPerPrompt, 1);
    if (!OUTPUT_TYPES.includes(outputType))
      throw new ArgumentError(`outputType is ${outputType}; expected one of ${OUTPUT_TYPES.join(", ")}`);
    const factor = this.vae.scaleFactor;
    const [nativeHeight, nativeWidth] = this.unet.sampleSize;
    const { height = nativeHeight * factor, width = nativeWidth * factor } = request;
    expectSize(width, height, factor);
    return { width, height, batch: promptCount(request) * numImagesPerPrompt, guidanceScale, guidanceRescale, eta, outputType, signal };
  }
}

/** Two settings that old checkpoints' schedulers have wrong for Stable Diffusion; diffusers mends them in the same place. */
function modernised(scheduler: Scheduler): Scheduler {
  const { stepsOffset = 1, clipSample } = scheduler.config as { stepsOffset?: number; clipSample?: boolean };
  if (stepsOffset === 1 && clipSample !== true) return scheduler;
  return scheduler.clone({ ...(stepsOffset !== 1 && { stepsOffset: 1 }), ...(clipSample && { clipSample: false }) });
}
