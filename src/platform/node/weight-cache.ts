import { mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { ArgumentError } from "../../errors.js";
import type { FileRef } from "../../tensor/stored-tensor.js";
import type { Folder } from "../folder.js";
import type { CachedWeightFile, WeightCache } from "../weight-cache.js";
import { locationOf } from "./disk-file.js";
import { errorCode } from "./error-code.js";
import { openFolder } from "./folder.js";
import { explainWrite, forgetUnfinished, trackUnfinished } from "./write-file.js";

/** The folder of quantised weights: DARKROOM_CACHE, or ~/.cache/darkroom (XDG_CACHE_HOME), and in it `quantised`. */
function cacheFolder(): string {
  const { DARKROOM_CACHE: own, XDG_CACHE_HOME: shared } = process.env;
  return join(own || join(shared || join(homedir(), ".cache"), "darkroom"), "quantised");
}

/** Weights quantised on this machine, as files in a folder of the user's cache. */
export function openWeightCache(): WeightCache {
  return { stampOf, find, write, list, remove };
}

async function stampOf(file: FileRef): Promise<string> {
  const path = locationOf(file);
  const { size, mtimeMs } = await stat(path);
  return `${path} ${size} ${mtimeMs}`;
}

async function find(name: string): Promise<Folder | undefined> {
  const folder = openFolder(cacheFolder());
  return (await folder.has(name)) ? folder : undefined;
}

async function write(name: string, chunks: AsyncIterable<Uint8Array>): Promise<Folder> {
  const path = pathOf(name);
  const temporary = join(cacheFolder(), `.${name}-${crypto.randomUUID()}.tmp`);
  trackUnfinished(temporary);
  try {
    await mkdir(cacheFolder(), { recursive: true });
    const file = await open(temporary, "wx");
    try {
      for await (const chunk of chunks) await file.writeFile(chunk);
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw errorCode(error) === undefined ? error : explainWrite(path, error);
  } finally {
    forgetUnfinished(temporary);
  }
  return openFolder(cacheFolder());
}

async function list(): Promise<readonly CachedWeightFile[]> {
  const names = await readdir(cacheFolder()).catch((): string[] => []);
  const found: CachedWeightFile[] = [];
  for (const name of names.filter((each) => each.endsWith(".gguf")).sort()) {
    const path = join(cacheFolder(), name);
    const state = await stat(path).catch(() => undefined);
    if (state?.isFile()) found.push({ name, path, size: state.size, made: state.mtime });
  }
  return found;
}

async function remove(name: string): Promise<number | undefined> {
  const found = (await list()).find((each) => each.name === name);
  if (!found) return undefined;
  await rm(found.path, { force: true });
  return found.size;
}

function pathOf(name: string): string {
  if (!/^[\w.-]+\.gguf$/.test(name)) throw new ArgumentError(`${name} is no name of a file of the cache`);
  return join(cacheFolder(), name);
}
