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
import { PICTURE_START_FIELDS, type PictureStartOptions } from "./transformer-pipeline.js";

/** The options of an image-to-image call of FLUX.1. */
export interface FluxImg2ImgOptions extends FluxRequest, TrueGuidanceOptions, PictureStartOptions {}

const FIELDS: Fields<FluxImg2ImgOptions> = { ...FLUX_FIELDS, ...TRUE_GUIDANCE_FIELDS, ...PICTURE_START_FIELDS };

/** The request of a call of {@link FluxImg2ImgPipeline}: its options, with a prompt or embeddings. */
export type FluxImg2ImgRequest = Prompted<FluxImg2ImgOptions>;

/** Makes pictures from a picture and a text with FLUX.1. Matches diffusers' FluxImg2ImgPipeline. */
export class FluxImg2ImgPipeline extends FluxBase<FluxImg2ImgRequest> {
  /** The class's name in diffusers. */
  static override readonly className = "FluxImg2ImgPipeline";
  /** @internal Fields of the parts. */
  static readonly parts = FLUX_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className = FluxImg2ImgPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = FLUX.workflows.image.defaults;

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(source: ComponentSource, _index: ModelIndex, given: Partial<FluxComponents>): Promise<FluxImg2ImgPipeline> {
    return new FluxImg2ImgPipeline(await loadFlux(source, given), source);
  }

  protected denoise(call: Call<FluxImg2ImgRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    return this.fromPicture(call);
  }
}
