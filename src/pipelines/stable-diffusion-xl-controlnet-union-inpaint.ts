import type { ModelIndex } from "../checkpoint/model-index.js";
import { XL_WORKFLOWS } from "../families/stable-diffusion-xl.js";
import { type Fields, real } from "../options/fields.js";
import { CONTROLNET_UNION_FIELDS, type ControlNetUnionOptions } from "./adapters/controlnet-unions.js";
import type { Prompted } from "./prompt/prompt-options.js";
import { SIZE_FIELDS, type SizeOptions } from "./shared/arguments.js";
import type { Call, Denoised } from "./shared/call.js";
import type { ComponentSource } from "./shared/components.js";
import { CONTROL_IMAGE_FIELDS } from "./shared/control-images.js";
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
  loadStableDiffusionXLControlNetUnion,
  StableDiffusionXLControlNetUnionBase,
  type StableDiffusionXLControlNetUnionComponents,
  XL_CONTROLNET_UNION_PARTS,
} from "./stable-diffusion-xl-controlnet-union-base.js";

/** The options of an inpainting call of XL with ControlNet Unions. */
export interface StableDiffusionXLControlNetUnionInpaintOptions
  extends StableDiffusionXLCommonRequest,
    SizeOptions,
    InpaintImages,
    AestheticOptions,
    TimestepRangeOptions,
    ControlNetUnionOptions {
  /** How much of the masked part is replaced, 0..1: 0.9999 by default, which keeps a trace of the picture's colours. */
  readonly strength?: number | undefined;
}

const FIELDS: Fields<StableDiffusionXLControlNetUnionInpaintOptions> = {
  ...XL_FIELDS,
  ...SIZE_FIELDS,
  ...INPAINT_FIELDS,
  ...CONTROL_IMAGE_FIELDS,
  ...AESTHETIC_FIELDS,
  ...TIMESTEP_RANGE_FIELDS,
  strength: real(0, 1),
  ...CONTROLNET_UNION_FIELDS,
};

/** The request of a call of {@link StableDiffusionXLControlNetUnionInpaintPipeline}: its options, with a prompt or embeddings. */
export type StableDiffusionXLControlNetUnionInpaintRequest = Prompted<StableDiffusionXLControlNetUnionInpaintOptions>;

/**
 * Repaints the masked part of a picture with Stable Diffusion XL, controlled by ControlNet Unions. Without `width` and `height` the result
 * has the picture's size. Matches diffusers' StableDiffusionXLControlNetUnionInpaintPipeline.
 */
export class StableDiffusionXLControlNetUnionInpaintPipeline extends StableDiffusionXLControlNetUnionBase<StableDiffusionXLControlNetUnionInpaintRequest> {
  /** The class's name in diffusers. */
  static override readonly className = "StableDiffusionXLControlNetUnionInpaintPipeline";
  /** @internal Fields of the parts. */
  static readonly parts = XL_CONTROLNET_UNION_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className = StableDiffusionXLControlNetUnionInpaintPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = XL_WORKFLOWS["union-mask"].defaults;
  protected override readonly poolingGuesses = false;

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(
    source: ComponentSource,
    index: ModelIndex,
    given: Partial<StableDiffusionXLControlNetUnionComponents>,
  ): Promise<StableDiffusionXLControlNetUnionInpaintPipeline> {
    return new StableDiffusionXLControlNetUnionInpaintPipeline(
      await loadStableDiffusionXLControlNetUnion(source, given),
      settingsXL(index),
      source,
    );
  }

  protected denoise(call: Call<StableDiffusionXLControlNetUnionInpaintRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    return this.repaint(call);
  }

  protected timeIds(request: StableDiffusionXLControlNetUnionInpaintRequest, size: Pair): TimeIds {
    return imageTimeIds(request, size, this.settings);
  }
}
