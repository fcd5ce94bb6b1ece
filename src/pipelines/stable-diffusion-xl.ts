import type { ModelIndex } from "../checkpoint/model-index.js";
import { XL_WORKFLOWS } from "../families/stable-diffusion-xl.js";
import type { Fields } from "../options/fields.js";
import { NOISE_FIELDS, type NoiseOptions } from "./latent-diffusion-request.js";
import type { Prompted } from "./prompt/prompt-options.js";
import { SIZE_FIELDS, type SizeOptions } from "./shared/arguments.js";
import type { Call, Denoised } from "./shared/call.js";
import type { ComponentSource } from "./shared/components.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import { TIMESTEP_RANGE_FIELDS, type TimestepRangeOptions } from "./shared/timesteps.js";
import {
  loadStableDiffusionXL,
  noiseTimeIds,
  type Pair,
  StableDiffusionXLBase,
  type StableDiffusionXLCommonRequest,
  type StableDiffusionXLComponents,
  settingsXL,
  type TimeIds,
  XL_FIELDS,
  XL_PARTS,
} from "./stable-diffusion-xl-base.js";

/** The options of a text-to-image call of XL. */
export interface StableDiffusionXLOptions
  extends StableDiffusionXLCommonRequest,
    SizeOptions,
    NoiseOptions,
    Pick<TimestepRangeOptions, "denoisingEnd"> {}

const FIELDS: Fields<StableDiffusionXLOptions> = {
  ...XL_FIELDS,
  ...SIZE_FIELDS,
  denoisingEnd: TIMESTEP_RANGE_FIELDS.denoisingEnd,
  ...NOISE_FIELDS,
};

/** The request of a call of {@link StableDiffusionXLPipeline}: its options, with a prompt or embeddings. */
export type StableDiffusionXLRequest = Prompted<StableDiffusionXLOptions>;

/** Makes pictures from texts with Stable Diffusion XL (Podell et al. 2023). Matches diffusers' StableDiffusionXLPipeline. */
export class StableDiffusionXLPipeline extends StableDiffusionXLBase<StableDiffusionXLRequest> {
  /** The class's name in diffusers. */
  static override readonly className: "StableDiffusionXLPipeline" | "StableDiffusionXLPAGPipeline" = "StableDiffusionXLPipeline";
  /** @internal Fields of the parts. */
  static readonly parts = XL_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className: "StableDiffusionXLPipeline" | "StableDiffusionXLPAGPipeline" = StableDiffusionXLPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = XL_WORKFLOWS.noise.defaults;
  protected override readonly interleavesTimeIds = true;

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(
    source: ComponentSource,
    index: ModelIndex,
    given: Partial<StableDiffusionXLComponents>,
  ): Promise<StableDiffusionXLPipeline> {
    return new StableDiffusionXLPipeline(await loadStableDiffusionXL(source, given), settingsXL(index), source);
  }

  protected denoise(call: Call<StableDiffusionXLRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    return this.fromNoise(call);
  }

  // As in diffusers; only in this pipeline.
  protected override planFromNoise(call: Call<StableDiffusionXLRequest>): readonly number[] {
    const planned = super.planFromNoise(call);
    call.scheduler.setBeginIndex?.(0);
    return planned;
  }

  protected timeIds(request: StableDiffusionXLRequest, size: Pair): TimeIds {
    return noiseTimeIds(request, size);
  }
}
