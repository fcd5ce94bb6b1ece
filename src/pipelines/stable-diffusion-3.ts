import type { ModelIndex } from "../checkpoint/model-index.js";
import { STABLE_DIFFUSION_3 } from "../families/stable-diffusion-3.js";
import type { Fields } from "../options/fields.js";
import type { Prompted } from "./prompt/prompt-options.js";
import type { Call, Denoised } from "./shared/call.js";
import type { ComponentSource } from "./shared/components.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import {
  loadStableDiffusion3,
  SKIP_LAYER_FIELDS,
  type SkipLayerOptions,
  STABLE_DIFFUSION_3_FIELDS,
  STABLE_DIFFUSION_3_PARTS,
  StableDiffusion3Base,
  type StableDiffusion3Common,
  type StableDiffusion3Components,
} from "./stable-diffusion-3-base.js";
import { NOISE_START_FIELDS, type NoiseStartOptions } from "./transformer-pipeline.js";

/** The options of a text-to-image call of Stable Diffusion 3. */
export interface StableDiffusion3Options extends StableDiffusion3Common, SkipLayerOptions, NoiseStartOptions {}

const FIELDS: Fields<StableDiffusion3Options> = { ...STABLE_DIFFUSION_3_FIELDS, ...SKIP_LAYER_FIELDS, ...NOISE_START_FIELDS };

/** The request of a call of {@link StableDiffusion3Pipeline}: its options, with a prompt or embeddings. */
export type StableDiffusion3Request = Prompted<StableDiffusion3Options>;

/**
 * Makes pictures from texts with Stable Diffusion 3 and 3.5 (Esser et al. 2024). Matches diffusers' StableDiffusion3Pipeline: the same seed
 * gives the same picture.
 */
export class StableDiffusion3Pipeline extends StableDiffusion3Base<StableDiffusion3Request> {
  /** The class's name in diffusers. */
  static override readonly className = "StableDiffusion3Pipeline";
  /** @internal Fields of the parts. */
  static readonly parts = STABLE_DIFFUSION_3_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className = StableDiffusion3Pipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = STABLE_DIFFUSION_3.workflows.noise.defaults;

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(
    source: ComponentSource,
    _index: ModelIndex,
    given: Partial<StableDiffusion3Components>,
  ): Promise<StableDiffusion3Pipeline> {
    return new StableDiffusion3Pipeline(await loadStableDiffusion3(source, given), source);
  }

  protected denoise(call: Call<StableDiffusion3Request>): AsyncGenerator<DenoisingStep, Denoised, void> {
    return this.fromNoise(call);
  }
}
