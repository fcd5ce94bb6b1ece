import type { ModelIndex } from "../checkpoint/model-index.js";
import { XL_WORKFLOWS } from "../families/stable-diffusion-xl.js";
import type { Fields } from "../options/fields.js";
import { CONTROLNET_FIELDS, type ControlNetOptions } from "./adapters/controlnets.js";
import { NOISE_FIELDS, type NoiseOptions } from "./latent-diffusion-request.js";
import type { Prompted } from "./prompt/prompt-options.js";
import { SIZE_FIELDS, type SizeOptions } from "./shared/arguments.js";
import type { Call, Denoised } from "./shared/call.js";
import type { ComponentSource } from "./shared/components.js";
import { type ControlImages, controlImagesField } from "./shared/control-images.js";
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
  loadStableDiffusionXLControlNet,
  StableDiffusionXLControlNetBase,
  type StableDiffusionXLControlNetComponents,
  XL_CONTROLNET_PARTS,
} from "./stable-diffusion-xl-controlnet-base.js";

/** The options of a text-to-image call of XL with ControlNets. */
export interface StableDiffusionXLControlNetOptions
  extends StableDiffusionXLCommonRequest,
    SizeOptions,
    NoiseOptions,
    ControlNetOptions,
    Pick<TimestepRangeOptions, "denoisingEnd"> {
  /** The controlling pictures. They are resized to `width` and `height`; without these, all must have one size, which is the result's. */
  readonly image: ControlImages;
}

const FIELDS: Fields<StableDiffusionXLControlNetOptions> = {
  ...XL_FIELDS,
  ...SIZE_FIELDS,
  image: controlImagesField("image"),
  ...CONTROLNET_FIELDS,
  denoisingEnd: TIMESTEP_RANGE_FIELDS.denoisingEnd,
  ...NOISE_FIELDS,
};

/** The request of a call of {@link StableDiffusionXLControlNetPipeline}: its options, with a prompt or embeddings. */
export type StableDiffusionXLControlNetRequest = Prompted<StableDiffusionXLControlNetOptions>;

/**
 * Makes pictures from texts with Stable Diffusion XL, controlled by edges, depth, poses ... Matches diffusers'
 * StableDiffusionXLControlNetPipeline.
 */
export class StableDiffusionXLControlNetPipeline extends StableDiffusionXLControlNetBase<StableDiffusionXLControlNetRequest> {
  /** The class's name in diffusers. */
  static override readonly className: "StableDiffusionXLControlNetPipeline" | "StableDiffusionXLControlNetPAGPipeline" =
    "StableDiffusionXLControlNetPipeline";
  /** @internal Fields of the parts. */
  static readonly parts = XL_CONTROLNET_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className: "StableDiffusionXLControlNetPipeline" | "StableDiffusionXLControlNetPAGPipeline" =
    StableDiffusionXLControlNetPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = XL_WORKFLOWS["controlnet-noise"].defaults;
  protected override readonly controlArgument = "image";
  protected override readonly interleavesTimeIds = true;

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(
    source: ComponentSource,
    index: ModelIndex,
    given: Partial<StableDiffusionXLControlNetComponents>,
  ): Promise<StableDiffusionXLControlNetPipeline> {
    return new StableDiffusionXLControlNetPipeline(await loadStableDiffusionXLControlNet(source, given), settingsXL(index), source);
  }

  protected denoise(call: Call<StableDiffusionXLControlNetRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    return this.fromNoise(call);
  }

  protected timeIds(request: StableDiffusionXLControlNetRequest, size: Pair): TimeIds {
    return noiseTimeIds(request, size);
  }
}
