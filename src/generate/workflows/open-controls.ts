import type { ControlNetModel } from "../../models/controlnet.js";
import type { ControlNetUnionModel } from "../../models/controlnet-union.js";
import type { T2IAdapter } from "../../models/t2i-adapter.js";
import type { Folder } from "../../platform/folder.js";
import type { OpenFiles } from "../open-files.js";
import type { Keep, PartOptions } from "./workflow.js";

/** The networks that steer a workflow, all of one kind. */
export type OpenControls =
  | { readonly kind: "controlnet"; readonly nets: readonly ControlNetModel[] }
  | { readonly kind: "union"; readonly nets: readonly ControlNetUnionModel[] }
  | { readonly kind: "adapter"; readonly nets: readonly T2IAdapter[] };

/** Loads the networks that steer a workflow; undefined without any. */
export async function openControls(
  { controls, control }: Pick<OpenFiles, "controls" | "control">,
  { vae: _, ...options }: PartOptions,
  keep: Keep,
): Promise<OpenControls | undefined> {
  const open = async <Net extends AsyncDisposable>(net: { fromPretrained(folder: Folder, given: typeof options): Promise<Net> }) => {
    const nets: Net[] = [];
    for (const folder of controls) nets.push(keep(await net.fromPretrained(folder, options)));
    return nets;
  };
  switch (control) {
    case undefined:
      return undefined;
    case "controlnet":
      return { kind: control, nets: await open((await import("../../models/controlnet.js")).ControlNetModel) };
    case "union":
      return { kind: control, nets: await open((await import("../../models/controlnet-union.js")).ControlNetUnionModel) };
    case "adapter":
      return { kind: control, nets: await open((await import("../../models/t2i-adapter.js")).T2IAdapter) };
  }
}
