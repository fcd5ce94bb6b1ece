import type { FamilyId } from "./lookups.js";

const [TAESD, TAESDXL, TAESD3, TAEF1] = ["madebyollin/taesd", "madebyollin/taesdxl", "madebyollin/taesd3", "madebyollin/taef1"];

/** The tiny autoencoders (TAESD, Bohan 2023) by the families whose latents they decode: their ids on the hub. */
const TINY_AUTOENCODERS: Readonly<Partial<Record<FamilyId, string>>> = {
  sd1: TAESD,
  lcm: TAESD,
  pix2pix: TAESD,
  sd2: TAESD,
  "sd2-depth": TAESD,
  xl: TAESDXL,
  "xl-refiner": TAESDXL,
  "pix2pix-xl": TAESDXL,
  sd3: TAESD3,
  flux: TAEF1,
  "flux-fill": TAEF1,
  "flux-kontext": TAEF1,
  chroma: TAEF1,
  "z-image": TAEF1,
};

/** The hub id of the tiny autoencoder for a family's latents; undefined if there is none. */
export function tinyAutoencoderOf(id: string): string | undefined {
  return TINY_AUTOENCODERS[id as FamilyId];
}
