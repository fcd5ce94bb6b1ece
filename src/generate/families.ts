import type { ModelIndex } from "../checkpoint/model-index.js";
import { ArgumentError, ConfigError } from "../errors.js";
import type { ControlName, Workflow } from "../families/family.js";
import { FAMILIES, familiesByIndex, familiesByPipeline, REPAINTING_NAMES, workflowsByPipeline } from "../families/lookups.js";
import { withArticle } from "../given.js";
import { warn } from "../warnings.js";
import type { RunRequest } from "./run-request.js";
import { startNameOf } from "./start.js";

/** The networks that steer, as messages name them. */
export const CONTROL_NAMES: Readonly<Record<ControlName, string>> = {
  controlnet: "ControlNet",
  union: "ControlNet Union",
  adapter: "T2I-Adapter",
};

/** A family of checkpoints that has a workflow. */
export type KnownFamily = (typeof FAMILIES)[number];

/** The family of a checkpoint, by its `model_index.json`. @throws ConfigError for a pipeline that has no workflow. */
export function familyOf(model: string, { className, options }: ModelIndex): KnownFamily {
  const families = familiesByPipeline(className);
  const [first] = families;
  if (!first) {
    throw new ConfigError(`${model}/model_index.json is of class ${className}, which generate does not know`, {
      hint: `it knows the pipelines of ${FAMILIES.map(({ name }) => name).join(", ")}`,
    });
  }
  if (families.some((family) => workflowsByPipeline(family, className).some((name) => name.startsWith("motion-")))) {
    throw new ConfigError(`${model}/model_index.json is of class ${className}, which makes videos`, {
      hint: "make them with the command darkroom animate; in a program, with AnimateDiffPipeline.fromPretrained",
    });
  }
  const [exact] = familiesByIndex(className, options.requiresAestheticsScore === true);
  return families.find(({ id }) => id === exact?.id) ?? first;
}

/** Warns of networks that steer in the folder of a checkpoint: a run has those that its request names. */
export function warnOfUnusedControl({ name, index, family, control }: UnusedControl): void {
  const [workflow] = workflowsByPipeline(family, index.className);
  const [kind, start] = workflow?.split("-") ?? [];
  if (control !== undefined || start === undefined) return;
  const part = kind === "adapter" ? "adapter" : "controlnet";
  warn(
    (option) =>
      `${name} has a ${CONTROL_NAMES[kind as ControlName]}, which is not used; to use it, add ${option("controlnet", { value: `${name}/${part}`, code: `controlnet: "${name}/${part}"` })} and ${option("controlImage")}`,
  );
}

interface UnusedControl {
  /** The checkpoint's name. */
  readonly name: string;
  readonly index: ModelIndex;
  readonly family: KnownFamily;
  /** The kind of networks that the request names. */
  readonly control: ControlName | undefined;
}

/** @throws ArgumentError unless the checkpoint is a refiner for this family, by its `model_index.json`. */
export function expectRefiner(refiner: string, index: ModelIndex, { refinement }: KnownFamily): void {
  if (refinement?.families.includes(familyOf(refiner, index).id)) return;
  const families = (refinement?.families ?? []).map((id) => FAMILIES.find((each) => each.id === id)?.name);
  throw new ArgumentError(
    (name) => `${name("refiner")} is ${refiner}, ${withArticle(index.className)}; expected a checkpoint of ${families.join(" or ")}`,
    {
      argument: "refiner",
    },
  );
}

/** The workflow of a run; `control` says which networks steer it. @throws ArgumentError if the family has none like it */
export function workflowFor(request: RunRequest, { name, workflows }: KnownFamily, control: ControlName | undefined): Workflow {
  const start = startNameOf(request);
  const workflow = workflows[request.controlImage === undefined || !control ? start : (`${control}-${start}` as const)];
  if (workflow) return workflow;
  if (!control) {
    const option = start === "mask" ? "maskImage" : "image";
    throw new ArgumentError((spell) => `${spell(option)} has no effect on ${name}, which has no pipeline for one`, {
      argument: option,
      hint: (spell) =>
        start === "mask" ? `leave ${spell(option)} out; ${REPAINTING_NAMES} repaint a part of a picture` : `leave ${spell(option)} out`,
    });
  }
  throw new ArgumentError(
    (option) =>
      `${option("controlnet")} is a ${CONTROL_NAMES[control]}; ${name} has no pipeline for one with ${option(start === "mask" ? "maskImage" : "image")}`,
    { argument: "controlnet", hint: (option) => `leave ${option("image")} out, or give a ControlNet` },
  );
}

/** The share of the denoising after which a refiner takes over. */
export function denoisingEndOf({ denoisingEnd }: RunRequest, { refinement }: KnownFamily): number {
  return denoisingEnd ?? refinement?.from ?? 1;
}
