import type { ControlNetUnionModel } from "../models/controlnet-union.js";
import type { Fields } from "../options/fields.js";
import {
  CONTROLNET_UNION_PARTS,
  type ControlNetUnionComponents,
  type ControlNetUnionOptions,
  controlNetUnionsOf,
  loadControlNetUnions,
  prepareControlNetUnions,
} from "./adapters/controlnet-unions.js";
import type { Call } from "./shared/call.js";
import { type ComponentSource, expectParts } from "./shared/components.js";
import type { Control, ControlFit } from "./shared/control.js";
import {
  loadStableDiffusionXL,
  StableDiffusionXLBase,
  type StableDiffusionXLCommonRequest,
  type StableDiffusionXLComponents,
  type StableDiffusionXLSettings,
  XL_PARTS,
} from "./stable-diffusion-xl-base.js";

/** The parts of Stable Diffusion XL with one or several ControlNet Unions. */
export interface StableDiffusionXLControlNetUnionComponents extends StableDiffusionXLComponents, ControlNetUnionComponents {}

export const XL_CONTROLNET_UNION_PARTS: Fields<StableDiffusionXLControlNetUnionComponents> = {
  ...XL_PARTS,
  ...CONTROLNET_UNION_PARTS,
};

/** What the pipelines of Stable Diffusion XL with ControlNet Unions share. */
export abstract class StableDiffusionXLControlNetUnionBase<
  Request extends StableDiffusionXLCommonRequest & ControlNetUnionOptions,
> extends StableDiffusionXLBase<Request> {
  /** The ControlNet Unions; their residuals are summed. */
  controlnet: readonly ControlNetUnionModel[];
  protected override readonly repaintsAtOwnSize = true;

  /** Makes a pipeline of parts that the caller loaded. The caller disposes them. */
  constructor(components: StableDiffusionXLControlNetUnionComponents, settings: StableDiffusionXLSettings = {}, source?: ComponentSource) {
    expectParts(new.target.className, components, XL_CONTROLNET_UNION_PARTS);
    super(components, settings, source);
    this.controlnet = controlNetUnionsOf(components);
  }

  /** The parts, by diffusers' names in camelCase: `new OtherPipeline(pipe.components)`. */
  override get components(): StableDiffusionXLControlNetUnionComponents {
    return super.components as StableDiffusionXLControlNetUnionComponents;
  }

  /** Whether networks that average their residuals over the picture always act as in guess mode. */
  protected readonly poolingGuesses: boolean = true;

  protected override control(call: Call<Request>, fit: ControlFit): Promise<Control> {
    const { controlnet: nets, defaults, vae, poolingGuesses } = this;
    return prepareControlNetUnions({ nets, call, fit, vae, scale: defaults.control, poolingGuesses });
  }
}

/** Loads the parts that are not in `given`. */
export async function loadStableDiffusionXLControlNetUnion(
  source: ComponentSource,
  given: Partial<StableDiffusionXLControlNetUnionComponents>,
): Promise<StableDiffusionXLControlNetUnionComponents> {
  const [components, controlnet] = await Promise.all([loadStableDiffusionXL(source, given), loadControlNetUnions(source, given)]);
  return { ...components, controlnet };
}
