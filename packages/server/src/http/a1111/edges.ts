import { canny, GrayPicture } from "darkroom";
import { greyOf, type Raster, toColour } from "./raster.js";

/** The edges of a picture's brightness, white on black, as the library's `canny` finds them. */
export async function edgesOf(picture: Raster, low: number, high: number): Promise<Raster> {
  const { width, height, data } = await greyOf(picture);
  const edges = canny(new GrayPicture(width, height, data), { lowThreshold: low, highThreshold: high });
  return toColour({ data: Buffer.from(edges.data), width, height, channels: 1 });
}
