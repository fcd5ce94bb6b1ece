import type { Folder } from "../platform/folder.js";
import { isGguf, readGgufHeader } from "./gguf.js";
import { readSafetensorsHeader, type SafetensorsHeader } from "./safetensors.js";

/** Reads the header of a file of weights, safetensors or GGUF by its first bytes. @throws CheckpointError as the format's reader does. */
export async function readWeightsHeader(folder: Folder, path: string): Promise<SafetensorsHeader> {
  const start = await folder.read(path, 0, Math.min(await folder.size(path), 4));
  return isGguf(start) ? readGgufHeader(folder, path) : readSafetensorsHeader(folder, path);
}
