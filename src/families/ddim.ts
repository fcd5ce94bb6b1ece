import { PIXEL_PARTS } from "./ddpm.js";
import type { Family } from "./family.js";

/** Pictures out of noise in few steps (Song et al. 2021, arXiv:2010.02502). */
export const DDIM = {
  id: "ddim",
  name: "DDIM",
  shortName: "DDIM",
  takesPrompt: false,
  workflows: { noise: { className: "DDIMPipeline", defaults: { steps: 50 } } },
  parts: PIXEL_PARTS,
} as const satisfies Family;
