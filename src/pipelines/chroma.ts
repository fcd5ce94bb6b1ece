import type { ModelIndex } from "../checkpoint/model-index.js";
import { CHROMA } from "../families/flux.js";
import type { Fields } from "../options/fields.js";
import { CHROMA_FIELDS, CHROMA_PARTS, ChromaBase, type ChromaComponents, type ChromaRequest, loadChroma } from "./chroma-base.js";
import type { Prompted } from "./prompt/prompt-options.js";
import type { Call, Denoised } from "./shared/call.js";
import type { ComponentSource } from "./shared/components.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import { NOISE_START_FIELDS, type NoiseStartOptions } from "./transformer-pipeline.js";

/** The options of a text-to-image call of Chroma. */
export interface ChromaOptions extends ChromaRequest, NoiseStartOptions {}

const FIELDS: Fields<ChromaOptions> = { ...CHROMA_FIELDS, ...NOISE_START_FIELDS };

/** The request of a call of {@link ChromaPipeline}: its options, with a prompt or embeddings. */
export type ChromaTextToImageRequest = Prompted<ChromaOptions>;

/** Makes pictures from texts with Chroma (lodestones 2025). Matches diffusers' ChromaPipeline: the same seed gives the same picture. */
export class ChromaPipeline extends ChromaBase<ChromaTextToImageRequest> {
  /** The class's name in diffusers. */
  static override readonly className = "ChromaPipeline";
  /** @internal Fields of the parts. */
  static readonly parts = CHROMA_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className = ChromaPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = CHROMA.workflows.noise.defaults;

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(source: ComponentSource, _index: ModelIndex, given: Partial<ChromaComponents>): Promise<ChromaPipeline> {
    return new ChromaPipeline(await loadChroma(source, given), source);
  }

  protected denoise(call: Call<ChromaTextToImageRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    return this.fromNoise(call);
  }
}
