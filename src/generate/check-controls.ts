import { ArgumentError } from "../errors.js";
import type { ControlName } from "../families/family.js";
import { CONTROL_NAMES, type KnownFamily, workflowFor } from "./families.js";
import { listOf } from "./list-of.js";
import type { GenerateRequest } from "./request.js";

/**
 * Checks that a run's options go with the kind of its networks that steer.
 * @throws ArgumentError for an option that this kind does not have, or one that it needs
 */
export function checkControlKind(request: GenerateRequest, family: KnownFamily, control: ControlName | undefined): void {
  if (control === undefined) return;
  if (!family.workflows[`${control}-noise`]) {
    throw new ArgumentError((name) => `${name("controlnet")} is a ${CONTROL_NAMES[control]}, which ${family.name} has no pipeline for`, {
      argument: "controlnet",
      hint: control === "union" ? "ControlNet Unions are for Stable Diffusion XL" : undefined,
    });
  }
  if (request.controlImage === undefined) return;
  workflowFor(request, family, control);
  const { controlMode, controlGuidanceStart, controlGuidanceEnd, guessMode } = request;
  if (control === "union" && controlMode === undefined) {
    throw new ArgumentError((name) => `${name("controlnet")} is a ControlNet Union, which needs ${name("controlMode")}`, {
      argument: "controlMode",
      hint: (name) => `say what the picture shows: ${name("controlMode", { value: "canny", code: 'controlMode: "canny"' })}`,
    });
  }
  if (control !== "union" && controlMode !== undefined) throw withoutEffect("controlMode", control);
  if (control !== "adapter") return;
  if (guessMode) throw withoutEffect("guessMode", control);
  if (listOf(controlGuidanceStart).some((start) => start > 0)) throw withoutEffect("controlGuidanceStart", control);
  const ends = new Set(listOf(controlGuidanceEnd));
  if (ends.size > 1) {
    throw new ArgumentError((name) => `${name("controlGuidanceEnd")} has several values; T2I-Adapters end together`, {
      argument: "controlGuidanceEnd",
    });
  }
  const hasEnd = "adapterConditioningFactor" in (family.ownOptions ?? {});
  if (!hasEnd && [...ends].some((end) => end < 1)) throw withoutEffect("controlGuidanceEnd", control, ` of ${family.name}`);
}

function withoutEffect(option: keyof GenerateRequest, control: ControlName, whose = ""): ArgumentError {
  return new ArgumentError((name) => `${name(option)} has no effect on a ${CONTROL_NAMES[control]}${whose}`, {
    argument: option,
    hint: "leave it out",
  });
}
