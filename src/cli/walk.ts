import { readdir, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { isPickle } from "../checkpoint/pickles.js";
import { ArgumentError } from "../errors.js";

/** A folder that {@link walk} visits. */
export interface Visit {
  readonly path: string;
  /** Names of the files in it. */
  readonly files: readonly string[];
}

/** Levels of folders that are visited. Models are never deeper, and it limits the time if a whole disk is given by mistake. */
const DEEPEST = 8;

/**
 * Visits `root` and the folders below it, in alphabetical order. Hidden folders are skipped. A folder that several links lead to is visited
 * once. If `visit` returns false, the folders below are skipped.
 * @throws ArgumentError if `root` is not a folder that can be read.
 */
export async function walk(root: string, visit: (folder: Visit) => Promise<boolean> | boolean): Promise<void> {
  const seen = new Set<string>();
  const enter = async (path: string, depth: number): Promise<void> => {
    const real = await realpath(path);
    if (seen.has(real)) return;
    seen.add(real);
    const { files, folders } = await entriesOf(path);
    if (!(await visit({ path, files })) || depth === DEEPEST) return;
    for (const name of folders) {
      // A folder without permission is skipped.
      if (!name.startsWith(".")) await enter(join(path, name), depth + 1).catch(passOverUnreadable);
    }
  };
  await enter(root, 0).catch((error: unknown) => {
    if (!isSystemError(error)) throw error;
    const reason = { ENOENT: "it does not exist", ENOTDIR: "it is a file", EACCES: "this user may not read it" }[error.code];
    throw new ArgumentError(`cannot read the folder ${root}: ${reason ?? error.message}`, { cause: error });
  });
}

/**
 * Paths of the files in a folder and below that may hold adapters, by their names: `.safetensors` files and pickles.
 * @throws ArgumentError as {@link walk}
 */
export async function adaptersBelow(root: string): Promise<string[]> {
  const found: string[] = [];
  await walk(root, ({ path, files }) => {
    found.push(...files.filter((name) => /\.safetensors$/i.test(name) || isPickle(name)).map((name) => join(path, name)));
    return true;
  });
  return found;
}

async function entriesOf(path: string): Promise<{ files: string[]; folders: string[] }> {
  const names = (await readdir(path)).sort();
  const found = await Promise.all(names.map((name) => stat(join(path, name)).catch(() => undefined)));
  return {
    files: names.filter((_, i) => found[i]?.isFile()),
    folders: names.filter((_, i) => found[i]?.isDirectory()),
  };
}

function passOverUnreadable(error: unknown): void {
  if (!isSystemError(error)) throw error;
}

function isSystemError(error: unknown): error is Error & { readonly code: string } {
  return error instanceof Error && "syscall" in error && "code" in error;
}
