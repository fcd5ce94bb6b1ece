import type { ModelIndex } from "../checkpoint/model-index.js";
import { XL_WORKFLOWS } from "../families/stable-diffusion-xl.js";
import { type Fields, needed, real } from "../options/fields.js";
import type { Prompted } from "./prompt/prompt-options.js";
import type { Call, Denoised } from "./shared/call.js";
import type { ComponentSource } from "./shared/components.js";
import { type ImageInput, imageInput } from "./shared/image-inputs.js";
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

/** The options of an image-to-image call of XL. */
export interface StableDiffusionXLImg2ImgOptions extends StableDiffusionXLCommonRequest, AestheticOptions, TimestepRangeOptions {
  /** The picture to start from, or a list with one for each prompt. A tensor has values in 0..1, or is latents such as a base model's. */
  readonly image: ImageInput;
  /** How much of the picture is replaced, 0..1: 0.3 by default. That share of the steps is computed. `denoisingStart` replaces it. */
  readonly strength?: number | undefined;
}

const FIELDS: Fields<StableDiffusionXLImg2ImgOptions> = {
  ...XL_FIELDS,
  ...AESTHETIC_FIELDS,
  ...TIMESTEP_RANGE_FIELDS,
  image: needed(imageInput, "image is the picture to start from, or latents such as a base model's"),
  strength: real(0, 1),
};

/** The request of a call of {@link StableDiffusionXLImg2ImgPipeline}: its options, with a prompt or embeddings. */
export type StableDiffusionXLImg2ImgRequest = Prompted<StableDiffusionXLImg2ImgOptions>;

/**
 * Makes pictures from a picture and a text with Stable Diffusion XL, base or refiner (Podell et al. 2023). Matches diffusers'
 * StableDiffusionXLImg2ImgPipeline.
 */
export class StableDiffusionXLImg2ImgPipeline extends StableDiffusionXLBase<StableDiffusionXLImg2ImgRequest> {
  /** The class's name in diffusers. */
  static override readonly className: "StableDiffusionXLImg2ImgPipeline" | "StableDiffusionXLPAGImg2ImgPipeline" =
    "StableDiffusionXLImg2ImgPipeline";
  /** @internal Fields of the parts. */
  static readonly parts = XL_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className: "StableDiffusionXLImg2ImgPipeline" | "StableDiffusionXLPAGImg2ImgPipeline" =
    StableDiffusionXLImg2ImgPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = XL_WORKFLOWS.image.defaults;

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(
    source: ComponentSource,
    index: ModelIndex,
    given: Partial<StableDiffusionXLComponents>,
  ): Promise<StableDiffusionXLImg2ImgPipeline> {
    return new StableDiffusionXLImg2ImgPipeline(await loadStableDiffusionXL(source, given), settingsXL(index), source);
  }

  protected denoise(call: Call<StableDiffusionXLImg2ImgRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    return this.fromPicture(call);
  }

  protected timeIds(request: StableDiffusionXLImg2ImgRequest, size: Pair): TimeIds {
    return imageTimeIds(request, size, this.settings);
  }
}
