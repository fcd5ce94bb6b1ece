import type { ModelIndex } from "../checkpoint/model-index.js";
import { XL_WORKFLOWS } from "../families/stable-diffusion-xl.js";
import { type Fields, needed, real } from "../options/fields.js";
import type { Tensor } from "../tensor/tensor.js";
import { CONTROLNET_FIELDS, type ControlNetOptions } from "./adapters/controlnets.js";
import { NOISE_FIELDS } from "./latent-diffusion-request.js";
import type { Prompted } from "./prompt/prompt-options.js";
import { SIZE_FIELDS, type SizeOptions } from "./shared/arguments.js";
import type { Call, Denoised } from "./shared/call.js";
import type { ComponentSource } from "./shared/components.js";
import { CONTROL_IMAGE_FIELDS, type ControlImageOptions } from "./shared/control-images.js";
import { type ImageInput, imageInput } from "./shared/image-inputs.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
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

/** The options of an image-to-image call of XL with ControlNets. */
export interface StableDiffusionXLControlNetImg2ImgOptions
  extends StableDiffusionXLCommonRequest,
    SizeOptions,
    AestheticOptions,
    ControlImageOptions,
    ControlNetOptions {
  /** The picture to start from, or a list with one for each prompt. A tensor has values in 0..1, or is latents. */
  readonly image: ImageInput;
  /** How much of the picture is replaced, 0..1: 0.8 by default. That share of the steps is computed. */
  readonly strength?: number | undefined;
  /** Latents to start from instead of the picture's, noisy already [batch, channels, height / factor, width / factor]. */
  readonly latents?: Tensor | undefined;
}

const FIELDS: Fields<StableDiffusionXLControlNetImg2ImgOptions> = {
  ...XL_FIELDS,
  ...SIZE_FIELDS,
  ...AESTHETIC_FIELDS,
  image: needed(imageInput, "image is the picture to start from"),
  ...CONTROL_IMAGE_FIELDS,
  strength: real(0, 1),
  ...CONTROLNET_FIELDS,
  ...NOISE_FIELDS,
};

/** The request of a call of {@link StableDiffusionXLControlNetImg2ImgPipeline}: its options, with a prompt or embeddings. */
export type StableDiffusionXLControlNetImg2ImgRequest = Prompted<StableDiffusionXLControlNetImg2ImgOptions>;

/**
 * Makes pictures from a picture and a text with Stable Diffusion XL, controlled by ControlNets. Matches diffusers'
 * StableDiffusionXLControlNetImg2ImgPipeline.
 */
export class StableDiffusionXLControlNetImg2ImgPipeline extends StableDiffusionXLControlNetBase<StableDiffusionXLControlNetImg2ImgRequest> {
  /** The class's name in diffusers. */
  static override readonly className: "StableDiffusionXLControlNetImg2ImgPipeline" | "StableDiffusionXLControlNetPAGImg2ImgPipeline" =
    "StableDiffusionXLControlNetImg2ImgPipeline";
  /** @internal Fields of the parts. */
  static readonly parts = XL_CONTROLNET_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className: "StableDiffusionXLControlNetImg2ImgPipeline" | "StableDiffusionXLControlNetPAGImg2ImgPipeline" =
    StableDiffusionXLControlNetImg2ImgPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = XL_WORKFLOWS["controlnet-image"].defaults;

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(
    source: ComponentSource,
    index: ModelIndex,
    given: Partial<StableDiffusionXLControlNetComponents>,
  ): Promise<StableDiffusionXLControlNetImg2ImgPipeline> {
    return new StableDiffusionXLControlNetImg2ImgPipeline(await loadStableDiffusionXLControlNet(source, given), settingsXL(index), source);
  }

  protected denoise(call: Call<StableDiffusionXLControlNetImg2ImgRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    return this.fromPicture(call);
  }

  protected timeIds(request: StableDiffusionXLControlNetImg2ImgRequest, size: Pair): TimeIds {
    return imageTimeIds(request, size, this.settings);
  }
}
