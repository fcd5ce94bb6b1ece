import { stat } from "node:fs/promises";
import { ArgumentError, HubError, type Inspection, inspect } from "darkroom";
import type { Offer, RuntimeOptions } from "./offer.js";

/**
 * Reads configs and headers of everything that is offered, so that a wrong path is found at the start and not by the first request. What is
 * not downloaded yet is let pass, unless downloads are off.
 * @throws CheckpointError, ConfigError or HubError for what cannot be read
 * @throws ArgumentError for a model that is no checkpoint, and for a folder of adapters that is no folder
 */
export async function checkOffer({ models, vaes, controlnets, loraFolders, embeddingFolders, runtime }: Offer): Promise<void> {
  for (const { name, source } of models) {
    const found = await inspected(source, runtime);
    if (found === undefined || found.kind === "checkpoint") continue;
    throw new ArgumentError(`the model ${name} cannot be offered: ${source} is of the kind "${found.kind}"; expected a checkpoint`, {
      argument: "model",
      hint: `darkroom inspect ${source} says more`,
    });
  }
  for (const { source } of [...vaes, ...controlnets]) await inspected(source, runtime);
  for (const folder of loraFolders) await checkFolder(folder, "loraFolders");
  for (const folder of embeddingFolders) await checkFolder(folder, "embeddingFolders");
}

async function inspected(source: string, { cacheDir, localFilesOnly = false }: RuntimeOptions): Promise<Inspection | undefined> {
  try {
    return await inspect(source, { cacheDir });
  } catch (error) {
    if (error instanceof HubError && error.problem === "offline" && !localFilesOnly) return undefined;
    throw error;
  }
}

async function checkFolder(folder: string, argument: string): Promise<void> {
  const found = await stat(folder).catch(() => undefined);
  if (found?.isDirectory()) return;
  throw new ArgumentError(found === undefined ? `${folder} does not exist` : `${folder} is not a folder`, {
    argument,
    hint: "give a folder with .safetensors files, in it or below",
  });
}
