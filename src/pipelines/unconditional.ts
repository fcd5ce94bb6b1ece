import { wrongArgument } from "../given.js";
import { pictures } from "../image/picture.js";
import { UNet2DModel } from "../models/unet-2d.js";
import type { Turn } from "../runtime/call-queue.js";
import type { Scheduler, StepOptions } from "../schedulers/scheduler.js";
import { randnPerImage } from "../tensor/random.js";
import type { Tensor } from "../tensor/tensor.js";
import { expectInteger, type RandomOptions, resolveGenerators, seedsOf } from "./arguments.js";
import { type ComponentSource, SCHEDULERS_OF_CHECKPOINTS } from "./components.js";
import { denoise, toUnitRange, withPreviews } from "./denoise.js";
import { DiffusionPipeline } from "./diffusion-pipeline.js";
import type { PipelineOutput } from "./latent-diffusion.js";
import { type DenoisingStep, finish, type PipelineRun, pipelineRun } from "./pipeline-run.js";

/** What a call without a prompt gives: finished pictures, or float pictures [batch, channels, height, width] in 0..1. */
export type PixelOutputType = "image" | "tensor";

/** What every unconditional pipeline can be asked for. */
export interface UnconditionalRequest extends RandomOptions {
  /** Pictures to make; 1 by default. */
  readonly batchSize?: number;
  /** Denoising steps; 1000 by default for DDPM, 50 for DDIM. */
  readonly numInferenceSteps?: number;
  /** "image" (default) for pictures, "tensor" for floats in 0..1. */
  readonly outputType?: PixelOutputType;
  /** Stops the work between two steps, or the wait for the call's turn at once; the call then throws the signal's reason. */
  readonly signal?: AbortSignal;
}

/** The parts of an unconditional checkpoint. */
export interface UnconditionalComponents {
  /** The denoising network. */
  readonly unet: UNet2DModel;
  /** Which noise levels are walked, and how a step is taken. */
  readonly scheduler: Scheduler;
}

/** What DDPM and DDIM pipelines have in common: a UNet that makes pictures out of pure noise, pixel by pixel. */
export abstract class UnconditionalPipeline<Request extends UnconditionalRequest> extends DiffusionPipeline {
  /** The denoising network. */
  unet: UNet2DModel;
  /** Which noise levels are walked, and how a step is taken. */
  scheduler: Scheduler;

  /** A pipeline over parts loaded one by one, which stay the caller's to dispose. */
  constructor({ unet, scheduler }: UnconditionalComponents, source?: ComponentSource) {
    super(source);
    this.unet = unet;
    this.scheduler = scheduler;
  }

  /** Makes pictures. @throws ArgumentError for a request that makes no sense; the signal's reason if it was aborted; DeviceError */
  generate<Output extends PixelOutputType = "image">(request: Request & { readonly outputType?: Output }): Promise<PipelineOutput<Output>> {
    return finish(this.steps(request));
  }

  /** As `generate`, step by step; the pictures are in the run's `result`. */
  steps<Output extends PixelOutputType = "image">(
    request: Request & { readonly outputType?: Output },
  ): PipelineRun<PipelineOutput<Output>> {
    const turn = this.turn();
    return pipelineRun(turn, this.run<Output>(request, turn));
  }

  /** How many steps a call takes that names no number. */
  protected abstract readonly defaultSteps: number;

  /** What the scheduler's step is told beside the generator. */
  protected stepOptions(_request: Request): StepOptions {
    return {};
  }

  private async *run<Output extends PixelOutputType>(
    request: Request,
    turn: Turn,
  ): AsyncGenerator<DenoisingStep, PipelineOutput<Output>, void> {
    const { batchSize = 1, numInferenceSteps = this.defaultSteps, outputType = "image", signal } = request;
    expectInteger("batchSize", batchSize, 1);
    expectInteger("numInferenceSteps", numInferenceSteps, 1);
    if (outputType !== "image" && outputType !== "tensor")
      throw wrongArgument("outputType", outputType, "image or tensor", { type: "string" });
    const generator = resolveGenerators(request, batchSize);
    const scheduler = this.scheduler.clone();
    await turn.take(signal);
    scheduler.setTimesteps(numInferenceSteps);
    const latents = randnPerImage([batchSize, this.unet.config.inChannels, ...this.unet.sampleSize], generator);
    const predict = async (sample: Tensor, timestep: number) => (await this.unet.forward(sample, timestep)).sample;
    const stepOptions = { generator, ...this.stepOptions(request) };
    const loop = denoise({ scheduler, timesteps: scheduler.timesteps, latents, predict, stepOptions, signal });
    const images = toUnitRange(yield* withPreviews(loop, async (predicted) => toUnitRange(predicted)));
    return { images: (outputType === "image" ? pictures(images) : images) as PipelineOutput<Output>["images"], seeds: seedsOf(generator) };
  }
}

/** Loads the parts that `given` does not bring. */
export async function loadUnconditional(
  source: ComponentSource,
  given: Partial<UnconditionalComponents>,
): Promise<UnconditionalComponents> {
  const [unet, scheduler] = await Promise.all([
    source.load("unet", { UNet2DModel }, given.unet),
    source.load("scheduler", SCHEDULERS_OF_CHECKPOINTS, given.scheduler),
  ]);
  return { unet, scheduler };
}
