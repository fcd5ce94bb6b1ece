import { ArgumentError } from "../../errors.js";
import { type Picture, pictures } from "../../image/picture.js";
import type { Scheduler, StepOptions, TimestepOptions } from "../../schedulers/shared/scheduler.js";
import { type Generator, randnPerImage } from "../../tensor/random.js";
import type { Shape, Tensor } from "../../tensor/tensor.js";
import { warn } from "../../warnings.js";
import type { DenoisingStep } from "./pipeline-run.js";

/** What the denoising loop needs to know. */
export interface DenoiseOptions {
  readonly scheduler: Scheduler;
  /** Those of the scheduler's that are walked. */
  readonly timesteps: readonly number[];
  readonly latents: Tensor;
  /** The network's guided prediction for latents scaled for `timestep`. */
  readonly predict: (scaledLatents: Tensor, timestep: number, index: number) => Promise<Tensor>;
  readonly stepOptions: StepOptions;
  /** What becomes of the latents after the step, such as putting back what a mask keeps. */
  readonly afterStep?: ((latents: Tensor, index: number) => Tensor) | undefined;
  readonly signal: AbortSignal | undefined;
}

/** One turn of the loop. */
export interface DenoisedLatents {
  readonly index: number;
  readonly total: number;
  readonly timestep: number;
  readonly latents: Tensor;
  /** What the scheduler takes the noiseless latents to be, where it knows. */
  readonly predicted: Tensor | undefined;
}

/**
 * The loop of every diffusion pipeline: predict, step, for every timestep.
 * @throws the signal's reason once it is aborted, between two steps.
 */
export async function* denoise(options: DenoiseOptions): AsyncGenerator<DenoisedLatents, Tensor, void> {
  const { scheduler, timesteps, predict, stepOptions, afterStep, signal } = options;
  let current = options.latents;
  for (const [index, timestep] of timesteps.entries()) {
    signal?.throwIfAborted();
    const prediction = await predict(scheduler.scaleModelInput(current, timestep), timestep, index);
    const { prevSample, predOriginalSample } = scheduler.step(prediction, timestep, current, stepOptions);
    current = afterStep ? afterStep(prevSample, index) : prevSample;
    yield { index, total: timesteps.length, timestep, latents: current, predicted: predOriginalSample };
  }
  signal?.throwIfAborted();
  if (current.data.some(Number.isNaN)) {
    warn("the network's or scheduler's numbers are not a number (NaN) at the end, so pictures come out black or with black parts");
  }
  return current;
}

/** The steps a request asks its scheduler for. */
export function timestepOptions({ numInferenceSteps, timesteps, sigmas }: TimestepOptions): TimestepOptions {
  return timesteps || sigmas ? { timesteps, sigmas } : { numInferenceSteps };
}

/** Noise of `shape`, given or drawn, scaled to what the scheduler starts from. @throws ArgumentError if the given noise has another shape. */
export function initialLatents(
  shape: Shape,
  given: Tensor | undefined,
  generator: Generator | readonly Generator[],
  scheduler: Scheduler,
): Tensor {
  if (given && String(given.shape) !== String(shape))
    throw new ArgumentError(`latents are [${given.shape}]; expected [${shape}]`, { argument: "latents" });
  return (given ?? randnPerImage(shape, generator)).mul(scheduler.initNoiseSigma);
}

/** Pixels in -1..1 as float pictures in 0..1, clamped. */
export function toUnitRange(pixels: Tensor): Tensor {
  return pixels.map((value) => Math.min(Math.max(value / 2 + 0.5, 0), 1));
}

/** The loop's turns as a pipeline yields them; `decode` makes float pictures [batch, 3, height, width] in 0..1. */
export async function* withPreviews(
  loop: AsyncGenerator<DenoisedLatents, Tensor, void>,
  decode: (latents: Tensor) => Promise<Tensor>,
): AsyncGenerator<DenoisingStep, Tensor, void> {
  for (;;) {
    const { done, value } = await loop.next();
    if (done) return value;
    const { predicted, ...step } = value;
    yield { ...step, preview: async (): Promise<Picture[]> => pictures(await decode(predicted ?? step.latents)) };
  }
}
