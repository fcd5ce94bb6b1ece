import type { ControlNetModel } from "../models/controlnet.js";
import type { Fields } from "../options/fields.js";
import {
  CONTROLNET_PARTS,
  type ControlNetComponents,
  type ControlNetOptions,
  controlNetsOf,
  loadControlNets,
  prepareControlNets,
} from "./adapters/controlnets.js";
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

/** The parts of Stable Diffusion XL with one or several ControlNets. */
export interface StableDiffusionXLControlNetComponents extends StableDiffusionXLComponents, ControlNetComponents {}

export const XL_CONTROLNET_PARTS: Fields<StableDiffusionXLControlNetComponents> = {
  ...XL_PARTS,
  ...CONTROLNET_PARTS,
};

/** What the pipelines of Stable Diffusion XL with ControlNets share (Zhang et al. 2023). */
export abstract class StableDiffusionXLControlNetBase<
  Request extends StableDiffusionXLCommonRequest & ControlNetOptions,
> extends StableDiffusionXLBase<Request> {
  /** The ControlNets; their residuals are summed. */
  controlnet: readonly ControlNetModel[];
  protected override readonly repaintsAtOwnSize = true;

  /** Makes a pipeline of parts that the caller loaded. The caller disposes them. */
  constructor(components: StableDiffusionXLControlNetComponents, settings: StableDiffusionXLSettings = {}, source?: ComponentSource) {
    expectParts(new.target.className, components, XL_CONTROLNET_PARTS);
    super(components, settings, source);
    this.controlnet = controlNetsOf(components);
  }

  /** The parts, by diffusers' names in camelCase: `new OtherPipeline(pipe.components)`. */
  override get components(): StableDiffusionXLControlNetComponents {
    return super.components as StableDiffusionXLControlNetComponents;
  }

  /** The option that has the controlling pictures. */
  protected readonly controlArgument: "image" | "controlImage" = "controlImage";

  /** Whether ControlNets that average their residuals over the picture always act as in guess mode. */
  protected readonly poolingGuesses: boolean = true;

  protected override control(call: Call<Request>, fit: ControlFit): Promise<Control> {
    const { controlnet: nets, controlArgument: argument, defaults, vae, poolingGuesses } = this;
    return prepareControlNets({ nets, call, argument, fit, vae, scale: defaults.control, poolingGuesses });
  }
}

/** Loads the parts that are not in `given`. */
export async function loadStableDiffusionXLControlNet(
  source: ComponentSource,
  given: Partial<StableDiffusionXLControlNetComponents>,
): Promise<StableDiffusionXLControlNetComponents> {
  const [components, controlnet] = await Promise.all([loadStableDiffusionXL(source, given), loadControlNets(source, given)]);
  return { ...components, controlnet };
}
