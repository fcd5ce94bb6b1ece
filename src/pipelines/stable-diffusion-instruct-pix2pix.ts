import type { ModelIndex } from "../checkpoint/model-index.js";
import { EDIT } from "../families/stable-diffusion.js";
import type { Fields } from "../options/fields.js";
import type { Prompted, PromptInput } from "./prompt/prompt-options.js";
import type { Call, Denoised } from "./shared/call.js";
import type { ComponentSource } from "./shared/components.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import {
  loadStableDiffusion,
  STABLE_DIFFUSION_PARTS,
  StableDiffusionBase,
  type StableDiffusionComponents,
} from "./stable-diffusion-base.js";
import { EDIT_FIELDS, type EditOptions, UNET_FIELDS, type UNetRequest } from "./unet-request.js";

/** The options of a call that changes a picture. The result has the picture's size; 100 steps are the default. */
export interface StableDiffusionInstructPix2PixOptions extends UNetRequest, EditOptions {}

const FIELDS: Fields<StableDiffusionInstructPix2PixOptions> = { ...UNET_FIELDS, ...EDIT_FIELDS };

/** The request of a call of {@link StableDiffusionInstructPix2PixPipeline}: its options, with a prompt or embeddings. */
export type StableDiffusionInstructPix2PixRequest = Prompted<StableDiffusionInstructPix2PixOptions>;

/**
 * Changes a picture as the prompt says, "make it winter" (Brooks et al. 2023, arXiv:2211.09800), with a checkpoint such as
 * timbrooks/instruct-pix2pix, whose UNet has eight input channels. Matches diffusers' StableDiffusionInstructPix2PixPipeline.
 */
export class StableDiffusionInstructPix2PixPipeline extends StableDiffusionBase<StableDiffusionInstructPix2PixRequest> {
  /** The class's name in diffusers. */
  static override readonly className = "StableDiffusionInstructPix2PixPipeline";
  /** @internal Fields of the parts. */
  static readonly parts = STABLE_DIFFUSION_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className = StableDiffusionInstructPix2PixPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = EDIT.defaults;
  protected override readonly unconditionalParts = 2;

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(
    source: ComponentSource,
    _index: ModelIndex,
    given: Partial<StableDiffusionComponents>,
  ): Promise<StableDiffusionInstructPix2PixPipeline> {
    return new StableDiffusionInstructPix2PixPipeline(await loadStableDiffusion(source, given), source);
  }

  /** As in diffusers, there is guidance by both text and picture, or by none. */
  protected override isGuided(guidanceScale: number, request: PromptInput & Partial<EditOptions>): boolean {
    return super.isGuided(guidanceScale, request) && (request.imageGuidanceScale ?? EDIT.defaults.imageGuidance) >= 1;
  }

  protected denoise(call: Call<StableDiffusionInstructPix2PixRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    return this.edit(call);
  }
}
