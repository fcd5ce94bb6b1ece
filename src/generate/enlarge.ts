import type { Picture } from "../image/picture.js";
import { resize } from "../image/resize.js";
import {
  resizeTensorAntialiased,
  resizeTensorBicubic,
  resizeTensorBilinear,
  resizeTensorNearest,
  resizeTensorNearestExact,
} from "../image/resize-tensor.js";
import type { Upscaler } from "../models/upscaler.js";
import type { Tensor } from "../tensor/tensor.js";
import type { HiresUpscaler } from "./hires-request.js";

/** A size in pixels. */
export interface PixelSize {
  readonly width: number;
  readonly height: number;
}

/** Runs of an upscaler's network on one picture; as many as in AUTOMATIC1111's web UI. */
const MOST_RUNS = 3;

/**
 * The picture in exactly this size. An upscaler enlarges it until it is large enough, and Lanczos brings it to the size, as in
 * AUTOMATIC1111's web UI.
 * @throws the signal's reason
 */
export async function enlarged(
  picture: Picture,
  { width, height }: PixelSize,
  way: Upscaler | HiresUpscaler,
  signal: AbortSignal | undefined,
): Promise<Picture> {
  if (typeof way === "string") return resize(picture, width, height, { resampling: way === "nearest" ? "nearest" : "lanczos" });
  let large = picture;
  for (let runs = 0; runs < MOST_RUNS && (runs === 0 || ((large.width < width || large.height < height) && way.scale > 1)); runs++) {
    large = await way.upscale(large, { signal });
  }
  return resize(large, width, height, { resampling: "lanczos" });
}

/** Ways to make latents larger, as torch's `interpolate` has them. */
const LATENT_WAYS: Readonly<Partial<Record<HiresUpscaler, (latents: Tensor, height: number, width: number) => Tensor>>> = {
  latent: resizeTensorBilinear,
  "latent-antialiased": (latents, height, width) => resizeTensorAntialiased(latents, height, width, "bilinear"),
  "latent-bicubic": resizeTensorBicubic,
  "latent-bicubic-antialiased": (latents, height, width) => resizeTensorAntialiased(latents, height, width, "bicubic"),
  "latent-nearest": resizeTensorNearest,
  "latent-nearest-exact": resizeTensorNearestExact,
};

/** How the latents become larger; undefined for ways that make pictures larger. */
export function latentWay(way: HiresUpscaler): ((latents: Tensor, height: number, width: number) => Tensor) | undefined {
  return LATENT_WAYS[way];
}
