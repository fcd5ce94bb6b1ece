import { checkOptions } from "../options/check-options.js";
import { type Fields, real } from "../options/fields.js";
import { type AnyPicture, channelsOf, expectPicture, GrayPicture } from "./gray-picture.js";

/** Which edges {@link canny} finds. */
export interface CannyOptions {
  /** Edges as strong as this count if they touch a counted one: 100 by default. The smaller of the two, whichever is given larger. */
  readonly lowThreshold?: number | undefined;
  /** Edges as strong as this count: 200 by default. The larger of the two, as `cv2.Canny` swaps them. */
  readonly highThreshold?: number | undefined;
}

const FIELDS: Fields<CannyOptions> = { lowThreshold: real(0), highThreshold: real(0) };

/** The tangent of 22.5 degrees, the border between straight and diagonal, with 15 bits as in OpenCV. */
const TANGENT = Math.trunc((Math.SQRT2 - 1) * 2 ** 15 + 0.5);

/** The slopes of a picture, with a frame of zeros around them. */
interface Slopes {
  /** Of a row with its frame. */
  readonly stride: number;
  readonly dx: Int16Array;
  readonly dy: Int16Array;
  readonly strength: Int32Array;
}

/**
 * The edges of a picture, white on black, for ControlNets and T2I-Adapters that follow edges (Canny 1986). Pixel for pixel as OpenCV's
 * `cv2.Canny(picture, 100, 200)`: Sobel slopes of 3 x 3 pixels, of each pixel's steepest channel, without a blur before.
 * @throws ArgumentError for thresholds below 0.
 */
export function canny(picture: AnyPicture, options: CannyOptions = {}): GrayPicture {
  expectPicture(picture);
  const { lowThreshold = 100, highThreshold = 200 } = checkOptions(options, FIELDS, { call: "canny" });
  const { width, height } = picture;
  const slopes = slopesOf(picture);
  const { stride, strength } = slopes;
  const low = Math.floor(Math.min(lowThreshold, highThreshold));
  const high = Math.floor(Math.max(lowThreshold, highThreshold));
  const isRidge = new Uint8Array(strength.length);
  const found: number[] = [];
  const edges = new Uint8Array(width * height);
  const mark = (at: number) => {
    isRidge[at] = 0;
    edges[(Math.floor(at / stride) - 1) * width + (at % stride) - 1] = 255;
    found.push(at);
  };
  for (let at = 0; at < strength.length; at++) if ((strength[at] as number) > low && isMaximum(slopes, at)) isRidge[at] = 1;
  for (let at = 0; at < strength.length; at++) {
    if (isRidge[at] !== 1 || (strength[at] as number) <= high) continue;
    mark(at);
    for (let next = found.pop(); next !== undefined; next = found.pop()) {
      for (const row of [next - stride, next, next + stride])
        for (let near = row - 1; near <= row + 1; near++) if (isRidge[near] === 1) mark(near);
    }
  }
  return new GrayPicture(width, height, edges);
}

/** Whether a slope is steeper than its neighbours uphill and downhill. Of two equal neighbours along a row or column, one counts. */
function isMaximum({ dx, dy, strength, stride }: Slopes, at: number): boolean {
  const [across, down, own] = [dx[at] as number, dy[at] as number, strength[at] as number];
  const border = Math.abs(across) * TANGENT;
  const rise = Math.abs(down) * 2 ** 15;
  const isSteeper = (before: number, after: number) => own > (strength[before] as number) && own >= (strength[after] as number);
  if (rise < border) return isSteeper(at - 1, at + 1);
  if (rise > border + Math.abs(across) * 2 ** 16) return isSteeper(at - stride, at + stride);
  const side = (across ^ down) < 0 ? -1 : 1;
  return own > (strength[at - stride - side] as number) && own > (strength[at + stride + side] as number);
}

function slopesOf(picture: AnyPicture): Slopes {
  const { width, height, data } = picture;
  const channels = channelsOf(picture);
  const stride = width + 2;
  const size = stride * (height + 2);
  const [dx, dy, strength] = [new Int16Array(size), new Int16Array(size), new Int32Array(size)];
  for (let y = 0; y < height; y++) {
    // The outermost pixels are repeated outside.
    const [above, own, below] = [Math.max(y - 1, 0), y, Math.min(y + 1, height - 1)].map((row) => row * width * channels) as [
      number,
      number,
      number,
    ];
    for (let x = 0; x < width; x++) {
      const [left, middle, right] = [Math.max(x - 1, 0) * channels, x * channels, Math.min(x + 1, width - 1) * channels];
      const at = (y + 1) * stride + x + 1;
      for (let channel = 0; channel < channels; channel++) {
        const value = (row: number, column: number) => data[row + column + channel] as number;
        const [aboveLeft, aboveRight] = [value(above, left), value(above, right)];
        const [belowLeft, belowRight] = [value(below, left), value(below, right)];
        const across = aboveRight + 2 * value(own, right) + belowRight - aboveLeft - 2 * value(own, left) - belowLeft;
        const down = belowLeft + 2 * value(below, middle) + belowRight - aboveLeft - 2 * value(above, middle) - aboveRight;
        const steepness = Math.abs(across) + Math.abs(down);
        if (channel > 0 && steepness <= (strength[at] as number)) continue;
        dx[at] = across;
        dy[at] = down;
        strength[at] = steepness;
      }
    }
  }
  return { stride, dx, dy, strength };
}
