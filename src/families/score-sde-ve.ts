import { PIXEL_PARTS } from "./ddpm.js";
import type { Family } from "./family.js";

/** Pictures out of noise by a stochastic differential equation (Song et al. 2021, arXiv:2011.13456). */
export const SCORE_SDE_VE = {
  id: "score-sde-ve",
  name: "score-based models",
  shortName: "score-based",
  takesPrompt: false,
  workflows: { noise: { className: "ScoreSdeVePipeline", defaults: { steps: 2000 } } },
  parts: PIXEL_PARTS,
} as const satisfies Family;
