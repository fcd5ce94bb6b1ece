import type { JsonObject } from "../checkpoint/json.js";
import type { ModelIndex } from "../checkpoint/model-index.js";
import { XL_EDIT } from "../families/stable-diffusion.js";
import { type Fields, real } from "../options/fields.js";
import type { Prompted, PromptInput } from "./prompt/prompt-options.js";
import { SIZE_FIELDS, type SizeOptions } from "./shared/arguments.js";
import type { Call, Denoised } from "./shared/call.js";
import type { ComponentSource } from "./shared/components.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import type { TimestepRangeOptions } from "./shared/timesteps.js";
import {
  loadStableDiffusionXL,
  noiseTimeIds,
  type Pair,
  StableDiffusionXLBase,
  type StableDiffusionXLCommonRequest,
  type StableDiffusionXLComponents,
  settingsXL,
  type TimeIds,
  XL_FIELDS,
  XL_PARTS,
} from "./stable-diffusion-xl-base.js";
import { EDIT_FIELDS, type EditOptions } from "./unet-request.js";

/** Sizes and crops that this pipeline has for prompt and negative prompt together. */
type Unused = "negativeOriginalSize" | "negativeCropsCoordsTopLeft" | "negativeTargetSize";

/** The options of a call that changes a picture with XL; 100 steps are the default. */
export interface StableDiffusionXLInstructPix2PixOptions
  extends Omit<StableDiffusionXLCommonRequest, Unused>,
    SizeOptions,
    EditOptions,
    Pick<TimestepRangeOptions, "denoisingEnd"> {}

const { negativeOriginalSize: _size, negativeCropsCoordsTopLeft: _crop, negativeTargetSize: _target, ...SHARED } = XL_FIELDS;

const FIELDS: Fields<StableDiffusionXLInstructPix2PixOptions> = {
  ...SHARED,
  ...SIZE_FIELDS,
  ...EDIT_FIELDS,
  denoisingEnd: real(0, 1),
};

/** The request of a call of {@link StableDiffusionXLInstructPix2PixPipeline}: its options, with a prompt or embeddings. */
export type StableDiffusionXLInstructPix2PixRequest = Prompted<StableDiffusionXLInstructPix2PixOptions>;

/**
 * Changes a picture as the prompt says (Brooks et al. 2023, arXiv:2211.09800) with Stable Diffusion XL, whose UNet has eight input
 * channels. The picture is brought to `height` and `width`, by default the size that the network was trained on. Single files of CosXL Edit
 * work, too; for a folder with it, give the setting `isCosxlEdit` to the constructor. Matches diffusers'
 * StableDiffusionXLInstructPix2PixPipeline.
 */
export class StableDiffusionXLInstructPix2PixPipeline extends StableDiffusionXLBase<StableDiffusionXLInstructPix2PixRequest> {
  /** The class's name in diffusers. */
  static override readonly className = "StableDiffusionXLInstructPix2PixPipeline";
  /** @internal Fields of the parts. */
  static readonly parts = XL_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className = StableDiffusionXLInstructPix2PixPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = XL_EDIT.defaults;
  protected override readonly unconditionalParts = 2;

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(
    source: ComponentSource,
    index: ModelIndex,
    given: Partial<StableDiffusionXLComponents>,
  ): Promise<StableDiffusionXLInstructPix2PixPipeline> {
    return new StableDiffusionXLInstructPix2PixPipeline(await loadStableDiffusionXL(source, given), settingsXL(index), source);
  }

  /** @internal */
  override get indexOptions(): JsonObject {
    return { ...super.indexOptions, ...(this.settings.isCosxlEdit && { isCosxlEdit: true }) };
  }

  /** As in diffusers, there is guidance by both text and picture, or by none. */
  protected override isGuided(guidanceScale: number, request: PromptInput & Partial<EditOptions>): boolean {
    return super.isGuided(guidanceScale, request) && (request.imageGuidanceScale ?? XL_EDIT.defaults.imageGuidance) >= 1;
  }

  protected override get editScale(): number {
    return this.settings.isCosxlEdit ? this.vae.config.scalingFactor : 1;
  }

  protected denoise(call: Call<StableDiffusionXLInstructPix2PixRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    return this.edit(call, this.size(call.request));
  }

  protected timeIds(request: StableDiffusionXLInstructPix2PixRequest, size: Pair): TimeIds {
    return noiseTimeIds(request, size);
  }
}
