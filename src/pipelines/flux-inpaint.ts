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
import { REPAINT_FIELDS, type RepaintOptions } from "./transformer-pipeline.js";

/** The options of an inpainting call of FLUX.1. */
export interface FluxInpaintOptions extends FluxRequest, TrueGuidanceOptions, RepaintOptions {}

const FIELDS: Fields<FluxInpaintOptions> = { ...FLUX_FIELDS, ...TRUE_GUIDANCE_FIELDS, ...REPAINT_FIELDS };

/** The request of a call of {@link FluxInpaintPipeline}: its options, with a prompt or embeddings. */
export type FluxInpaintRequest = Prompted<FluxInpaintOptions>;

/** Repaints the masked part of a picture with FLUX.1. Matches diffusers' FluxInpaintPipeline. */
export class FluxInpaintPipeline extends FluxBase<FluxInpaintRequest> {
  /** The class's name in diffusers. */
  static override readonly className = "FluxInpaintPipeline";
  /** @internal Fields of the parts. */
  static readonly parts = FLUX_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className = FluxInpaintPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = FLUX.workflows.mask.defaults;

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(source: ComponentSource, _index: ModelIndex, given: Partial<FluxComponents>): Promise<FluxInpaintPipeline> {
    return new FluxInpaintPipeline(await loadFlux(source, given), source);
  }

  protected denoise(call: Call<FluxInpaintRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    return this.repaint(call);
  }
}
