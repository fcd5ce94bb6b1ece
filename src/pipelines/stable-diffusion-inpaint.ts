import type { ModelIndex } from "../checkpoint/model-index.js";
import type { PromptedDefaults } from "../families/family.js";
import { WORKFLOWS } from "../families/stable-diffusion.js";
import { type Fields, real } from "../options/fields.js";
import type { Prompted } from "./prompt/prompt-options.js";
import { SIZE_FIELDS, type SizeOptions } from "./shared/arguments.js";
import type { Call, Denoised } from "./shared/call.js";
import type { ComponentSource } from "./shared/components.js";
import { INPAINT_FIELDS, type InpaintImages } from "./shared/image-inputs.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import {
  CORRECT_SETTINGS,
  loadStableDiffusion,
  STABLE_DIFFUSION_PARTS,
  StableDiffusionBase,
  type StableDiffusionComponents,
} from "./stable-diffusion-base.js";
import { UNET_FIELDS, type UNetRequest } from "./unet-request.js";

/** The options of an inpainting call. */
export interface StableDiffusionInpaintOptions extends UNetRequest, SizeOptions, InpaintImages {
  /** How much of the masked part is replaced, 0..1: 1 by default. That share of the steps is computed. */
  readonly strength?: number | undefined;
}

const FIELDS: Fields<StableDiffusionInpaintOptions> = {
  ...UNET_FIELDS,
  ...SIZE_FIELDS,
  ...INPAINT_FIELDS,
  strength: real(0, 1),
};

/** The request of a call of {@link StableDiffusionInpaintPipeline}: its options, with a prompt or embeddings. */
export type StableDiffusionInpaintRequest = Prompted<StableDiffusionInpaintOptions>;

/**
 * Repaints the masked part of a picture (Rombach et al. 2022), with an ordinary UNet or one with nine input channels. Matches diffusers'
 * StableDiffusionInpaintPipeline.
 */
export class StableDiffusionInpaintPipeline extends StableDiffusionBase<StableDiffusionInpaintRequest> {
  /** The class's name in diffusers. */
  static override readonly className: "StableDiffusionInpaintPipeline" | "StableDiffusionPAGInpaintPipeline" =
    "StableDiffusionInpaintPipeline";
  /** @internal */
  static override readonly corrections: Partial<typeof CORRECT_SETTINGS> = {
    stepsOffset: CORRECT_SETTINGS.stepsOffset,
    skipPrkSteps: CORRECT_SETTINGS.skipPrkSteps,
  };
  /** @internal Fields of the parts. */
  static readonly parts = STABLE_DIFFUSION_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className: "StableDiffusionInpaintPipeline" | "StableDiffusionPAGInpaintPipeline" = StableDiffusionInpaintPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults: PromptedDefaults = WORKFLOWS.mask.defaults;
  protected override readonly showsPictureToDecoder = true;

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(
    source: ComponentSource,
    _index: ModelIndex,
    given: Partial<StableDiffusionComponents>,
  ): Promise<StableDiffusionInpaintPipeline> {
    return new StableDiffusionInpaintPipeline(await loadStableDiffusion(source, given), source);
  }

  protected denoise(call: Call<StableDiffusionInpaintRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    return this.repaint(call);
  }
}
