import type { Defaults } from "../families/family.js";
import { type UNet2DInputs, UNet2DModel } from "../models/unet-2d.js";
import { abortSignal, type Fields, instanceOf, whole } from "../options/fields.js";
import type { Turn } from "../runtime/call-queue.js";
import { Scheduler, type StepOptions } from "../schedulers/shared/scheduler.js";
import { randnPerImage } from "../tensor/random.js";
import { type Shape, Tensor } from "../tensor/tensor.js";
import { DiffusionPipeline } from "./diffusion-pipeline.js";
import { RANDOM_FIELDS, type RandomOptions, resolveGenerators, seedsOf } from "./shared/arguments.js";
import { SCHEDULERS_OF_CHECKPOINTS } from "./shared/component-classes.js";
import { type ComponentSource, expectParts, part } from "./shared/components.js";
import type { Denoiser, DenoisingNetwork } from "./shared/denoiser.js";
import { denoisingLoop, toUnitRange, withPreviews } from "./shared/denoising-loop.js";
import type { Generators } from "./shared/latents.js";
import { outputOf, PIXEL_OUTPUT_TYPE, type PipelineOutput, type PixelOutputType } from "./shared/output.js";
import { type DenoisingStep, finish, type PipelineRun } from "./shared/pipeline-run.js";

/** The options of every call without a prompt. */
export interface UnconditionalRequest extends RandomOptions {
  /** The number of pictures; 1 by default. */
  readonly batchSize?: number | undefined;
  /** Denoising steps; by default 1000 for DDPM, 50 for DDIM, 1 for consistency models, 2000 for score-based models. */
  readonly numInferenceSteps?: number | undefined;
  /** "image" (default) for pictures; "tensor" and "np" for floats in 0..1, "uint8" for 0..255. */
  readonly outputType?: PixelOutputType | undefined;
  /** Stops a running call between two steps, and a waiting one at once. The call throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

export const UNCONDITIONAL_FIELDS: Fields<UnconditionalRequest> = {
  ...RANDOM_FIELDS,
  batchSize: whole(1),
  numInferenceSteps: whole(1),
  outputType: PIXEL_OUTPUT_TYPE,
  signal: abortSignal,
};

/** The parts of an unconditional checkpoint. */
export interface UnconditionalComponents {
  /** The denoising network. */
  readonly unet: UNet2DModel;
  /** Chooses the noise levels and computes the steps. */
  readonly scheduler: Scheduler;
}

export const UNCONDITIONAL_PARTS: Fields<UnconditionalComponents> = {
  unet: part(instanceOf(UNet2DModel)),
  scheduler: part(instanceOf(Scheduler)),
};

/** A running call: its request, and the values of options that the request leaves out. */
export interface UnconditionalCall<Request> {
  readonly request: Request;
  /** The number of pictures to make. */
  readonly batch: number;
  readonly steps: number;
  readonly generator: Generators;
  /** The call's own copy. */
  readonly scheduler: Scheduler;
  readonly stepOptions: StepOptions;
  readonly signal: AbortSignal | undefined;
}

/** What pipelines without a prompt have in common: a UNet that makes pictures from noise, without an autoencoder. */
export abstract class UnconditionalPipeline<Request extends UnconditionalRequest> extends DiffusionPipeline {
  /** The class's name in diffusers. */
  static readonly className: string;
  /** The denoising network. */
  unet: UNet2DModel;

  /** Makes a pipeline of parts that the caller loaded. The caller disposes them. */
  constructor(components: UnconditionalComponents, source?: ComponentSource) {
    expectParts(new.target.className, components, UNCONDITIONAL_PARTS);
    super(components.scheduler, source);
    this.unet = components.unet;
  }

  override get components(): UnconditionalComponents {
    return super.components as UnconditionalComponents;
  }

  protected get denoiser(): DenoisingNetwork & Denoiser<UNet2DInputs> {
    return this.unet;
  }

  /** Makes pictures. @throws ArgumentError for a wrong request; the signal's reason if it was aborted; DeviceError */
  generate<Output extends PixelOutputType = "image">(
    request?: Request & { readonly outputType?: Output | undefined },
  ): Promise<PipelineOutput<Output>> {
    return finish(this.steps(request));
  }

  /** As `generate`, step by step. The run's `result` has the pictures. */
  steps<Output extends PixelOutputType = "image">(
    request?: Request & { readonly outputType?: Output | undefined },
  ): PipelineRun<PipelineOutput<Output>> {
    return this.start((turn) => this.run<Output>(request ?? {}, turn));
  }

  /** Fields of the request's options. */
  protected abstract readonly fields: Fields<UnconditionalRequest>;

  /** The values of options that a request leaves out. */
  protected abstract readonly defaults: Defaults;

  /** Options of the scheduler's steps besides the generator. @throws ArgumentError for wrong values. */
  protected stepOptions(_request: Request): StepOptions {
    return {};
  }

  private async *run<Output extends PixelOutputType>(
    request: object,
    turn: Turn,
  ): AsyncGenerator<DenoisingStep, PipelineOutput<Output>, void> {
    const checked = this.check<Request>("generate", request, this.fields, "{ seed: 7 }");
    const { batchSize: batch = 1, numInferenceSteps: steps = this.defaults.steps, outputType = "image", signal } = checked;
    const generator = resolveGenerators(checked, batch);
    const scheduler = this.scheduler.clone();
    const stepOptions = { generator, ...this.stepOptions(checked) };
    await turn.take(signal);
    const images = yield* this.denoise({ request: checked, batch, steps, generator, scheduler, stepOptions, signal });
    return { images: await outputOf<Output>(images, outputType), seeds: seedsOf(generator) };
  }

  /** From noise to float pictures in 0..1. */
  protected denoise(call: UnconditionalCall<Request>): AsyncGenerator<DenoisingStep, Tensor, void> {
    const { batch, steps, generator, scheduler } = call;
    scheduler.setTimesteps(steps);
    return this.loop(call, randnPerImage(this.noiseShape(batch), generator));
  }

  /** The loop over the scheduler's timesteps. `inputs` are further inputs of the network. */
  protected async *loop(
    { scheduler, stepOptions, signal }: UnconditionalCall<Request>,
    latents: Tensor,
    inputs: UNet2DInputs = {},
  ): AsyncGenerator<DenoisingStep, Tensor, void> {
    const predict = async (sample: Tensor, timestep: number) => ({ sample: await this.predict(sample, timestep, inputs) });
    const loop = denoisingLoop({ scheduler, timesteps: scheduler.timesteps, latents, predict, stepOptions, signal });
    return toUnitRange(yield* withPreviews(loop, async (predicted) => toUnitRange(predicted)));
  }

  /** The network's prediction. The timestep may be a fraction. */
  protected async predict(sample: Tensor, timestep: number, inputs: UNet2DInputs = {}): Promise<Tensor> {
    return (await this.unet.forward(sample, Tensor.from([timestep], [1]), inputs)).sample;
  }

  /** [batch, channels, height, width], as the network takes them. */
  protected noiseShape(batch: number): Shape {
    return [batch, this.unet.config.inChannels, ...this.unet.sampleSize];
  }
}

/** Loads the parts that are not in `given`. */
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
