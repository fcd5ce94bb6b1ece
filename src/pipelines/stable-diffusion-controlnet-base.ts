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
  loadStableDiffusion,
  STABLE_DIFFUSION_PARTS,
  StableDiffusionBase,
  type StableDiffusionComponents,
} from "./stable-diffusion-base.js";
import type { UNetRequest } from "./unet-request.js";

/** The parts of Stable Diffusion with one or several ControlNets. */
export interface StableDiffusionControlNetComponents extends StableDiffusionComponents, ControlNetComponents {}

export const STABLE_DIFFUSION_CONTROLNET_PARTS: Fields<StableDiffusionControlNetComponents> = {
  ...STABLE_DIFFUSION_PARTS,
  ...CONTROLNET_PARTS,
};

/** What the pipelines of Stable Diffusion 1.x and 2.x with ControlNets share (Zhang et al. 2023). */
export abstract class StableDiffusionControlNetBase<Request extends UNetRequest & ControlNetOptions> extends StableDiffusionBase<Request> {
  /** The ControlNets; their residuals are summed. */
  controlnet: readonly ControlNetModel[];
  protected override readonly repaintsAtOwnSize = true;

  /** Makes a pipeline of parts that the caller loaded. The caller disposes them. */
  constructor(components: StableDiffusionControlNetComponents, source?: ComponentSource) {
    expectParts(new.target.className, components, STABLE_DIFFUSION_CONTROLNET_PARTS);
    super(components, source);
    this.controlnet = controlNetsOf(components);
  }

  /** The parts, by diffusers' names in camelCase: `new OtherPipeline(pipe.components)`. */
  override get components(): StableDiffusionControlNetComponents {
    return super.components as StableDiffusionControlNetComponents;
  }

  /** The option that has the controlling pictures. */
  protected readonly controlArgument: "image" | "controlImage" = "controlImage";

  protected override control(call: Call<Request>, fit: ControlFit): Promise<Control> {
    const { controlnet: nets, controlArgument: argument, defaults, vae } = this;
    return prepareControlNets({ nets, call, argument, fit, vae, scale: defaults.control, poolingGuesses: true });
  }
}

/** Loads the parts that are not in `given`. */
export async function loadStableDiffusionControlNet(
  source: ComponentSource,
  given: Partial<StableDiffusionControlNetComponents>,
): Promise<StableDiffusionControlNetComponents> {
  const [components, controlnet] = await Promise.all([loadStableDiffusion(source, given), loadControlNets(source, given)]);
  return { ...components, controlnet };
}
