import type { AttentionSlice } from "../../graph/graph.js";
import type { FirstBlockCache } from "../../models/first-block-cache.js";
import type { CallQueue } from "../../runtime/call-queue.js";
import type { Precision, ResolvedDevice } from "../../runtime/device.js";
import type { Tensor } from "../../tensor/tensor.js";

/** The network that denoises, as all pipelines use it: a UNet or a transformer. The networks of `models/` have this interface. */
export interface DenoisingNetwork {
  /** The number of branches for step caching; undefined if the network has no step cache. */
  readonly cacheBranches?: number | undefined;
  /** Whether it is a transformer with a step cache. */
  readonly cachesFirstBlock?: boolean | undefined;
  /** Where the network runs. */
  readonly device: ResolvedDevice;
  /** How closely it computes. */
  readonly precision: Precision;
  /** The queue of calls of pipelines with this network. */
  readonly queue: CallQueue;
  /** The number of heads whose attention is computed at once; undefined for all. */
  setAttentionSlice(slice: AttentionSlice | undefined): void;
  /** Called after the last step of a call. Frees memory if the engine saves it. */
  rest(): Promise<void>;
}

/**
 * The predictions of a network. `Inputs` are its inputs besides latents and timestep, such as features of texts. If a network differs, for
 * example in the scale of its timesteps, its pipeline adapts it.
 */
export interface Denoiser<Inputs extends object> {
  /** Whether it takes `firstBlock`. */
  readonly cachesFirstBlock?: boolean | undefined;
  /**
   * The prediction for noisy latents at `timestep`: noise, velocity or picture, as the scheduler's config says. Latents are [batch,
   * channels, height, width], or [batch, tokens, channels] if the pipeline packs them. If `inputs` have n times the rows of the latents, so
   * has the prediction. For guidance there are two halves, the unconditional one first; the network may compute them together or in turn.
   */
  forward(latents: Tensor, timestep: number, inputs: Inputs & StepCacheInputs): Promise<DenoiserOutput>;
}

/** Further inputs of a network with a step cache. */
export interface StepCacheInputs {
  /** The branch where the network is cut, from 0, the shallowest. */
  readonly cacheBranch?: number | undefined;
  /** The output of the layers below the cut at an earlier step. They are not computed again. */
  readonly deepFeature?: Tensor | undefined;
  /** The cache of a transformer; one for all steps of a run. */
  readonly firstBlock?: FirstBlockCache | undefined;
}

/** The outputs of a network. */
export interface DenoiserOutput {
  /** The prediction. */
  readonly sample: Tensor;
  /** The output of the layers below the cut; undefined without a `cacheBranch`. */
  readonly deepFeature?: Tensor | undefined;
}
