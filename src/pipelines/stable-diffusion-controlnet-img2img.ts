import type { ModelIndex } from "../checkpoint/model-index.js";
import { WORKFLOWS } from "../families/stable-diffusion.js";
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
  loadStableDiffusionControlNet,
  STABLE_DIFFUSION_CONTROLNET_PARTS,
  StableDiffusionControlNetBase,
  type StableDiffusionControlNetComponents,
} from "./stable-diffusion-controlnet-base.js";
import { UNET_FIELDS, type UNetRequest } from "./unet-request.js";

/** The options of an image-to-image call with ControlNets. */
export interface StableDiffusionControlNetImg2ImgOptions extends UNetRequest, SizeOptions, ControlImageOptions, ControlNetOptions {
  /** The picture to start from, or a list with one for each prompt. A tensor has values in 0..1, or is latents. */
  readonly image: ImageInput;
  /** How much of the picture is replaced, 0..1: 0.8 by default. That share of the steps is computed. */
  readonly strength?: number | undefined;
  /** Latents to start from instead of the picture's, noisy already [batch, channels, height / factor, width / factor]. */
  readonly latents?: Tensor | undefined;
}

const FIELDS: Fields<StableDiffusionControlNetImg2ImgOptions> = {
  ...UNET_FIELDS,
  ...SIZE_FIELDS,
  image: needed(imageInput, "image is the picture to start from"),
  ...CONTROL_IMAGE_FIELDS,
  strength: real(0, 1),
  ...CONTROLNET_FIELDS,
  ...NOISE_FIELDS,
};

/** The request of a call of {@link StableDiffusionControlNetImg2ImgPipeline}: its options, with a prompt or embeddings. */
export type StableDiffusionControlNetImg2ImgRequest = Prompted<StableDiffusionControlNetImg2ImgOptions>;

/** Makes pictures from a picture and a text, controlled by ControlNets. Matches diffusers' StableDiffusionControlNetImg2ImgPipeline. */
export class StableDiffusionControlNetImg2ImgPipeline extends StableDiffusionControlNetBase<StableDiffusionControlNetImg2ImgRequest> {
  /** The class's name in diffusers. */
  static override readonly className = "StableDiffusionControlNetImg2ImgPipeline";
  /** @internal Fields of the parts. */
  static readonly parts = STABLE_DIFFUSION_CONTROLNET_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className = StableDiffusionControlNetImg2ImgPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = WORKFLOWS["controlnet-image"].defaults;

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(
    source: ComponentSource,
    _index: ModelIndex,
    given: Partial<StableDiffusionControlNetComponents>,
  ): Promise<StableDiffusionControlNetImg2ImgPipeline> {
    return new StableDiffusionControlNetImg2ImgPipeline(await loadStableDiffusionControlNet(source, given), source);
  }

  protected denoise(call: Call<StableDiffusionControlNetImg2ImgRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    return this.fromPicture(call);
  }
}
