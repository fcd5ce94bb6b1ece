import type { ModelIndex } from "../checkpoint/model-index.js";
import { LATENT_CONSISTENCY } from "../families/latent-consistency.js";
import type { Fields } from "../options/fields.js";
import {
  LATENT_CONSISTENCY_FIELDS,
  LatentConsistencyModelBase,
  type LatentConsistencyModelCommonOptions,
} from "./latent-consistency-model-base.js";
import { NOISE_FIELDS, type NoiseOptions } from "./latent-diffusion-request.js";
import type { Prompted } from "./prompt/prompt-options.js";
import { SIZE_FIELDS, type SizeOptions } from "./shared/arguments.js";
import type { Call, Denoised } from "./shared/call.js";
import type { ComponentSource } from "./shared/components.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import { loadStableDiffusion, STABLE_DIFFUSION_PARTS, type StableDiffusionComponents } from "./stable-diffusion-base.js";

/** The options of a text-to-image call of a latent consistency model. */
export interface LatentConsistencyModelOptions extends LatentConsistencyModelCommonOptions, SizeOptions, NoiseOptions {}

const FIELDS: Fields<LatentConsistencyModelOptions> = { ...LATENT_CONSISTENCY_FIELDS, ...SIZE_FIELDS, ...NOISE_FIELDS };

/** The request of a call of {@link LatentConsistencyModelPipeline}: its options, with a prompt or embeddings. */
export type LatentConsistencyModelRequest = Prompted<LatentConsistencyModelOptions>;

/**
 * Makes pictures from texts in a few steps with a latent consistency model (Luo et al. 2023, arXiv:2310.04378), such as
 * SimianLuo/LCM_Dreamshaper_v7. The network takes the guidance scale as an input; there is no negative prompt. Matches diffusers'
 * LatentConsistencyModelPipeline.
 */
export class LatentConsistencyModelPipeline extends LatentConsistencyModelBase<LatentConsistencyModelRequest> {
  /** The class's name in diffusers. */
  static override readonly className = "LatentConsistencyModelPipeline";
  /** @internal Fields of the parts. */
  static readonly parts = STABLE_DIFFUSION_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className = LatentConsistencyModelPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = LATENT_CONSISTENCY.workflows.noise.defaults;

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(
    source: ComponentSource,
    _index: ModelIndex,
    given: Partial<StableDiffusionComponents>,
  ): Promise<LatentConsistencyModelPipeline> {
    return new LatentConsistencyModelPipeline(await loadStableDiffusion(source, given), source);
  }

  protected denoise(call: Call<LatentConsistencyModelRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    return this.fromNoise(call);
  }
}
