import type { Picture } from "../../image/picture.js";
import type { Scheduler, StepOptions, TimestepOptions } from "../../schedulers/shared/scheduler.js";
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
  /** The number of inference steps. */
  readonly steps: number;
  /** The timesteps that the request asks for; a pipeline may add to them, such as `mu`. */
  readonly timestepOptions: TimestepOptions;
  /** What the scheduler's step takes beside the generator. */
  readonly stepOptions: StepOptions;
  readonly outputType: OutputType;
  readonly signal: AbortSignal | undefined;
}

/** The latents at the end of the loop, and the way from them to pictures. */
export interface Denoised {
  readonly latents: Tensor;
  /** Turns latents into those of the autoencoder [batch, channels, height, width], if the pipeline packs them. */
  readonly unpack?: ((latents: Tensor) => Tensor) | undefined;
  /** What is still to be done to a finished picture. */
  readonly retouch?: ((picture: Picture, index: number) => Picture) | undefined;
}
