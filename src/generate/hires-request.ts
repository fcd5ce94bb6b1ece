import * as v from "valibot";
import { described, type Fields, field, group, real, whole, withJson } from "../options/fields.js";

/** Longer sides are a typing error: no checkpoint makes such pictures, and there is no memory for them. */
export const LARGEST_SIDE = 16384;

/** How the picture of the first pass becomes larger without a network, with the web UI's names. */
export const HIRES_UPSCALERS: Readonly<Record<HiresUpscaler, string>> = {
  lanczos: "Lanczos",
  nearest: "Nearest",
  latent: "Latent",
  "latent-antialiased": "Latent (antialiased)",
  "latent-bicubic": "Latent (bicubic)",
  "latent-bicubic-antialiased": "Latent (bicubic antialiased)",
  "latent-nearest": "Latent (nearest)",
  "latent-nearest-exact": "Latent (nearest-exact)",
};

/** How the picture of the first pass becomes larger without a network. */
export type HiresUpscaler =
  | "lanczos"
  | "nearest"
  | "latent"
  | "latent-antialiased"
  | "latent-bicubic"
  | "latent-bicubic-antialiased"
  | "latent-nearest"
  | "latent-nearest-exact";

/** A second pass that makes the picture larger, with detail of its own ("hires fix" of AUTOMATIC1111's web UI). */
export interface HiresOptions {
  /** How many times as wide and high the result is; 2 by default. */
  readonly scale?: number | undefined;
  /** Width of the result in pixels, instead of scale. Without height, the height is in proportion; with it, what is over is cut off. */
  readonly width?: number | undefined;
  /** Height of the result in pixels, instead of scale. */
  readonly height?: number | undefined;
  /** Denoising steps of the second pass, all of which are taken; as many as in the first by default. */
  readonly steps?: number | undefined;
  /** How much of the larger picture the second pass changes, from 0 (it is only made larger) to 1; 0.7 by default, in tiles 0.3. */
  readonly strength?: number | undefined;
  /**
   * lanczos, the default, or nearest makes the decoded picture larger, latent or latent-bicubic the latents; or the .safetensors file of an
   * upscaler.
   */
  readonly upscaler?: string | undefined;
  /** Side in pixels of the square tiles that the second pass repaints one after another; the whole picture at once by default. */
  readonly tile?: number | undefined;
  /** Pixels that neighbouring tiles share, over which they fade into each other; 64 by default, at most a quarter of the tile. */
  readonly overlap?: number | undefined;
}

/** The defaults of {@link HiresOptions}; those of the web UI, but for the upscaler. */
export const HIRES_DEFAULTS = { scale: 2, strength: 0.7, upscaler: "lanczos", overlap: 64 } as const;

/** The default strength in tiles: each is painted with the whole prompt, and with more strength shows all of it. */
export const TILED_STRENGTH = 0.3;

/** The options of {@link HiresOptions}. */
export const HIRES_FIELDS: Fields<HiresOptions> = {
  scale: described("How many times as wide and high the result is; 2 by default.", real(1, 8)),
  width: described(
    "Width of the result in pixels, instead of scale. Without height, the height is in proportion; with it, what is over is cut off.",
    whole(1, LARGEST_SIDE),
  ),
  height: described("Height of the result in pixels, instead of scale.", whole(1, LARGEST_SIDE)),
  steps: described("Denoising steps of the second pass, all of which are taken; as many as in the first by default.", whole(1)),
  strength: described(
    "How much of the larger picture the second pass changes, from 0 (it is only made larger) to 1; 0.7 by default, in tiles 0.3.",
    real(0, 1),
  ),
  upscaler: described(
    "lanczos, the default, or nearest makes the decoded picture larger, latent or latent-bicubic the latents; or the .safetensors file of an upscaler.",
    withJson(
      v.pipe(v.string(), v.minLength(1)),
      field<string>(
        (value) => typeof value === "string" && value !== "",
        `${Object.keys(HIRES_UPSCALERS).join(", ")}, or an upscaler's file`,
        "string",
      ),
    ),
  ),
  tile: described(
    "Side in pixels of the square tiles that the second pass repaints one after another; the whole picture at once by default.",
    whole(1),
  ),
  overlap: described(
    "Pixels that neighbouring tiles share, over which they fade into each other; 64 by default, at most a quarter of the tile.",
    whole(0),
  ),
};

/** The option of requests. */
export interface HiresRequest {
  /**
   * A second pass that makes the picture larger, with the same prompt, seed and networks: { scale, steps, strength, tile }. Off by default.
   */
  readonly hires?: HiresOptions | undefined;
}

/** The option of {@link HiresRequest}. */
export const HIRES_REQUEST_FIELDS: Fields<HiresRequest> = {
  hires: described(
    "A second pass that makes the picture larger, with the same prompt, seed and networks: { scale, steps, strength, tile }. Off by default.",
    group(HIRES_FIELDS),
  ),
};

/** The file of an upscaler that a second pass names; undefined for one without a network. */
export function hiresFileOf({ upscaler }: HiresOptions): string | undefined {
  return upscaler === undefined || builtInOf(upscaler) ? undefined : upscaler;
}

/**
 * The way without a network that a name stands for: one of ours, or of the web UI's in any letter case ("Latent (nearest-exact)"; "None" is
 * lanczos, as there). Undefined for a file.
 */
export function builtInOf(upscaler: string): HiresUpscaler | undefined {
  const name = upscaler.trim().toLowerCase();
  if (name === "none") return "lanczos";
  const found = Object.entries(HIRES_UPSCALERS).find(([own, label]) => name === own || name === label.toLowerCase());
  return found?.[0] as HiresUpscaler | undefined;
}
