import { type Picture, resize } from "darkroom";
import type { Preview } from "../jobs/job.js";

/** Bytes of a preview: it goes through queues, and to several people several times a second. */
export const LARGEST_PREVIEW = 64 * 1024;

/** A preview's longer side: what pages show of an unfinished picture. */
const LARGEST_SIDE = 512;

/** Of JPEG: a preview is seen for a second. */
const QUALITY = 75;

/** A small JPEG of an unfinished picture. */
export async function previewOf(picture: Picture, side = LARGEST_SIDE): Promise<Preview> {
  const scale = Math.min(1, side / Math.max(picture.width, picture.height));
  const extent = (length: number) => Math.max(1, Math.round(length * scale));
  const small = scale === 1 ? picture : resize(picture, extent(picture.width), extent(picture.height), { resampling: "bilinear" });
  const bytes = await small.encode("jpeg", { quality: QUALITY });
  // Noise of the first steps is what JPEG is worst at.
  if (bytes.length > LARGEST_PREVIEW) return previewOf(small, Math.floor(Math.max(small.width, small.height) * 0.7));
  return { type: "image/jpeg", base64: Buffer.from(bytes).toString("base64") };
}
