import { abortSignal, type Fields, flag, group, numbers, real, tensor, whole } from "../options/fields.js";
import type { Tensor } from "../tensor/tensor.js";
import { PROMPT_INPUT_FIELDS, type PromptInput } from "./prompt/prompt-options.js";
import { RANDOM_FIELDS, type RandomOptions } from "./shared/arguments.js";
import { OUTPUT_TYPE, type OutputType } from "./shared/output.js";
import { STEP_CACHE_FIELDS, type StepCacheOptions } from "./shared/step-cache.js";

/** What every latent diffusion call can be asked for. Names and defaults are those of diffusers. */
export interface LatentDiffusionRequest extends PromptInput, RandomOptions {
  /** Denoising steps; more are slower and finer. 50 by default. */
  readonly numInferenceSteps?: number | undefined;
  /** Instead of a number of steps: the timesteps themselves, for schedulers that take them. */
  readonly timesteps?: readonly number[] | undefined;
  /** Instead of a number of steps: the noise levels themselves, for schedulers that take them. */
  readonly sigmas?: readonly number[] | undefined;
  /** How strongly the picture follows the prompt: 7.5 by default (5 for XL); 1 and below is without guidance and twice as fast. */
  readonly guidanceScale?: number | undefined;
  /** Computes most steps from what an earlier one left behind: quicker, and not quite the same picture. Never without being asked for. */
  readonly cache?: StepCacheOptions | undefined;
  /** "image" (default) for pictures, "tensor" for floats in 0..1, "latent" for what the VAE would decode. */
  readonly outputType?: OutputType | undefined;
  /** Stops a running call between two steps, and a waiting one at once. The call throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

export const LATENT_DIFFUSION_FIELDS: Fields<LatentDiffusionRequest> = {
  ...PROMPT_INPUT_FIELDS,
  ...RANDOM_FIELDS,
  numInferenceSteps: whole(1),
  timesteps: numbers(),
  sigmas: numbers(),
  guidanceScale: real(),
  cache: group(STEP_CACHE_FIELDS),
  outputType: OUTPUT_TYPE,
  signal: abortSignal,
};

/** Height and width of a picture made from nothing. */
export interface SizeOptions {
  /** Pixels; multiples of the VAE's factor. By default the size the UNet was trained on. */
  readonly height?: number | undefined;
  /** Pixels; as `height`. */
  readonly width?: number | undefined;
}

export const SIZE_FIELDS: Fields<SizeOptions> = { height: whole(1), width: whole(1) };

/** Noise that a call may be given. */
export interface NoiseOptions {
  /** Noise to start from [batch, channels, height / factor, width / factor], of unit variance. */
  readonly latents?: Tensor | undefined;
}

export const NOISE_FIELDS: Fields<NoiseOptions> = { latents: tensor };

/** Whether prompts are encoded for guidance, as in diffusers: then negative ones are too. */
export interface GuidanceOptions {
  /** As for `generate`: above 1 is with guidance. The pipeline's own by default. */
  readonly guidanceScale?: number | undefined;
  /** Decides instead of the guidance scale. */
  readonly doClassifierFreeGuidance?: boolean | undefined;
}

export const GUIDANCE_FIELDS: Fields<GuidanceOptions> = { guidanceScale: real(), doClassifierFreeGuidance: flag };

/** What a text encoder makes of prompts, a row for each picture; a request takes them instead of the prompts. */
export interface PromptEmbeds {
  /** [batch, tokens, features] */
  readonly promptEmbeds: Tensor;
  /** Of the same shape, where guidance asks for it. */
  readonly negativePromptEmbeds?: Tensor | undefined;
}
