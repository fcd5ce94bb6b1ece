import type { LoraPart } from "../lora/lora-names.js";
import { type UNet2DConditionInputs, UNet2DConditionModel } from "../models/unet-2d-condition.js";
import { type Fields, instanceOf } from "../options/fields.js";
import type { LoraNetwork, LoraNetworks } from "./adapters/lora-adapters.js";
import { LATENT_DIFFUSION_PARTS, type LatentDiffusionComponents, LatentDiffusionPipeline } from "./latent-diffusion.js";
import type { LatentDiffusionRequest } from "./latent-diffusion-request.js";
import { type ComponentSource, part } from "./shared/components.js";
import type { Denoiser } from "./shared/denoiser.js";

/** The parts of every pipeline with a UNet that is conditioned by texts. */
export interface UNetComponents extends LatentDiffusionComponents {
  /** The denoising network. */
  readonly unet: UNet2DConditionModel;
}

export const UNET_PARTS: Fields<UNetComponents> = { ...LATENT_DIFFUSION_PARTS, unet: part(instanceOf(UNet2DConditionModel)) };

/** What Stable Diffusion 1, 2 and XL share: a UNet that is conditioned by CLIP's features of texts. */
export abstract class UNetPipeline<Request extends LatentDiffusionRequest> extends LatentDiffusionPipeline<Request> {
  /** The denoising network. */
  unet: UNet2DConditionModel;

  constructor(components: UNetComponents, source?: ComponentSource) {
    super(components, source);
    this.unet = components.unet;
  }

  protected get denoiser(): Denoiser<UNet2DConditionInputs> {
    return this.unet;
  }

  protected override get loraNetworks(): LoraNetworks {
    return new Map<LoraPart, LoraNetwork>([
      ["unet", this.unet],
      ...this.promptReader.encoders.map(({ name, model }) => [name, model] as const),
    ]);
  }

  /** A UNet that was distilled for guidance takes the guidance scale as an input instead. */
  protected override isGuided(guidanceScale: number): boolean {
    return super.isGuided(guidanceScale) && !this.unet.config.timeCondProjDim;
  }
}
