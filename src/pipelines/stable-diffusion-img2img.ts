import type { ModelIndex } from "../checkpoint/model-index.js";
import { WORKFLOWS } from "../families/stable-diffusion.js";
import { type Fields, needed, real } from "../options/fields.js";
import type { Prompted } from "./prompt/prompt-options.js";
import type { Call, Denoised } from "./shared/call.js";
import type { ComponentSource } from "./shared/components.js";
import { type ImageInput, imageInput } from "./shared/image-inputs.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import {
  loadStableDiffusion,
  STABLE_DIFFUSION_PARTS,
  StableDiffusionBase,
  type StableDiffusionComponents,
  USUAL_CORRECTIONS,
} from "./stable-diffusion-base.js";
import { UNET_FIELDS, type UNetRequest } from "./unet-request.js";

/** The options of an image-to-image call. */
export interface StableDiffusionImg2ImgOptions extends UNetRequest {
  /**
   * The picture to start from, or a list with one for each prompt. A tensor has values in 0..1, or is latents. The result has the same
   * size.
   */
  readonly image: ImageInput;
  /** How much of the picture is replaced, 0..1: 0.8 by default. That share of the steps is computed. */
  readonly strength?: number | undefined;
}

const FIELDS: Fields<StableDiffusionImg2ImgOptions> = {
  ...UNET_FIELDS,
  image: needed(imageInput, "image is the picture to start from"),
  strength: real(0, 1),
};

/** The request of a call of {@link StableDiffusionImg2ImgPipeline}: its options, with a prompt or embeddings. */
export type StableDiffusionImg2ImgRequest = Prompted<StableDiffusionImg2ImgOptions>;

/** Makes pictures from a picture and a text (Meng et al. 2022, SDEdit). Matches diffusers' StableDiffusionImg2ImgPipeline. */
export class StableDiffusionImg2ImgPipeline extends StableDiffusionBase<StableDiffusionImg2ImgRequest> {
  /** The class's name in diffusers. */
  static override readonly className: "StableDiffusionImg2ImgPipeline" | "StableDiffusionPAGImg2ImgPipeline" =
    "StableDiffusionImg2ImgPipeline";
  /** @internal */
  static override readonly corrections = USUAL_CORRECTIONS;
  /** @internal Fields of the parts. */
  static readonly parts = STABLE_DIFFUSION_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className: "StableDiffusionImg2ImgPipeline" | "StableDiffusionPAGImg2ImgPipeline" = StableDiffusionImg2ImgPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = WORKFLOWS.image.defaults;

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(
    source: ComponentSource,
    _index: ModelIndex,
    given: Partial<StableDiffusionComponents>,
  ): Promise<StableDiffusionImg2ImgPipeline> {
    return new StableDiffusionImg2ImgPipeline(await loadStableDiffusion(source, given), source);
  }

  protected denoise(call: Call<StableDiffusionImg2ImgRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    return this.fromPicture(call);
  }
}
