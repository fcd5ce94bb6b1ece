import { type Picture, pictures } from "../../image/picture.js";
import { pageTurn } from "../../page-turn.js";
import type { Scheduler, StepOptions } from "../../schedulers/shared/scheduler.js";
import type { Tensor } from "../../tensor/tensor.js";
import { warn } from "../../warnings.js";
import type { DenoisingStep } from "./pipeline-run.js";

/** What the network predicts for a step. */
export interface Prediction {
  /** The prediction, with guidance. */
  readonly sample: Tensor;
  /** The prediction for the negative prompt, for schedulers that need it. */
  readonly unconditional?: Tensor | undefined;
}

/** The network's prediction for latents scaled for `timestep` at turn `index` of the loop, and as they are. */
export type Predict = (scaledLatents: Tensor, timestep: number, index: number, latents: Tensor) => Promise<Prediction>;

/** Options of the denoising loop. */
export interface LoopOptions {
  readonly scheduler: Scheduler;
  /** The timesteps of the loop: all of the scheduler's, or some. An adaptive scheduler's list grows while the loop runs. */
  readonly timesteps: readonly number[];
  readonly latents: Tensor;
  readonly predict: Predict;
  readonly stepOptions: StepOptions;
  /** Changes the latents after each step; inpainting puts back the part that the mask keeps. */
  readonly afterStep?: ((latents: Tensor, index: number) => Tensor) | undefined;
  /** Called after each step, before it is yielded; it may change the latents and end the loop. */
  readonly endStep?: ((turn: LoopTurn) => Promise<StepEnding>) | undefined;
  /**
   * Whether the result is the scheduler's last estimate of the noiseless latents, if it has one, in place of the latents; false by default.
   */
  readonly endsWithPrediction?: boolean | undefined;
  readonly signal: AbortSignal | undefined;
}

/** One turn of the loop. */
export interface LoopTurn {
  readonly index: number;
  readonly total: number;
  readonly timestep: number;
  readonly latents: Tensor;
  /** The scheduler's estimate of the noiseless latents; undefined if it has none. */
  readonly predicted: Tensor | undefined;
}

/** What the loop goes on with after a step. */
export interface StepEnding extends Pick<LoopTurn, "latents" | "predicted"> {
  /** Whether the steps that are left are skipped. */
  readonly isInterrupted: boolean;
}

/**
 * The loop of every diffusion pipeline: for every timestep the network predicts, and the scheduler takes a step.
 * @throws the signal's reason, between two steps, if it was aborted.
 */
export async function* denoisingLoop(options: LoopOptions): AsyncGenerator<LoopTurn, Tensor, void> {
  const { scheduler, timesteps, predict, stepOptions, afterStep, endStep, signal } = options;
  let [current, predicted]: [Tensor, Tensor | undefined] = [options.latents, undefined];
  for (const [index, timestep] of timesteps.entries()) {
    await pageTurn();
    signal?.throwIfAborted();
    const { sample, unconditional } = await predict(scheduler.scaleModelInput(current, timestep), timestep, index, current);
    await pageTurn();
    const { prevSample, predOriginalSample } = scheduler.step(sample, timestep, current, { ...stepOptions, unconditional });
    current = afterStep ? afterStep(prevSample, index) : prevSample;
    predicted = predOriginalSample;
    const turn = { index, total: timesteps.length, timestep, latents: current, predicted };
    const ending = await endStep?.(turn);
    if (ending) ({ latents: current, predicted } = ending);
    yield { ...turn, latents: current, predicted };
    if (ending?.isInterrupted) break;
  }
  signal?.throwIfAborted();
  if (current.data.some(Number.isNaN)) {
    warn("the latents have values that are not a number (NaN), so pictures come out black or with black parts");
  }
  return options.endsWithPrediction ? (predicted ?? current) : current;
}

/** Pixels in -1..1 as float pictures in 0..1, clamped. */
export function toUnitRange(pixels: Tensor): Tensor {
  return pixels.map((value) => Math.min(Math.max(value / 2 + 0.5, 0), 1));
}

/** The loop's turns as the steps of a run. `decode` makes float pictures [batch, 3, height, width] in 0..1 for previews. */
export async function* withPreviews(
  loop: AsyncGenerator<LoopTurn, Tensor, void>,
  decode: (latents: Tensor) => Promise<Tensor>,
): AsyncGenerator<DenoisingStep, Tensor, void> {
  for (;;) {
    const { done, value } = await loop.next();
    if (done) return value;
    yield withPreview(value, decode);
  }
}

/** One turn of the loop as a step of a run. */
export function withPreview({ predicted, ...step }: LoopTurn, decode: (latents: Tensor) => Promise<Tensor>): DenoisingStep {
  return { ...step, preview: async (): Promise<Picture[]> => pictures(await decode(predicted ?? step.latents)) };
}
