import type { Picture } from "../image/picture.js";
import type { Tensor } from "../tensor/tensor.js";

/** One denoising step that has been taken. */
export interface DenoisingStep {
  /** Steps taken before this one. */
  readonly index: number;
  /** Steps in all (a second-order scheduler takes two for each inference step). */
  readonly total: number;
  /** The timestep just left, counting down from the noisiest. */
  readonly timestep: number;
  /** The latents after the step [batch, channels, height / factor, width / factor]. */
  readonly latents: Tensor;
  /** The pictures as they would come out now, decoded from what the network takes to be the noiseless latents. Costs one decoding. */
  preview(): Promise<Picture[]>;
}

/**
 * A picture in the making: iterate over its steps; `break` cancels. Nothing is computed unless it is iterated.
 * `result` is there once the last step was taken; it fails when the loop fails or is left early.
 */
export interface PipelineRun<Result> extends AsyncGenerator<DenoisingStep, Result, void> {
  /** What the call gives in the end. */
  readonly result: Promise<Result>;
}

/** Gives a generator of steps the promise of its result. */
export function pipelineRun<Result>(steps: AsyncGenerator<DenoisingStep, Result, void>): PipelineRun<Result> {
  let settle = { resolve: (_: Result) => {}, reject: (_: unknown) => {} };
  const result = new Promise<Result>((resolve, reject) => {
    settle = { resolve, reject };
  });
  // Whoever only iterates must not see an unhandled rejection.
  result.catch(() => {});
  const watched = (async function* () {
    try {
      const final = yield* steps;
      settle.resolve(final);
      return final;
    } catch (error) {
      settle.reject(error);
      throw error;
    } finally {
      settle.reject(new DOMException("the run was left before its last step", "AbortError"));
    }
  })();
  return Object.assign(watched, { result });
}

/** Runs to the end and gives the result. */
export async function finish<Result>(run: AsyncGenerator<DenoisingStep, Result, void>): Promise<Result> {
  for (;;) {
    const { done, value } = await run.next();
    if (done) return value;
  }
}
