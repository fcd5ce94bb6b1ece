import type { ModelIndex } from "../checkpoint/model-index.js";
import { WORKFLOWS } from "../families/stable-diffusion.js";
import type { Fields } from "../options/fields.js";
import { NOISE_FIELDS, type NoiseOptions } from "./latent-diffusion-request.js";
import type { Prompted } from "./prompt/prompt-options.js";
import { SIZE_FIELDS, type SizeOptions } from "./shared/arguments.js";
import type { Call, Denoised } from "./shared/call.js";
import type { ComponentSource } from "./shared/components.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import {
  loadStableDiffusion,
  STABLE_DIFFUSION_PARTS,
  StableDiffusionBase,
  type StableDiffusionComponents,
  USUAL_CORRECTIONS,
} from "./stable-diffusion-base.js";
import { UNET_FIELDS, type UNetRequest } from "./unet-request.js";

/** The options of a text-to-image call. */
export interface StableDiffusionOptions extends UNetRequest, SizeOptions, NoiseOptions {}

const FIELDS: Fields<StableDiffusionOptions> = {
  ...UNET_FIELDS,
  ...SIZE_FIELDS,
  ...NOISE_FIELDS,
};

/** The request of a call of {@link StableDiffusionPipeline}: its options, with a prompt or embeddings. */
export type StableDiffusionRequest = Prompted<StableDiffusionOptions>;

/**
 * Makes pictures from texts with Stable Diffusion 1.x and 2.x (Rombach et al. 2022). Matches diffusers' StableDiffusionPipeline: the same
 * seed gives the same picture.
 */
export class StableDiffusionPipeline extends StableDiffusionBase<StableDiffusionRequest> {
  /** The class's name in diffusers. */
  static override readonly className: "StableDiffusionPipeline" | "StableDiffusionPAGPipeline" = "StableDiffusionPipeline";
  /** @internal */
  static override readonly corrections = USUAL_CORRECTIONS;
  /** @internal Fields of the parts. */
  static readonly parts = STABLE_DIFFUSION_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className: "StableDiffusionPipeline" | "StableDiffusionPAGPipeline" = StableDiffusionPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = WORKFLOWS.noise.defaults;

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(
    source: ComponentSource,
    _index: ModelIndex,
    given: Partial<StableDiffusionComponents>,
  ): Promise<StableDiffusionPipeline> {
    return new StableDiffusionPipeline(await loadStableDiffusion(source, given), source);
  }

  protected denoise(call: Call<StableDiffusionRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    return this.fromNoise(call);
  }
}
