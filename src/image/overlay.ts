import { ArgumentError } from "../errors.js";
import type { GrayPicture } from "./gray-picture.js";
import { Picture } from "./picture.js";

/**
 * `kept` where `mask` is black, `painted` where it is white, and a mixture where it is gray. Computed in PIL's modes, as by diffusers'
 * `apply_overlay`: their 8-bit steps are visible in soft masks.
 * @throws ArgumentError if the sizes differ.
 */
export function overlay(kept: Picture, painted: Picture, mask: GrayPicture): Picture {
  const { width, height } = kept;
  for (const [name, other] of Object.entries({ mask, painted })) {
    if (other.width === width && other.height === height) continue;
    throw new ArgumentError(
      `the ${name} picture is ${other.width}x${other.height}; expected ${width}x${height}, the size of the picture under it`,
    );
  }
  const data = new Uint8Array(painted.data.length);
  for (let i = 0; i < mask.data.length; i++) {
    const alpha = 255 - (mask.data[i] as number);
    for (let k = 3 * i; k < 3 * i + 3; k++) {
      data[k] = composite(unpremultiplied(kept.data[k] as number, alpha), alpha, painted.data[k] as number);
    }
  }
  return new Picture(width, height, data);
}

/** A colour pasted with `alpha` into an empty premultiplied picture, and then divided by its alpha. */
function unpremultiplied(value: number, alpha: number): number {
  const pasted = divideBy255(value * alpha);
  return alpha === 0 || alpha === 255 ? pasted : Math.min(Math.trunc((255 * pasted) / alpha), 255);
}

/** A colour with `alpha` over an opaque colour, with 7 bits of fraction as in Pillow's AlphaComposite.c. */
function composite(above: number, alpha: number, below: number): number {
  if (alpha === 0) return below;
  const share = alpha * (1 << 7);
  const blended = above * share + below * (255 * (1 << 7) - share);
  const rounded = blended + (0x80 << 7);
  return (((rounded >> 8) + rounded) >> 8) >> 7;
}

/** Pillow's rounded division by 255. */
function divideBy255(value: number): number {
  const rounded = value + 128;
  return ((rounded >> 8) + rounded) >> 8;
}
