import type { ModelIndex } from "../checkpoint/model-index.js";
import { STABLE_DIFFUSION_3 } from "../families/stable-diffusion-3.js";
import type { Fields } from "../options/fields.js";
import type { Prompted } from "./prompt/prompt-options.js";
import type { Call, Denoised } from "./shared/call.js";
import type { ComponentSource } from "./shared/components.js";
import type { LatentScale } from "./shared/latents.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import {
  loadStableDiffusion3,
  STABLE_DIFFUSION_3_FIELDS,
  STABLE_DIFFUSION_3_PARTS,
  StableDiffusion3Base,
  type StableDiffusion3Common,
  type StableDiffusion3Components,
} from "./stable-diffusion-3-base.js";
import { REPAINT_FIELDS, type RepaintOptions } from "./transformer-pipeline.js";

/** The options of an inpainting call of Stable Diffusion 3. */
export interface StableDiffusion3InpaintOptions extends StableDiffusion3Common, RepaintOptions {}

const FIELDS: Fields<StableDiffusion3InpaintOptions> = { ...STABLE_DIFFUSION_3_FIELDS, ...REPAINT_FIELDS };

/** The request of a call of {@link StableDiffusion3InpaintPipeline}: its options, with a prompt or embeddings. */
export type StableDiffusion3InpaintRequest = Prompted<StableDiffusion3InpaintOptions>;

/** Repaints the masked part of a picture with Stable Diffusion 3. Matches diffusers' StableDiffusion3InpaintPipeline. */
export class StableDiffusion3InpaintPipeline extends StableDiffusion3Base<StableDiffusion3InpaintRequest> {
  /** The class's name in diffusers. */
  static override readonly className = "StableDiffusion3InpaintPipeline";
  /** @internal Fields of the parts. */
  static readonly parts = STABLE_DIFFUSION_3_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className = StableDiffusion3InpaintPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = STABLE_DIFFUSION_3.workflows.mask.defaults;

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(
    source: ComponentSource,
    _index: ModelIndex,
    given: Partial<StableDiffusion3Components>,
  ): Promise<StableDiffusion3InpaintPipeline> {
    return new StableDiffusion3InpaintPipeline(await loadStableDiffusion3(source, given), source);
  }

  /** As in diffusers' pipeline, the shift of the latents stays in them when they are decoded. */
  protected override get latentScale(): LatentScale {
    return { ...super.latentScale, shiftFactor: null };
  }

  protected denoise(call: Call<StableDiffusion3InpaintRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    return this.repaint(call);
  }
}
