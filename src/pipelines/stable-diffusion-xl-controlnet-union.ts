import type { ModelIndex } from "../checkpoint/model-index.js";
import { XL_WORKFLOWS } from "../families/stable-diffusion-xl.js";
import type { Fields } from "../options/fields.js";
import { CONTROLNET_UNION_FIELDS, type ControlNetUnionOptions } from "./adapters/controlnet-unions.js";
import { NOISE_FIELDS, type NoiseOptions } from "./latent-diffusion-request.js";
import type { Prompted } from "./prompt/prompt-options.js";
import { SIZE_FIELDS, type SizeOptions } from "./shared/arguments.js";
import type { Call, Denoised } from "./shared/call.js";
import type { ComponentSource } from "./shared/components.js";
import { CONTROL_IMAGE_FIELDS } from "./shared/control-images.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import { TIMESTEP_RANGE_FIELDS, type TimestepRangeOptions } from "./shared/timesteps.js";
import {
  noiseTimeIds,
  type Pair,
  type StableDiffusionXLCommonRequest,
  settingsXL,
  type TimeIds,
  XL_FIELDS,
} from "./stable-diffusion-xl-base.js";
import {
  loadStableDiffusionXLControlNetUnion,
  StableDiffusionXLControlNetUnionBase,
  type StableDiffusionXLControlNetUnionComponents,
  XL_CONTROLNET_UNION_PARTS,
} from "./stable-diffusion-xl-controlnet-union-base.js";

/** The options of a text-to-image call of XL with ControlNet Unions. */
export interface StableDiffusionXLControlNetUnionOptions
  extends StableDiffusionXLCommonRequest,
    SizeOptions,
    NoiseOptions,
    ControlNetUnionOptions,
    Pick<TimestepRangeOptions, "denoisingEnd"> {}

const FIELDS: Fields<StableDiffusionXLControlNetUnionOptions> = {
  ...XL_FIELDS,
  ...SIZE_FIELDS,
  ...CONTROL_IMAGE_FIELDS,
  ...CONTROLNET_UNION_FIELDS,
  denoisingEnd: TIMESTEP_RANGE_FIELDS.denoisingEnd,
  ...NOISE_FIELDS,
};

/** The request of a call of {@link StableDiffusionXLControlNetUnionPipeline}: its options, with a prompt or embeddings. */
export type StableDiffusionXLControlNetUnionRequest = Prompted<StableDiffusionXLControlNetUnionOptions>;

/**
 * Makes pictures from texts with Stable Diffusion XL, controlled by one ControlNet for many types of control. Matches diffusers'
 * StableDiffusionXLControlNetUnionPipeline.
 */
export class StableDiffusionXLControlNetUnionPipeline extends StableDiffusionXLControlNetUnionBase<StableDiffusionXLControlNetUnionRequest> {
  /** The class's name in diffusers. */
  static override readonly className = "StableDiffusionXLControlNetUnionPipeline";
  /** @internal Fields of the parts. */
  static readonly parts = XL_CONTROLNET_UNION_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className = StableDiffusionXLControlNetUnionPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = XL_WORKFLOWS["union-noise"].defaults;
  protected override readonly interleavesTimeIds = true;

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(
    source: ComponentSource,
    index: ModelIndex,
    given: Partial<StableDiffusionXLControlNetUnionComponents>,
  ): Promise<StableDiffusionXLControlNetUnionPipeline> {
    return new StableDiffusionXLControlNetUnionPipeline(
      await loadStableDiffusionXLControlNetUnion(source, given),
      settingsXL(index),
      source,
    );
  }

  protected denoise(call: Call<StableDiffusionXLControlNetUnionRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    return this.fromNoise(call);
  }

  protected timeIds(request: StableDiffusionXLControlNetUnionRequest, size: Pair): TimeIds {
    return noiseTimeIds(request, size);
  }
}
