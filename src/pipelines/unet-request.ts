import { FREEU_FIELDS, type FreeUFactors } from "../models/freeu.js";
import { MOST_MERGED } from "../models/token-merging.js";
import { type Fields, group, needed, real, tensor } from "../options/fields.js";
import { IP_ADAPTER_FIELDS, type IPAdapterOptions } from "./adapters/ip-adapters.js";
import { LATENT_DIFFUSION_FIELDS, type LatentDiffusionRequest, type NoiseOptions } from "./latent-diffusion-request.js";
import { PROMPT_FIELDS, type PromptOptions } from "./prompt/prompt-options.js";
import { type ImageInput, imageInput } from "./shared/image-inputs.js";
import { PERTURBED_GUIDANCE_FIELDS, type PerturbedGuidanceOptions } from "./shared/perturbed-guidance.js";

/** The options of every call of a pipeline with a UNet. */
export interface UNetRequest extends LatentDiffusionRequest, PromptOptions, IPAdapterOptions, PerturbedGuidanceOptions {
  /**
   * Restores the contrast that strong guidance changes (Lin et al. 2023, section 3.4): from 0, the default, which is off, to 1. As in
   * diffusers, larger numbers are allowed.
   */
  readonly guidanceRescale?: number | undefined;
  /**
   * FreeU for this call (Si et al. 2023): amplifies the backbone and damps low frequencies of the skips. By default what `enableFreeU` set.
   */
  readonly freeU?: FreeUFactors | undefined;
  /**
   * Token merging (Bolya & Hoffman 2023): before self-attention in the finest blocks of the UNet that have any, this share of the tokens, 0
   * to 0.75, is merged into similar ones. This is faster for large pictures, and the picture differs. None by default. Matches the Python
   * package tomesd with `use_rand=False`.
   */
  readonly tokenMerging?: number | undefined;
  /**
   * DDIM's share of fresh noise at every step: 0, the default, is none, 1 is as much as in DDPM. Other schedulers ignore it. As in
   * diffusers, larger numbers are allowed; a warning says that the picture may become black.
   */
  readonly eta?: number | undefined;
}

export const UNET_FIELDS: Fields<UNetRequest> = {
  ...LATENT_DIFFUSION_FIELDS,
  ...PROMPT_FIELDS,
  ...IP_ADAPTER_FIELDS,
  guidanceRescale: real(0),
  freeU: group(FREEU_FIELDS),
  tokenMerging: real(0, MOST_MERGED),
  ...PERTURBED_GUIDANCE_FIELDS,
  eta: real(0),
};

/** The options of a call that edits a picture. */
export interface EditOptions extends NoiseOptions {
  /**
   * The picture to change, or a list with one for each prompt. A tensor has values in 0..1, or is latents as the autoencoder's mode has
   * them.
   */
  readonly image: ImageInput;
  /**
   * How strongly the result stays like the given picture: 1.5 by default, at least 1. Below 1 there is no guidance at all, as in diffusers.
   */
  readonly imageGuidanceScale?: number | undefined;
}

export const EDIT_FIELDS: Fields<EditOptions> = {
  image: needed(imageInput, "image is the picture to change"),
  imageGuidanceScale: real(),
  latents: tensor,
};
