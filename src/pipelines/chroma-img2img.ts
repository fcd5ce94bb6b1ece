import type { ModelIndex } from "../checkpoint/model-index.js";
import { CHROMA } from "../families/flux.js";
import type { Fields } from "../options/fields.js";
import { CHROMA_FIELDS, CHROMA_PARTS, ChromaBase, type ChromaComponents, type ChromaRequest, loadChroma } from "./chroma-base.js";
import type { Prompted } from "./prompt/prompt-options.js";
import type { Call, Denoised } from "./shared/call.js";
import type { ComponentSource } from "./shared/components.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import { PICTURE_START_FIELDS, type PictureStartOptions } from "./transformer-pipeline.js";

/** The options of an image-to-image call of Chroma. */
export interface ChromaImg2ImgOptions extends ChromaRequest, PictureStartOptions {}

const FIELDS: Fields<ChromaImg2ImgOptions> = { ...CHROMA_FIELDS, ...PICTURE_START_FIELDS };

/** The request of a call of {@link ChromaImg2ImgPipeline}: its options, with a prompt or embeddings. */
export type ChromaImg2ImgRequest = Prompted<ChromaImg2ImgOptions>;

/** Makes pictures from a picture and a text with Chroma. Matches diffusers' ChromaImg2ImgPipeline. */
export class ChromaImg2ImgPipeline extends ChromaBase<ChromaImg2ImgRequest> {
  /** The class's name in diffusers. */
  static override readonly className = "ChromaImg2ImgPipeline";
  /** @internal Fields of the parts. */
  static readonly parts = CHROMA_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className = ChromaImg2ImgPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = CHROMA.workflows.image.defaults;

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(source: ComponentSource, _index: ModelIndex, given: Partial<ChromaComponents>): Promise<ChromaImg2ImgPipeline> {
    return new ChromaImg2ImgPipeline(await loadChroma(source, given), source);
  }

  protected denoise(call: Call<ChromaImg2ImgRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    return this.fromPicture(call);
  }
}
