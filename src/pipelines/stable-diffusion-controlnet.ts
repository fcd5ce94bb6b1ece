import type { ModelIndex } from "../checkpoint/model-index.js";
import { WORKFLOWS } from "../families/stable-diffusion.js";
import type { Fields } from "../options/fields.js";
import { CONTROLNET_FIELDS, type ControlNetOptions } from "./adapters/controlnets.js";
import { NOISE_FIELDS, type NoiseOptions } from "./latent-diffusion-request.js";
import type { Prompted } from "./prompt/prompt-options.js";
import { SIZE_FIELDS, type SizeOptions } from "./shared/arguments.js";
import type { Call, Denoised } from "./shared/call.js";
import type { ComponentSource } from "./shared/components.js";
import { type ControlImages, controlImagesField } from "./shared/control-images.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import {
  loadStableDiffusionControlNet,
  STABLE_DIFFUSION_CONTROLNET_PARTS,
  StableDiffusionControlNetBase,
  type StableDiffusionControlNetComponents,
} from "./stable-diffusion-controlnet-base.js";
import { UNET_FIELDS, type UNetRequest } from "./unet-request.js";

/** The options of a text-to-image call with ControlNets. */
export interface StableDiffusionControlNetOptions extends UNetRequest, SizeOptions, NoiseOptions, ControlNetOptions {
  /** The controlling pictures. They are resized to `width` and `height`; without these, all must have one size, which is the result's. */
  readonly image: ControlImages;
}

const FIELDS: Fields<StableDiffusionControlNetOptions> = {
  ...UNET_FIELDS,
  ...SIZE_FIELDS,
  image: controlImagesField("image"),
  ...CONTROLNET_FIELDS,
  ...NOISE_FIELDS,
};

/** The request of a call of {@link StableDiffusionControlNetPipeline}: its options, with a prompt or embeddings. */
export type StableDiffusionControlNetRequest = Prompted<StableDiffusionControlNetOptions>;

/**
 * Makes pictures from texts, controlled by edges, depth, poses ... (Zhang et al. 2023). Matches diffusers'
 * StableDiffusionControlNetPipeline.
 */
export class StableDiffusionControlNetPipeline extends StableDiffusionControlNetBase<StableDiffusionControlNetRequest> {
  /** The class's name in diffusers. */
  static override readonly className: "StableDiffusionControlNetPipeline" | "StableDiffusionControlNetPAGPipeline" =
    "StableDiffusionControlNetPipeline";
  /** @internal Fields of the parts. */
  static readonly parts = STABLE_DIFFUSION_CONTROLNET_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className: "StableDiffusionControlNetPipeline" | "StableDiffusionControlNetPAGPipeline" =
    StableDiffusionControlNetPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = WORKFLOWS["controlnet-noise"].defaults;
  protected override readonly controlArgument = "image";

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(
    source: ComponentSource,
    _index: ModelIndex,
    given: Partial<StableDiffusionControlNetComponents>,
  ): Promise<StableDiffusionControlNetPipeline> {
    return new StableDiffusionControlNetPipeline(await loadStableDiffusionControlNet(source, given), source);
  }

  protected denoise(call: Call<StableDiffusionControlNetRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    return this.fromNoise(call);
  }
}
