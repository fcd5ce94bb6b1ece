import type { ModelIndex } from "../checkpoint/model-index.js";
import { XL_WORKFLOWS } from "../families/stable-diffusion-xl.js";
import { type Fields, real } from "../options/fields.js";
import { CONTROLNET_FIELDS, type ControlNetOptions } from "./adapters/controlnets.js";
import type { Prompted } from "./prompt/prompt-options.js";
import { SIZE_FIELDS, type SizeOptions } from "./shared/arguments.js";
import type { Call, Denoised } from "./shared/call.js";
import type { ComponentSource } from "./shared/components.js";
import { CONTROL_IMAGE_FIELDS, type ControlImageOptions } from "./shared/control-images.js";
import { INPAINT_FIELDS, type InpaintImages } from "./shared/image-inputs.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import { TIMESTEP_RANGE_FIELDS, type TimestepRangeOptions } from "./shared/timesteps.js";
import {
  AESTHETIC_FIELDS,
  type AestheticOptions,
  imageTimeIds,
  type Pair,
  type StableDiffusionXLCommonRequest,
  settingsXL,
  type TimeIds,
  XL_FIELDS,
} from "./stable-diffusion-xl-base.js";
import {
  loadStableDiffusionXLControlNet,
  StableDiffusionXLControlNetBase,
  type StableDiffusionXLControlNetComponents,
  XL_CONTROLNET_PARTS,
} from "./stable-diffusion-xl-controlnet-base.js";

/** The options of an inpainting call of XL with ControlNets. */
export interface StableDiffusionXLControlNetInpaintOptions
  extends StableDiffusionXLCommonRequest,
    SizeOptions,
    InpaintImages,
    AestheticOptions,
    TimestepRangeOptions,
    ControlImageOptions,
    ControlNetOptions {
  /** How much of the masked part is replaced, 0..1: 0.9999 by default, which keeps a trace of the picture's colours. */
  readonly strength?: number | undefined;
}

const FIELDS: Fields<StableDiffusionXLControlNetInpaintOptions> = {
  ...XL_FIELDS,
  ...SIZE_FIELDS,
  ...INPAINT_FIELDS,
  ...CONTROL_IMAGE_FIELDS,
  ...AESTHETIC_FIELDS,
  ...TIMESTEP_RANGE_FIELDS,
  strength: real(0, 1),
  ...CONTROLNET_FIELDS,
};

/** The request of a call of {@link StableDiffusionXLControlNetInpaintPipeline}: its options, with a prompt or embeddings. */
export type StableDiffusionXLControlNetInpaintRequest = Prompted<StableDiffusionXLControlNetInpaintOptions>;

/**
 * Repaints the masked part of a picture with Stable Diffusion XL, controlled by ControlNets. Without `width` and `height` the result has
 * the picture's size. Matches diffusers' StableDiffusionXLControlNetInpaintPipeline.
 */
export class StableDiffusionXLControlNetInpaintPipeline extends StableDiffusionXLControlNetBase<StableDiffusionXLControlNetInpaintRequest> {
  /** The class's name in diffusers. */
  static override readonly className = "StableDiffusionXLControlNetInpaintPipeline";
  /** @internal Fields of the parts. */
  static readonly parts = XL_CONTROLNET_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className = StableDiffusionXLControlNetInpaintPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = XL_WORKFLOWS["controlnet-mask"].defaults;
  protected override readonly poolingGuesses = false;

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(
    source: ComponentSource,
    index: ModelIndex,
    given: Partial<StableDiffusionXLControlNetComponents>,
  ): Promise<StableDiffusionXLControlNetInpaintPipeline> {
    return new StableDiffusionXLControlNetInpaintPipeline(await loadStableDiffusionXLControlNet(source, given), settingsXL(index), source);
  }

  protected denoise(call: Call<StableDiffusionXLControlNetInpaintRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    return this.repaint(call);
  }

  protected timeIds(request: StableDiffusionXLControlNetInpaintRequest, size: Pair): TimeIds {
    return imageTimeIds(request, size, this.settings);
  }
}
