import type { Picture } from "../../image/picture.js";
import type { Scheduler, StepOptions } from "../../schedulers/shared/scheduler.js";
import type { Generator } from "../../tensor/random.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { OutputType } from "./output.js";

/** A call that runs: its request, the defaults filled in, its random numbers, and its own copy of the scheduler. */
export interface Call<Request> {
  readonly request: Request;
  /** The number of pictures to make. */
  readonly batch: number;
  readonly generator: Generator | readonly Generator[];
  readonly scheduler: Scheduler;
  readonly guidanceScale: number;
  /** Whether there are predictions for the negative prompt, too. */
  readonly isGuided: boolean;
  /** What the scheduler's step takes beside the generator. */
  readonly stepOptions: StepOptions;
  readonly outputType: OutputType;
  readonly signal: AbortSignal | undefined;
}

/** The result of a pipeline's denoising. */
export interface Denoised {
  readonly latents: Tensor;
  /** What is still to be done to a finished picture. */
  readonly retouch?: ((picture: Picture, index: number) => Picture) | undefined;
}
