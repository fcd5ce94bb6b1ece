import type { ModelIndex } from "../checkpoint/model-index.js";
import { Z_IMAGE } from "../families/z-image.js";
import type { Fields } from "../options/fields.js";
import type { Prompted, TextEmbeds } from "./prompt/prompt-options.js";
import type { Call, Denoised } from "./shared/call.js";
import type { ComponentSource } from "./shared/components.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import { PICTURE_START_FIELDS, type PictureStartOptions } from "./transformer-pipeline.js";
import { loadZImage, Z_IMAGE_FIELDS, Z_IMAGE_PARTS, ZImageBase, type ZImageComponents, type ZImageRequest } from "./z-image-base.js";

/** The options of an image-to-image call of Z-Image. */
export interface ZImageImg2ImgOptions extends ZImageRequest, PictureStartOptions {}

const FIELDS: Fields<ZImageImg2ImgOptions> = { ...Z_IMAGE_FIELDS, ...PICTURE_START_FIELDS };

/** The request of a call of {@link ZImageImg2ImgPipeline}: its options, with a prompt or embeddings. */
export type ZImageImg2ImgRequest = Prompted<ZImageImg2ImgOptions, TextEmbeds>;

/** Makes pictures from a picture and a text with Z-Image. Matches diffusers' ZImageImg2ImgPipeline. */
export class ZImageImg2ImgPipeline extends ZImageBase<ZImageImg2ImgRequest> {
  /** The class's name in diffusers. */
  static override readonly className = "ZImageImg2ImgPipeline";
  /** @internal Fields of the parts. */
  static readonly parts = Z_IMAGE_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className = ZImageImg2ImgPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = Z_IMAGE.workflows.image.defaults;

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(source: ComponentSource, _index: ModelIndex, given: Partial<ZImageComponents>): Promise<ZImageImg2ImgPipeline> {
    return new ZImageImg2ImgPipeline(await loadZImage(source, given), source);
  }

  protected denoise(call: Call<ZImageImg2ImgRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    return this.fromPicture(call);
  }
}
