import type { ModelIndex } from "../checkpoint/model-index.js";
import { STABLE_DIFFUSION_3 } from "../families/stable-diffusion-3.js";
import type { Fields } from "../options/fields.js";
import type { Prompted } from "./prompt/prompt-options.js";
import type { Call, Denoised } from "./shared/call.js";
import type { ComponentSource } from "./shared/components.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import {
  loadStableDiffusion3,
  STABLE_DIFFUSION_3_FIELDS,
  STABLE_DIFFUSION_3_PARTS,
  StableDiffusion3Base,
  type StableDiffusion3Common,
  type StableDiffusion3Components,
} from "./stable-diffusion-3-base.js";
import { PICTURE_START_FIELDS, type PictureStartOptions } from "./transformer-pipeline.js";

/** The options of an image-to-image call of Stable Diffusion 3. */
export interface StableDiffusion3Img2ImgOptions extends StableDiffusion3Common, PictureStartOptions {}

const FIELDS: Fields<StableDiffusion3Img2ImgOptions> = { ...STABLE_DIFFUSION_3_FIELDS, ...PICTURE_START_FIELDS };

/** The request of a call of {@link StableDiffusion3Img2ImgPipeline}: its options, with a prompt or embeddings. */
export type StableDiffusion3Img2ImgRequest = Prompted<StableDiffusion3Img2ImgOptions>;

/** Makes pictures from a picture and a text with Stable Diffusion 3. Matches diffusers' StableDiffusion3Img2ImgPipeline. */
export class StableDiffusion3Img2ImgPipeline extends StableDiffusion3Base<StableDiffusion3Img2ImgRequest> {
  /** The class's name in diffusers. */
  static override readonly className = "StableDiffusion3Img2ImgPipeline";
  /** @internal Fields of the parts. */
  static readonly parts = STABLE_DIFFUSION_3_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className = StableDiffusion3Img2ImgPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = STABLE_DIFFUSION_3.workflows.image.defaults;

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(
    source: ComponentSource,
    _index: ModelIndex,
    given: Partial<StableDiffusion3Components>,
  ): Promise<StableDiffusion3Img2ImgPipeline> {
    return new StableDiffusion3Img2ImgPipeline(await loadStableDiffusion3(source, given), source);
  }

  protected denoise(call: Call<StableDiffusion3Img2ImgRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    return this.fromPicture(call);
  }
}
