import type { Picture } from "../../image/picture.js";
import type { DecodeCondition } from "../../models/asymmetric-autoencoder-kl.js";
import type { Turn } from "../../runtime/call-queue.js";
import type { Scheduler, StepOptions, TimestepOptions } from "../../schedulers/shared/scheduler.js";
import type { Generator } from "../../tensor/random.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { GuidancePlan } from "./guidance-plan.js";
import type { OutputType } from "./output.js";

/** A running call: its request, the values of options that the request leaves out, its generators, and its own copy of the scheduler. */
export interface Call<Request> {
  readonly request: Request;
  /** The number of pictures to make. */
  readonly batch: number;
  readonly generator: Generator | readonly Generator[];
  readonly scheduler: Scheduler;
  /** The guidance at each turn of the loop. */
  readonly guidance: GuidancePlan;
  /** Whether any step is guided, so that negative prompts are encoded. */
  readonly isGuided: boolean;
  /** The number of inference steps. */
  readonly steps: number;
  /** The timesteps that the request asks for; a pipeline may add to them, such as `mu`. */
  readonly timestepOptions: TimestepOptions;
  /** Options of the scheduler's steps besides the generator. */
  readonly stepOptions: StepOptions;
  readonly outputType: OutputType;
  readonly signal: AbortSignal | undefined;
  /** The call's turn in the queue of its network. */
  readonly turn: Turn;
}

/** The latents at the end of the loop, and how they become pictures. */
export interface Denoised {
  readonly latents: Tensor;
  /** Turns latents into those of the autoencoder [batch, channels, height, width], if the pipeline packs them. */
  readonly unpack?: ((latents: Tensor) => Tensor) | undefined;
  /** Rows of latents that the autoencoder decodes at once; all by default. */
  readonly decodedAtOnce?: number | undefined;
  /** What an AsymmetricAutoencoderKL sees beside the latents. */
  readonly decodeCondition?: DecodeCondition | undefined;
  /** Changes a decoded picture; inpainting puts a crop back into the whole picture. */
  readonly retouch?: ((picture: Picture, index: number) => Picture) | undefined;
}
