import type { Folder } from "../platform/folder.js";

/**
 * The subfolder of a part in a checkpoint with the files `paths`: the part's name, or "" if the checkpoint's own folder holds the part. Old
 * checkpoints of a single network are like that: its config is beside model_index.json. diffusers looks there, too.
 */
export function subfolderAmong(paths: readonly string[], name: string): string {
  const isInside = (path: string) => path.startsWith(`${name}/`) && !path.includes("/", name.length + 1);
  return paths.includes("config.json") && !paths.some(isInside) ? "" : name;
}

/** The subfolder of a part in a checkpoint: see {@link subfolderAmong}. */
export async function subfolderIn(folder: Folder, name: string): Promise<string> {
  const own = await folder.open(name).list();
  const paths = [...own.map((file) => `${name}/${file}`), ...((await folder.has("config.json")) ? ["config.json"] : [])];
  return subfolderAmong(paths, name);
}

/** The folder of a part in a checkpoint: see {@link subfolderAmong}. */
export async function partFolder(folder: Folder, name: string): Promise<Folder> {
  return (await subfolderIn(folder, name)) === "" ? folder : folder.open(name);
}
