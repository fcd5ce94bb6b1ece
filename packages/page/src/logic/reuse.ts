import type { Job, JobRequest } from "../api/types.js";
import { EMPTY_FIELDS, type Fields } from "./fields.js";

/** What the form has fields for, or what belongs to one call only. */
const OWN = new Set([
  "model",
  "prompt",
  "negativePrompt",
  "width",
  "height",
  "numInferenceSteps",
  "guidanceScale",
  "strength",
  "seed",
  "numImagesPerPrompt",
  "scheduler",
  "loras",
  "image",
  "maskImage",
]);

/** Options that mean nothing without a picture that the server has not kept. The form has a ControlNet and its weight. */
const OF_CONTROL = /^control|^guessMode$/;

/** A job's settings for the form. */
export interface Reused {
  readonly fields: Fields;
  /** What cannot be used again, since the server does not keep pictures that were sent. */
  readonly missing: readonly ("picture" | "mask" | "control picture")[];
}

/**
 * The form that makes a job's pictures again, or the one at `index` alone. What the request left to defaults is filled in from the result,
 * where there is one.
 */
export function reuse({ model, request, output, result }: Job, index?: number): Reused {
  const settings = result?.settings ?? {};
  const picture = result?.pictures[index ?? 0];
  const others = Object.entries(request).filter(([name, value]) => isUnknownToForm(name, value) && !OF_CONTROL.test(name));
  // The form has one ControlNet; those of other clients can be several.
  const control = typeof request.controlnet === "string" ? request.controlnet : undefined;
  const hasStart = settings.image !== undefined || request.strength !== undefined;
  const hasMask = settings.maskImage !== undefined || request.paddingMaskCrop !== undefined;
  const fields: Fields = {
    ...EMPTY_FIELDS,
    model,
    prompt: request.prompt ?? "",
    negativePrompt: request.negativePrompt ?? "",
    width: text(request.width ?? (request.height === undefined ? picture?.width : undefined)),
    height: text(request.height ?? (request.width === undefined ? picture?.height : undefined)),
    numInferenceSteps: text(request.numInferenceSteps ?? settings.numInferenceSteps),
    guidanceScale: text(request.guidanceScale ?? settings.guidanceScale),
    strength: text(request.strength ?? settings.strength),
    seed: text(picture?.seed ?? request.seed),
    numImagesPerPrompt: index === undefined ? text(request.numImagesPerPrompt ?? 1) : "1",
    scheduler: request.scheduler ?? "",
    format: output.format,
    quality: text(output.quality),
    controlnet: control ?? "",
    controlnetConditioningScale: control === undefined ? "" : text(request.controlnetConditioningScale),
    loras: lorasOf(request),
    others: Object.fromEntries(others),
  };
  const missing = [
    ...(hasStart ? (["picture"] as const) : []),
    ...(hasMask ? (["mask"] as const) : []),
    ...(request.controlnet !== undefined ? (["control picture"] as const) : []),
  ];
  return { fields, missing };
}

/** Whether the form has no field that holds the value. Its field for guidance holds one number, not one for each step. */
function isUnknownToForm(name: string, value: unknown): boolean {
  return !OWN.has(name) || (name === "guidanceScale" && Array.isArray(value));
}

/** Whether the same request can be sent again: all of it is known. */
export function isRepeatable(job: Job): boolean {
  return reuse(job).missing.length === 0;
}

function lorasOf({ loras = [] }: JobRequest): Fields["loras"] {
  return loras.flatMap(({ name, weight = 1, unetWeight }) =>
    name === undefined ? [] : [{ name, weight: String(weight), ...(unetWeight !== undefined && { unetWeight }) }],
  );
}

function text(value: unknown): string {
  return typeof value === "number" || typeof value === "string" ? String(value) : "";
}
