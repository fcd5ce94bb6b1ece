import { stat } from "node:fs/promises";
import { ArgumentError, HubError, type Inspection, inspect } from "darkroom";
import { checkpointDefaults } from "darkroom/generate";
import type { Offer, RuntimeOptions } from "./offer.js";

/**
 * Reads configs and headers of everything that is offered, so that a wrong path is found at the start and not by the first request. What is
 * not downloaded yet is let pass, unless downloads are off.
 * @throws CheckpointError, ConfigError or HubError for what cannot be read
 * @throws ArgumentError for a model that is no checkpoint or of a family that makes no pictures here, and for a folder of adapters that is
 * no folder
 */
export async function checkOffer({ models, vaes, controlnets, upscalers, loraFolders, embeddingFolders, runtime }: Offer): Promise<void> {
  for (const { name, source } of models) {
    const found = await inspected(source, runtime);
    if (found === undefined) continue;
    if (found.kind === "checkpoint") {
      if (checkpointDefaults(found) !== undefined) continue;
      throw new ArgumentError(`the model ${name} cannot be offered: no pictures can be made with a ${found.className} yet`, {
        argument: "model",
        hint: "offer a checkpoint of another family, such as Stable Diffusion",
      });
    }
    throw new ArgumentError(`the model ${name} cannot be offered: ${source} is of the kind "${found.kind}"; expected a checkpoint`, {
      argument: "model",
      hint: `darkroom inspect ${source} says more`,
    });
  }
  for (const { source } of [...vaes, ...controlnets]) await inspected(source, runtime);
  for (const { name, source } of upscalers) {
    const found = await inspected(source, runtime);
    if (found === undefined || found.kind === "upscaler") continue;
    throw new ArgumentError(`the upscaler ${name} cannot be offered: ${source} is of the kind "${found.kind}"`, {
      argument: "upscalers",
      hint: "give the .safetensors file of an upscaler, such as ESRGAN",
    });
  }
  for (const folder of loraFolders) await checkFolder(folder, "loraFolders");
  for (const folder of embeddingFolders) await checkFolder(folder, "embeddingFolders");
}

async function inspected(source: string, { cacheDir, localFilesOnly = false }: RuntimeOptions): Promise<Inspection | undefined> {
  try {
    return await inspect(source, { cacheDir });
  } catch (error) {
    if (!(error instanceof HubError) || error.problem !== "offline") throw error;
    if (!localFilesOnly) return undefined;
    const hint = "download it first, or let the server download it";
    throw new HubError(error.message, { problem: "offline", hint, cause: error });
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
