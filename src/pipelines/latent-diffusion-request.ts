import { abortSignal, type Fields, flag, group, numbers, oneOrList, real, tensor, whole } from "../options/fields.js";
import type { Tensor } from "../tensor/tensor.js";
import { PROMPT_INPUT_FIELDS, type PromptInput, type TextEmbeds } from "./prompt/prompt-options.js";
import { RANDOM_FIELDS, type RandomOptions } from "./shared/arguments.js";
import { GUIDANCE_INTERVAL_FIELDS, type GuidanceInterval } from "./shared/guidance-interval.js";
import { OUTPUT_TYPE, type OutputType } from "./shared/output.js";
import { STEERING_FIELDS, type SteeringOptions } from "./shared/steering.js";
import { STEP_CACHE_FIELDS, type StepCacheOptions } from "./shared/step-cache.js";

/** The options of every latent diffusion call. Names and defaults are those of diffusers. */
export interface LatentDiffusionRequest<Embeds extends TextEmbeds = Tensor> extends PromptInput<Embeds>, RandomOptions, SteeringOptions {
  /** Denoising steps: more steps take longer and show finer detail. 50 by default. */
  readonly numInferenceSteps?: number | undefined;
  /** Instead of a number of steps: the timesteps themselves, for schedulers that take them. */
  readonly timesteps?: readonly number[] | undefined;
  /** Instead of a number of steps: the noise levels themselves, for schedulers that take them. */
  readonly sigmas?: readonly number[] | undefined;
  /**
   * How strongly the picture follows the prompt: 7.5 by default (5 for XL). At 1 and below there is no guidance, which is twice as fast. A
   * list has a number for each step that the run takes.
   */
  readonly guidanceScale?: number | readonly number[] | undefined;
  /** The part of the run in which there is guidance; the whole run by default. */
  readonly guidanceInterval?: GuidanceInterval | undefined;
  /** Step caching: most steps reuse features of an earlier step. This is faster, and the picture differs a little. Off by default. */
  readonly cache?: StepCacheOptions | undefined;
  /**
   * "image" (default) for pictures; "tensor" and "np" for floats in 0..1, "uint8" for 0..255; "latent" for latents that the VAE has not
   * decoded.
   */
  readonly outputType?: OutputType | undefined;
  /** Stops a running call between two steps, and a waiting one at once. The call throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

const GUIDANCE_SCALE = oneOrList(real(), "a finite number, or a list with one for each step");

export const LATENT_DIFFUSION_FIELDS: Fields<LatentDiffusionRequest> = {
  ...PROMPT_INPUT_FIELDS,
  ...RANDOM_FIELDS,
  ...STEERING_FIELDS,
  numInferenceSteps: whole(1),
  timesteps: numbers(),
  sigmas: numbers(),
  guidanceScale: GUIDANCE_SCALE,
  guidanceInterval: group(GUIDANCE_INTERVAL_FIELDS),
  cache: group(STEP_CACHE_FIELDS),
  outputType: OUTPUT_TYPE,
  signal: abortSignal,
};

/** Noise to start from. */
export interface NoiseOptions {
  /** Noise to start from [batch, channels, height / factor, width / factor], of unit variance. */
  readonly latents?: Tensor | undefined;
}

export const NOISE_FIELDS: Fields<NoiseOptions> = { latents: tensor };

/** Whether prompts are encoded for guidance, as in diffusers. For guidance the negative prompts are encoded as well. */
export interface GuidanceOptions {
  /** As for `generate`: above 1 there is guidance. By default the pipeline's own scale. */
  readonly guidanceScale?: number | readonly number[] | undefined;
  /** Whether there is guidance, whatever the guidance scale is. */
  readonly doClassifierFreeGuidance?: boolean | undefined;
}

export const GUIDANCE_FIELDS: Fields<GuidanceOptions> = { guidanceScale: GUIDANCE_SCALE, doClassifierFreeGuidance: flag };

/** Features of prompts, a row for each picture. A request takes them in place of the prompts. */
export interface PromptEmbeds {
  /** Features of the prompts [batch, tokens, features]. */
  readonly promptEmbeds: Tensor;
  /** Features of the negative prompts, of the same shape; only for guidance. */
  readonly negativePromptEmbeds?: Tensor | undefined;
}
