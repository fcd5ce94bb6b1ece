import type { ModelIndex } from "../checkpoint/model-index.js";
import { Z_IMAGE } from "../families/z-image.js";
import type { Fields } from "../options/fields.js";
import type { Prompted, TextEmbeds } from "./prompt/prompt-options.js";
import type { Call, Denoised } from "./shared/call.js";
import type { ComponentSource } from "./shared/components.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import { NOISE_START_FIELDS, type NoiseStartOptions } from "./transformer-pipeline.js";
import { loadZImage, Z_IMAGE_FIELDS, Z_IMAGE_PARTS, ZImageBase, type ZImageComponents, type ZImageRequest } from "./z-image-base.js";

/** The options of a text-to-image call of Z-Image. */
export interface ZImageTextToImageOptions extends ZImageRequest, NoiseStartOptions {}

const FIELDS: Fields<ZImageTextToImageOptions> = { ...Z_IMAGE_FIELDS, ...NOISE_START_FIELDS };

/** The request of a call of {@link ZImagePipeline}: its options, with a prompt or embeddings. */
export type ZImageTextToImageRequest = Prompted<ZImageTextToImageOptions, TextEmbeds>;

/**
 * Makes pictures from texts with Z-Image (Z-Image Team 2025, arXiv:2511.22699). Matches diffusers' ZImagePipeline: the same seed gives the
 * same picture.
 */
export class ZImagePipeline extends ZImageBase<ZImageTextToImageRequest> {
  /** The class's name in diffusers. */
  static override readonly className = "ZImagePipeline";
  /** @internal Fields of the parts. */
  static readonly parts = Z_IMAGE_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className = ZImagePipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = Z_IMAGE.workflows.noise.defaults;

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(source: ComponentSource, _index: ModelIndex, given: Partial<ZImageComponents>): Promise<ZImagePipeline> {
    return new ZImagePipeline(await loadZImage(source, given), source);
  }

  protected denoise(call: Call<ZImageTextToImageRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    return this.fromNoise(call);
  }
}
