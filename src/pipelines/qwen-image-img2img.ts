import type { ModelIndex } from "../checkpoint/model-index.js";
import { QWEN_IMAGE } from "../families/qwen-image.js";
import type { Fields } from "../options/fields.js";
import type { Prompted } from "./prompt/prompt-options.js";
import {
  loadQwenImage,
  QWEN_IMAGE_FIELDS,
  QWEN_IMAGE_PARTS,
  QwenImageBase,
  type QwenImageComponents,
  type QwenImageRequest,
} from "./qwen-image-base.js";
import type { Call, Denoised } from "./shared/call.js";
import type { ComponentSource } from "./shared/components.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import { PICTURE_START_FIELDS, type PictureStartOptions } from "./transformer-pipeline.js";

/** The options of an image-to-image call of Qwen-Image. As in diffusers, the result has 1024 x 1024 pixels by default. */
export interface QwenImageImg2ImgOptions extends QwenImageRequest, PictureStartOptions {}

const FIELDS: Fields<QwenImageImg2ImgOptions> = { ...QWEN_IMAGE_FIELDS, ...PICTURE_START_FIELDS };

/** The request of a call of {@link QwenImageImg2ImgPipeline}: its options, with a prompt or embeddings. */
export type QwenImageImg2ImgRequest = Prompted<QwenImageImg2ImgOptions>;

/** Makes pictures from a picture and a text with Qwen-Image. Matches diffusers' QwenImageImg2ImgPipeline. */
export class QwenImageImg2ImgPipeline extends QwenImageBase<QwenImageImg2ImgRequest> {
  /** The class's name in diffusers. */
  static override readonly className = "QwenImageImg2ImgPipeline";
  /** @internal Fields of the parts. */
  static override readonly parts = QWEN_IMAGE_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className = QwenImageImg2ImgPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = QWEN_IMAGE.workflows.image.defaults;

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(source: ComponentSource, _index: ModelIndex, given: Partial<QwenImageComponents>): Promise<QwenImageImg2ImgPipeline> {
    return new QwenImageImg2ImgPipeline(await loadQwenImage(source, given), source);
  }

  protected denoise(call: Call<QwenImageImg2ImgRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    const { height, width } = this.nativeSize;
    return this.fromPicture({
      ...call,
      request: { ...call.request, height: call.request.height ?? height, width: call.request.width ?? width },
    });
  }
}
