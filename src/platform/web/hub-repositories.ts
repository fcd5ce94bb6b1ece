import { HubError } from "../../errors.js";
import { type CachedRepository, type CachedRevision, repositoryFolder, repositoryOf } from "../hub.js";
import { cachePath, lockOf, readSnapshot } from "./hub-cache.js";
import { findPrivateFolder, namesIn, openParts, readText, removeEntry } from "./opfs.js";
import { URL_PREFIX, urlCacheFolder } from "./url-cache.js";

/** Lists the repositories in the cache, sorted by id. The id of a checkpoint on another server is the address of its folder. */
export async function listRepositories(cacheDir?: string): Promise<readonly CachedRepository[]> {
  const cache = cachePath(cacheDir);
  const root = await findPrivateFolder(cache);
  const names = root ? await namesIn(root, "directory") : [];
  const found = await Promise.all(
    names.map(async (name) => {
      const place = [...cache, name];
      const id = repositoryOf(name) ?? (name.startsWith(URL_PREFIX) ? await servedId(place, name) : undefined);
      return id === undefined ? undefined : readRepository(place, id);
    }),
  );
  return found.filter((repository) => repository !== undefined).sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** The address of the folder on a server whose files are kept here. */
async function servedId(place: readonly string[], name: string): Promise<string> {
  const folder = await findPrivateFolder(place);
  return (folder && (await readText(folder, "id"))) ?? name;
}

/** Removes a repository. Returns the number of bytes that this freed; undefined if it is not there. @throws HubError if it is in use. */
export async function removeRepository(id: string, cacheDir?: string): Promise<number | undefined> {
  const cache = cachePath(cacheDir);
  const name = /^https?:/.test(id) ? await urlCacheFolder(id) : repositoryFolder(id);
  const root = await findPrivateFolder(cache);
  if (!root || !(await namesIn(root, "directory")).includes(name)) return undefined;
  return navigator.locks.request(lockOf([...cache, name]), { ifAvailable: true }, async (lock) => {
    if (!lock) throw new HubError(`${id} is being downloaded by this or another tab`, { problem: "disk", hint: "wait for it or stop it" });
    const { size } = await readRepository([...cache, name], id);
    await removeEntry(root, name);
    return size;
  });
}

async function readRepository(place: readonly string[], id: string): Promise<CachedRepository> {
  const sizes = await blobSizes(place);
  const refs = await readRefs(place);
  const snapshots = await findPrivateFolder([...place, "snapshots"]);
  const commits = snapshots ? await namesIn(snapshots, "file") : [];
  const kept = new Set<string>();
  const revisions = await Promise.all(
    commits.map(async (commit): Promise<CachedRevision> => {
      const files = Object.values(await readSnapshot(place, commit));
      for (const { blob } of files) kept.add(blob);
      const file = await (await snapshots?.getFileHandle(commit))?.getFile();
      return {
        commit,
        refs: [...refs].filter(([, of]) => of === commit).map(([name]) => name),
        size: files.reduce((sum, { size }) => sum + size, 0),
        files: files.length,
        path: `opfs:${[...place, "snapshots", commit].join("/")}`,
        lastModified: new Date(file?.lastModified ?? 0),
      };
    }),
  );
  const lastModified = new Date(Math.max(0, ...revisions.map((each) => each.lastModified.getTime())));
  const total = (of: (blob: string) => boolean) => [...sizes].reduce((sum, [blob, size]) => sum + (of(blob) ? size : 0), 0);
  return {
    id,
    path: `opfs:${place.join("/")}`,
    size: total(() => true),
    unfinished: total((blob) => !kept.has(blob)),
    files: kept.size,
    revisions,
    lastModified,
    // The browser does not record it.
    lastAccessed: lastModified,
  };
}

async function blobSizes(place: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const blobs = await findPrivateFolder([...place, "blobs"]);
  if (!blobs) return new Map();
  const names = await namesIn(blobs, "directory");
  return new Map(await Promise.all(names.map(async (name) => [name, (await openParts(blobs, name))?.size ?? 0] as const)));
}

async function readRefs(place: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const refs = await findPrivateFolder([...place, "refs"]);
  if (!refs) return new Map();
  const names = await namesIn(refs, "file");
  return new Map(await Promise.all(names.map(async (name) => [decodeURIComponent(name), (await readText(refs, name)) ?? ""] as const)));
}
