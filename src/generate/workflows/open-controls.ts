import type { ControlNetModel } from "../../models/controlnet.js";
import type { Folder } from "../../platform/folder.js";
import type { Keep, PartOptions } from "./workflow.js";

/** Loads the ControlNets of a workflow. */
export async function openControlNets(
  folders: readonly Folder[],
  { vae: _, ...options }: PartOptions,
  keep: Keep,
): Promise<readonly ControlNetModel[]> {
  if (folders.length === 0) return [];
  const { ControlNetModel } = await import("../../models/controlnet.js");
  const nets: ControlNetModel[] = [];
  for (const folder of folders) nets.push(keep(await ControlNetModel.fromPretrained(folder, options)));
  return nets;
}
