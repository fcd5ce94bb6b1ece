import { stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { openFolder } from "#platform";
import { classOf, readConfig } from "../checkpoint/config.js";
import { displayText } from "../checkpoint/metadata.js";
import { MODEL_INDEX, readModelIndex } from "../checkpoint/model-index.js";
import { readWeightsHeader } from "../checkpoint/weights-header.js";
import { CheckpointError } from "../errors.js";
import type { Folder } from "../platform/folder.js";
import { type RecognisedFile, recogniseFile } from "../recognise/recognise-file.js";

const CONFIG = "config.json";
const DAMAGED = "damaged";

/** The class of the pipeline or network in the folder at `path`, by the `files` in it; undefined if it holds neither. */
export async function folderKind(path: string, files: readonly string[]): Promise<string | undefined> {
  if (files.includes(MODEL_INDEX)) return look(path, MODEL_INDEX, async (folder) => displayText((await readModelIndex(folder)).className));
  if (!files.includes(CONFIG)) return undefined;
  // Other programs have files of this name. A file that names no class does not belong to a network.
  const kind = await look(path, CONFIG, async (folder) => {
    const className = classOf(await readConfig(folder, CONFIG));
    return className === undefined ? undefined : displayText(className);
  });
  return kind === DAMAGED ? undefined : kind;
}

/** The kind of model in the `.safetensors` file `name` of the folder at `path`, by its header, as in `darkroom inspect`. */
export async function fileKind(path: string, name: string): Promise<string> {
  return look(path, name, async (folder) => nameOfKind(await recogniseFile(await readWeightsHeader(folder, name), folder, name)));
}

function nameOfKind(found: RecognisedFile): string {
  const family = "family" in found && found.family !== undefined ? ` for ${found.family}` : "";
  switch (found.kind) {
    // As for folders.
    case "checkpoint":
    case "network":
      return found.className;
    case "lora":
      return `${found.methods.join(" and ")}${family}`;
    case "textual-inversion":
      return `textual inversion${family}`;
    case "ip-adapter":
      return `IP-Adapter${family}`;
    case "upscaler":
      return `${found.architecture} upscaler, x${found.scale}`;
    case "foreign":
      return `not run by Darkroom: ${found.family}`;
    case "unknown":
      return "of no known kind";
  }
}

/** Reads a file without marking it as used: its access time is restored. */
async function look<Kind>(path: string, name: string, work: (folder: Folder) => Promise<Kind>): Promise<Kind | typeof DAMAGED> {
  const file = join(path, name);
  const before = await stat(file);
  try {
    return await work(openFolder(path));
  } catch (error) {
    if (error instanceof CheckpointError) return DAMAGED;
    throw error;
  } finally {
    const { atimeMs } = await stat(file);
    if (atimeMs !== before.atimeMs) await utimes(file, before.atimeMs / 1000, before.mtimeMs / 1000).catch(() => undefined);
  }
}
