import { EMBEDDED } from "../families/embedded.js";
import type { Defaults, WorkflowName } from "../families/family.js";
import { DEFAULT_FAMILY, FAMILIES } from "../families/lookups.js";

/** The defaults for steps in words: the usual one, then the exceptions. */
export const STEPS_TEXT = `${text("noise", "steps")}; embedded checkpoint ${EMBEDDED.defaults.steps}`;

/** The defaults for guidance in words. */
export const GUIDANCE_TEXT = `${text("noise", "guidance")}; embedded checkpoint ${EMBEDDED.defaults.guidance}`;

/** The defaults for guidance with a mask, in words. */
export const MASK_GUIDANCE_TEXT = text("mask", "guidance");

/** The defaults for the strength of a picture without mask, in words. */
export const STRENGTH_TEXT = text("image", "strength");

/** The defaults for the strength of a picture with a mask, in words. */
export const MASK_STRENGTH_TEXT = text("mask", "strength");

/** The defaults for the weight of ControlNets, in words. */
export const CONTROL_TEXT = `${text("controlnet-noise", "control")}; with a picture ${text("controlnet-image", "control")}; with a mask ${text("controlnet-mask", "control")}`;

/** When a refiner takes over, in words. */
export const REFINER_TEXT = String(FAMILIES.find(({ refinement }) => refinement)?.refinement?.from);

/** `50; DDPM 1000`: the default of most checkpoints, then those of families that have another one. */
function text(kind: WorkflowName, name: keyof Defaults): string {
  const usual = DEFAULT_FAMILY.workflows[kind]?.defaults[name];
  // docs/models.md has those of families with a transformer, whose checkpoints have defaults of their own.
  const exceptions = FAMILIES.filter(({ parts }) => !parts.transformer).flatMap((family) => {
    const value = family.workflows[kind]?.defaults[name];
    return value === undefined || value === usual ? [] : [`${family.shortName} ${value}`];
  });
  return [usual, ...new Set(exceptions)].join("; ");
}
