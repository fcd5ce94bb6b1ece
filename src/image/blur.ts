import { ArgumentError } from "../errors.js";
import { type AnyPicture, channelsOf, pictureLike } from "./gray-picture.js";

/** How many box blurs make one Gaussian blur. */
const PASSES = 3;

/**
 * The picture blurred, bit for bit as by PIL's `GaussianBlur(radius)`: three box blurs, with a partial weight for the pixels at a box's
 * ends (Gwosdek et al. 2011, "Theoretical Foundations of Gaussian Convolution by Extended Box Filtering").
 * @throws ArgumentError for a negative radius.
 */
export function gaussianBlur<P extends AnyPicture>(picture: P, radius: number): P {
  if (!(radius >= 0)) throw new ArgumentError(`the blur's radius is ${radius}; expected a number, at least 0`);
  const { width, height } = picture;
  const channels = channelsOf(picture);
  let data: Uint8Array = picture.data.slice();
  if (radius === 0) return pictureLike(picture, width, height, data);
  const box = boxRadius(radius);
  for (let pass = 0; pass < PASSES; pass++) data = boxBlur(data, { outer: height, length: width, inner: channels }, box);
  for (let pass = 0; pass < PASSES; pass++) data = boxBlur(data, { outer: 1, length: height, inner: width * channels }, box);
  return pictureLike(picture, width, height, data);
}

/** The radius, whole and fractional part, of the box whose repeated blur is the Gaussian's; in float32, as Pillow computes it. */
function boxRadius(radius: number): number {
  const f = Math.fround;
  const variance = f(f(f(radius) * f(radius)) / PASSES);
  const length = f(Math.sqrt(12 * variance + 1));
  const whole = f(Math.floor((length - 1) / 2));
  const numerator = f(f(2 * whole + 1) * f(f(whole * f(whole + 1)) - f(3 * variance)));
  const denominator = f(6 * f(variance - f(f(whole + 1) * f(whole + 1))));
  return f(whole + f(numerator / denominator));
}

/** An array seen as [outer, length, inner], blurred along the middle axis. */
interface Axis {
  readonly outer: number;
  readonly length: number;
  readonly inner: number;
}

function boxBlur(data: Uint8Array, { outer, length, inner }: Axis, radius: number): Uint8Array {
  const whole = Math.trunc(radius);
  // Weights in units of 2^-24: of the inner pixels, and of the two at the ends.
  const full = Math.trunc(Math.fround(2 ** 24 / Math.fround(Math.fround(radius * 2) + 1)));
  const partial = Math.trunc((2 ** 24 - (whole * 2 + 1) * full) / 2);
  const result = new Uint8Array(data.length);
  const last = length - 1;
  for (let row = 0; row < outer; row++) {
    for (let k = 0; k < inner; k++) {
      // Outside the picture, its edge is repeated.
      const at = (i: number) => data[(row * length + Math.min(Math.max(i, 0), last)) * inner + k] as number;
      let sum = 0;
      for (let i = -whole - 1; i < whole; i++) sum += at(i);
      for (let i = 0; i < length; i++) {
        sum += at(i + whole) - at(i - whole - 1);
        const bulk = sum * full + (at(i - whole - 1) + at(i + whole + 1)) * partial;
        result[(row * length + i) * inner + k] = Math.floor((bulk + 2 ** 23) / 2 ** 24);
      }
    }
  }
  return result;
}
