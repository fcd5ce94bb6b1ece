import type { ModelIndex } from "../checkpoint/model-index.js";
import { WORKFLOWS } from "../families/stable-diffusion.js";
import { type Fields, real } from "../options/fields.js";
import { CONTROLNET_FIELDS, type ControlNetOptions } from "./adapters/controlnets.js";
import type { Prompted } from "./prompt/prompt-options.js";
import { SIZE_FIELDS, type SizeOptions } from "./shared/arguments.js";
import type { Call, Denoised } from "./shared/call.js";
import type { ComponentSource } from "./shared/components.js";
import { CONTROL_IMAGE_FIELDS, type ControlImageOptions } from "./shared/control-images.js";
import { INPAINT_FIELDS, type InpaintImages } from "./shared/image-inputs.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import {
  loadStableDiffusionControlNet,
  STABLE_DIFFUSION_CONTROLNET_PARTS,
  StableDiffusionControlNetBase,
  type StableDiffusionControlNetComponents,
} from "./stable-diffusion-controlnet-base.js";
import { UNET_FIELDS, type UNetRequest } from "./unet-request.js";

/** The options of an inpainting call with ControlNets. */
export interface StableDiffusionControlNetInpaintOptions
  extends UNetRequest,
    SizeOptions,
    InpaintImages,
    ControlImageOptions,
    ControlNetOptions {
  /** How much of the masked part is replaced, 0..1: 1 by default. That share of the steps is computed. */
  readonly strength?: number | undefined;
}

const FIELDS: Fields<StableDiffusionControlNetInpaintOptions> = {
  ...UNET_FIELDS,
  ...SIZE_FIELDS,
  ...INPAINT_FIELDS,
  ...CONTROL_IMAGE_FIELDS,
  strength: real(0, 1),
  ...CONTROLNET_FIELDS,
};

/** The request of a call of {@link StableDiffusionControlNetInpaintPipeline}: its options, with a prompt or embeddings. */
export type StableDiffusionControlNetInpaintRequest = Prompted<StableDiffusionControlNetInpaintOptions>;

/**
 * Repaints the masked part of a picture, controlled by ControlNets. Without `width` and `height` the result has the picture's size. Matches
 * diffusers' StableDiffusionControlNetInpaintPipeline.
 */
export class StableDiffusionControlNetInpaintPipeline extends StableDiffusionControlNetBase<StableDiffusionControlNetInpaintRequest> {
  /** The class's name in diffusers. */
  static override readonly className: "StableDiffusionControlNetInpaintPipeline" | "StableDiffusionControlNetPAGInpaintPipeline" =
    "StableDiffusionControlNetInpaintPipeline";
  /** @internal Fields of the parts. */
  static readonly parts = STABLE_DIFFUSION_CONTROLNET_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className: "StableDiffusionControlNetInpaintPipeline" | "StableDiffusionControlNetPAGInpaintPipeline" =
    StableDiffusionControlNetInpaintPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = WORKFLOWS["controlnet-mask"].defaults;

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(
    source: ComponentSource,
    _index: ModelIndex,
    given: Partial<StableDiffusionControlNetComponents>,
  ): Promise<StableDiffusionControlNetInpaintPipeline> {
    return new StableDiffusionControlNetInpaintPipeline(await loadStableDiffusionControlNet(source, given), source);
  }

  protected denoise(call: Call<StableDiffusionControlNetInpaintRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    return this.repaint(call);
  }
}
