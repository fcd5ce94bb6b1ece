import type { Picture } from "./picture.js";

/** How image processors of transformers turn pixels into numbers. */
export interface PixelOptions {
  readonly doRescale: boolean;
  readonly rescaleFactor: number;
  readonly doNormalize: boolean;
  readonly imageMean: readonly number[];
  readonly imageStd: readonly number[];
}

/**
 * A picture's numbers [3, height, width] as transformers computes them: rescaled in double precision, normalised in single; with
 * torchvision the mean and the deviation are rescaled in place of the pixels.
 */
export function pixelsOf({ width, height, data }: Picture, options: PixelOptions, isTorch: boolean): Float32Array {
  const { doRescale, rescaleFactor, doNormalize, imageMean, imageStd } = options;
  const plane = width * height;
  const values = new Float32Array(3 * plane);
  for (let channel = 0; channel < 3; channel++) {
    const isFused = isTorch && doRescale && doNormalize;
    const factor = isFused ? 1 / rescaleFactor : 1;
    const [mean, deviation] = [imageMean[channel] ?? 0, imageStd[channel] ?? 1].map((each) => Math.fround(Math.fround(each) * factor)) as [
      number,
      number,
    ];
    for (let i = 0; i < plane; i++) {
      const value = data[3 * i + channel] as number;
      const scaled = doRescale && !isFused ? Math.fround(value * rescaleFactor) : value;
      values[channel * plane + i] = doNormalize ? Math.fround(scaled - mean) / deviation : scaled;
    }
  }
  return values;
}
