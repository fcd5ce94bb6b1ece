import type { ModelIndex } from "../checkpoint/model-index.js";
import { FLUX } from "../families/flux.js";
import type { Fields } from "../options/fields.js";
import {
  FLUX_FIELDS,
  FLUX_PARTS,
  FluxBase,
  type FluxComponents,
  type FluxRequest,
  loadFlux,
  TRUE_GUIDANCE_FIELDS,
  type TrueGuidanceOptions,
} from "./flux-base.js";
import type { Prompted } from "./prompt/prompt-options.js";
import type { Call, Denoised } from "./shared/call.js";
import type { ComponentSource } from "./shared/components.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import { NOISE_START_FIELDS, type NoiseStartOptions } from "./transformer-pipeline.js";

/** The options of a text-to-image call of FLUX.1. */
export interface FluxOptions extends FluxRequest, TrueGuidanceOptions, NoiseStartOptions {}

const FIELDS: Fields<FluxOptions> = { ...FLUX_FIELDS, ...TRUE_GUIDANCE_FIELDS, ...NOISE_START_FIELDS };

/** The request of a call of {@link FluxPipeline}: its options, with a prompt or embeddings. */
export type FluxTextToImageRequest = Prompted<FluxOptions>;

/**
 * Makes pictures from texts with FLUX.1 (Black Forest Labs 2024). Matches diffusers' FluxPipeline: the same seed gives the same picture.
 */
export class FluxPipeline extends FluxBase<FluxTextToImageRequest> {
  /** The class's name in diffusers. */
  static override readonly className = "FluxPipeline";
  /** @internal Fields of the parts. */
  static readonly parts = FLUX_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className = FluxPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = FLUX.workflows.noise.defaults;

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(source: ComponentSource, _index: ModelIndex, given: Partial<FluxComponents>): Promise<FluxPipeline> {
    return new FluxPipeline(await loadFlux(source, given), source);
  }

  protected denoise(call: Call<FluxTextToImageRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    return this.fromNoise(call);
  }
}
