import type { ModelIndex } from "../checkpoint/model-index.js";
import { XL_WORKFLOWS } from "../families/stable-diffusion-xl.js";
import { type Fields, real } from "../options/fields.js";
import type { Prompted } from "./prompt/prompt-options.js";
import { SIZE_FIELDS, type SizeOptions } from "./shared/arguments.js";
import type { Call, Denoised } from "./shared/call.js";
import type { ComponentSource } from "./shared/components.js";
import { INPAINT_FIELDS, type InpaintImages } from "./shared/image-inputs.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import { TIMESTEP_RANGE_FIELDS, type TimestepRangeOptions } from "./shared/timesteps.js";
import {
  AESTHETIC_FIELDS,
  type AestheticOptions,
  imageTimeIds,
  loadStableDiffusionXL,
  type Pair,
  StableDiffusionXLBase,
  type StableDiffusionXLCommonRequest,
  type StableDiffusionXLComponents,
  settingsXL,
  type TimeIds,
  XL_FIELDS,
  XL_PARTS,
} from "./stable-diffusion-xl-base.js";

/** The options of an inpainting call of XL. */
export interface StableDiffusionXLInpaintOptions
  extends StableDiffusionXLCommonRequest,
    SizeOptions,
    InpaintImages,
    AestheticOptions,
    TimestepRangeOptions {
  /** How much of the masked part is replaced, 0..1: 0.9999 by default, which keeps a trace of the picture's colours. */
  readonly strength?: number | undefined;
}

const FIELDS: Fields<StableDiffusionXLInpaintOptions> = {
  ...XL_FIELDS,
  ...SIZE_FIELDS,
  ...INPAINT_FIELDS,
  ...AESTHETIC_FIELDS,
  ...TIMESTEP_RANGE_FIELDS,
  strength: real(0, 1),
};

/** The request of a call of {@link StableDiffusionXLInpaintPipeline}: its options, with a prompt or embeddings. */
export type StableDiffusionXLInpaintRequest = Prompted<StableDiffusionXLInpaintOptions>;

/** Repaints the masked part of a picture with Stable Diffusion XL. Matches diffusers' StableDiffusionXLInpaintPipeline. */
export class StableDiffusionXLInpaintPipeline extends StableDiffusionXLBase<StableDiffusionXLInpaintRequest> {
  /** The class's name in diffusers. */
  static override readonly className: "StableDiffusionXLInpaintPipeline" | "StableDiffusionXLPAGInpaintPipeline" =
    "StableDiffusionXLInpaintPipeline";
  /** @internal Fields of the parts. */
  static readonly parts = XL_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className: "StableDiffusionXLInpaintPipeline" | "StableDiffusionXLPAGInpaintPipeline" =
    StableDiffusionXLInpaintPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = XL_WORKFLOWS.mask.defaults;

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(
    source: ComponentSource,
    index: ModelIndex,
    given: Partial<StableDiffusionXLComponents>,
  ): Promise<StableDiffusionXLInpaintPipeline> {
    return new StableDiffusionXLInpaintPipeline(await loadStableDiffusionXL(source, given), settingsXL(index), source);
  }

  protected denoise(call: Call<StableDiffusionXLInpaintRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    return this.repaint(call);
  }

  protected timeIds(request: StableDiffusionXLInpaintRequest, size: Pair): TimeIds {
    return imageTimeIds(request, size, this.settings);
  }
}
