import { described, type Fields, group, oneOf, real, whole } from "../options/fields.js";

/** How the picture of the first pass becomes larger. */
export const HIRES_UPSCALERS = ["lanczos", "latent"] as const;

/** How the picture of the first pass becomes larger. */
export type HiresUpscaler = (typeof HIRES_UPSCALERS)[number];

/** A second pass that makes the picture larger, with detail of its own ("hires fix" of AUTOMATIC1111's web UI). */
export interface HiresOptions {
  /** How many times as wide and high the result is; 2 by default. */
  readonly scale?: number | undefined;
  /** Denoising steps of the second pass, all of which are taken; as many as in the first by default. */
  readonly steps?: number | undefined;
  /** How much of the larger picture the second pass changes, from 0 (it is only made larger) to 1; 0.7 by default. */
  readonly strength?: number | undefined;
  /** lanczos, the default, makes the decoded picture larger; latent the latents, which needs a strength above 0.5. */
  readonly upscaler?: HiresUpscaler | undefined;
}

/** The defaults of {@link HiresOptions}; those of the web UI, but for the upscaler. */
export const HIRES_DEFAULTS = { scale: 2, strength: 0.7, upscaler: "lanczos" } as const;

/** The options of {@link HiresOptions}. */
export const HIRES_FIELDS: Fields<HiresOptions> = {
  scale: described("How many times as wide and high the result is; 2 by default.", real(1, 8)),
  steps: described("Denoising steps of the second pass, all of which are taken; as many as in the first by default.", whole(1)),
  strength: described(
    "How much of the larger picture the second pass changes, from 0 (it is only made larger) to 1; 0.7 by default.",
    real(0, 1),
  ),
  upscaler: described(
    "lanczos, the default, makes the decoded picture larger; latent the latents, which needs a strength above 0.5.",
    oneOf(...HIRES_UPSCALERS),
  ),
};

/** The option of requests. */
export interface HiresRequest {
  /** A second pass that makes the picture larger, with the same prompt, seed and networks: { scale, steps, strength }. Off by default. */
  readonly hires?: HiresOptions | undefined;
}

/** The option of {@link HiresRequest}. */
export const HIRES_REQUEST_FIELDS: Fields<HiresRequest> = {
  hires: described(
    "A second pass that makes the picture larger, with the same prompt, seed and networks: { scale, steps, strength }. Off by default.",
    group(HIRES_FIELDS),
  ),
};
