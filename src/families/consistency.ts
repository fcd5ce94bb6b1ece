import { PIXEL_PARTS } from "./ddpm.js";
import type { Family } from "./family.js";

/** Pictures out of noise in one step (Song et al. 2023, arXiv:2303.01469). */
export const CONSISTENCY = {
  id: "consistency",
  name: "consistency models",
  shortName: "consistency",
  takesPrompt: false,
  workflows: { noise: { className: "ConsistencyModelPipeline", defaults: { steps: 1 } } },
  parts: PIXEL_PARTS,
  ownOptions: { classLabels: ["noise"] },
} as const satisfies Family;
