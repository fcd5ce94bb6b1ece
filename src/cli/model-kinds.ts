import { stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { openFolder } from "#platform";
import { readJson } from "../checkpoint/config.js";
import type { Folder } from "../checkpoint/folder.js";
import { MODEL_INDEX, readModelIndex } from "../checkpoint/model-index.js";
import { readSafetensorsHeader } from "../checkpoint/safetensors.js";
import { readTextualInversion } from "../checkpoint/textual-inversion.js";
import { CheckpointError } from "../errors.js";
import { baseFamily } from "../lora/base-family.js";
import { otherMethod, parseLoraName } from "../lora/lora-names.js";

const CONFIG = "config.json";
const DAMAGED = "damaged";

/** The class of the pipeline or network that the folder at `path` is, by the `files` in it; undefined where it is none. */
export async function folderKind(path: string, files: readonly string[]): Promise<string | undefined> {
  if (files.includes(MODEL_INDEX)) return look(path, MODEL_INDEX, async (folder) => (await readModelIndex(folder)).className);
  if (!files.includes(CONFIG)) return undefined;
  // Many programs call their settings so: what names no class is no network's.
  const kind = await look(path, CONFIG, networkClass);
  return kind === DAMAGED ? undefined : kind;
}

/** What kind of model the `.safetensors` file `name` in the folder at `path` is, by what its header tells. */
export async function fileKind(path: string, name: string): Promise<string> {
  return look(path, name, (folder) => safetensorsKind(folder, name));
}

async function safetensorsKind(folder: Folder, path: string): Promise<string> {
  const header = await readSafetensorsHeader(folder, path);
  const names = [...header.tensors.keys()];
  const method = names.map(otherMethod).find((found) => found !== undefined);
  if (method !== undefined || names.some((name) => parseLoraName(name)?.role === "down")) {
    const family = baseFamily(header);
    return `${method ?? "LoRA"}${family === undefined ? "" : ` for ${family}`}`;
  }
  if (names.some((name) => name.startsWith("model.diffusion_model."))) return "checkpoint in a single file";
  const embedding = await readTextualInversion(folder, path).catch(() => undefined);
  return embedding ? "embedding" : "weights";
}

async function networkClass(folder: Folder): Promise<string | undefined> {
  const { _class_name: className, architectures } = await readJson(folder, CONFIG);
  return [className, ...(Array.isArray(architectures) ? architectures : [])].find((value) => typeof value === "string");
}

/** Looks into a file. That is no use of it: the time of its last one is put back. */
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
