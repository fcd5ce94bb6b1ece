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
import { NOISE_START_FIELDS, type NoiseStartOptions } from "./transformer-pipeline.js";

/** The options of a text-to-image call of Qwen-Image. */
export interface QwenImageTextToImageOptions extends QwenImageRequest, NoiseStartOptions {}

const FIELDS: Fields<QwenImageTextToImageOptions> = { ...QWEN_IMAGE_FIELDS, ...NOISE_START_FIELDS };

/** The request of a call of {@link QwenImagePipeline}: its options, with a prompt or embeddings. */
export type QwenImageTextToImageRequest = Prompted<QwenImageTextToImageOptions>;

/**
 * Makes pictures from texts with Qwen-Image (Qwen Team 2025, arXiv:2508.02324). Matches diffusers' QwenImagePipeline: the same seed gives
 * the same picture.
 */
export class QwenImagePipeline extends QwenImageBase<QwenImageTextToImageRequest> {
  /** The class's name in diffusers. */
  static override readonly className = "QwenImagePipeline";
  /** @internal Fields of the parts. */
  static override readonly parts = QWEN_IMAGE_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className = QwenImagePipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = QWEN_IMAGE.workflows.noise.defaults;

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(source: ComponentSource, _index: ModelIndex, given: Partial<QwenImageComponents>): Promise<QwenImagePipeline> {
    return new QwenImagePipeline(await loadQwenImage(source, given), source);
  }

  protected denoise(call: Call<QwenImageTextToImageRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    return this.fromNoise(call);
  }
}
