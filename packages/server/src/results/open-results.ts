import { join } from "node:path";
import { ArgumentError } from "darkroom";
import { FolderStore } from "./folder-store.js";
import type { ResultStore } from "./result-store.js";

/** Where pictures are kept. */
export interface StorageOptions {
  /**
   * The folder of the queue and, unless `results` is given, of finished pictures. One server has it at a time; servers and workers that
   * share a queue on Redis share it, too.
   */
  readonly folder?: string | undefined;
  /** Where finished pictures are kept; in the folder by default. It is not closed with the server. */
  readonly results?: ResultStore | undefined;
}

/** @throws ArgumentError if there is no place for pictures, or if the folder cannot be used */
export async function openResults({ folder, results }: StorageOptions): Promise<ResultStore> {
  // It would be the folder in which the process was started.
  if (folder?.trim() === "")
    throw new ArgumentError("the folder has an empty name", { argument: "folder", hint: "leave it out, or name a folder" });
  if (results !== undefined) return results;
  if (folder !== undefined) return openFolder(join(folder, "pictures"));
  throw new ArgumentError("there is no place for finished pictures; servers and workers of one queue need the same bucket or folder", {
    argument: "folder",
    hint: "give a bucket, or a folder that all of these machines see",
  });
}

async function openFolder(folder: string): Promise<FolderStore> {
  try {
    return await FolderStore.open(folder);
  } catch (cause) {
    throw new ArgumentError(`the folder ${folder} cannot be used: ${(cause as Error).message}`, {
      argument: "folder",
      hint: "choose a folder that can be written",
      cause,
    });
  }
}
