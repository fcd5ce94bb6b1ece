import { lstat, readdir, readFile, readlink, realpath, rm, stat } from "node:fs/promises";
import { join, relative, resolve, sep } from "node:path";
import { HubError } from "../../errors.js";
import { type CachedRepository, type CachedRevision, isCommit, repositoryFolder, repositoryOf } from "../hub.js";
import { isHeld } from "./hub-lock.js";
import { hubCacheDir } from "./hub-settings.js";
import { explainWrite } from "./write-file.js";

/** A file, with links followed. */
interface FoundFile {
  readonly path: string;
  readonly real: string;
  readonly size: number;
  readonly modified: number;
  readonly accessed: number;
}

/** Lists the repositories in the cache, sorted by id. */
export async function listRepositories(cacheDir?: string): Promise<CachedRepository[]> {
  const root = hubCacheDir(cacheDir);
  const found = await Promise.all(
    (await namesIn(root)).map((name) => {
      const id = repositoryOf(name);
      return id === undefined ? undefined : readRepository(join(root, name), id);
    }),
  );
  return found.filter((repository) => repository !== undefined).sort((a, b) => (a.id < b.id ? -1 : 1));
}

/**
 * Removes a repository's folder and its locks. Returns the number of bytes that this freed; undefined if there is no such folder. @throws
 * HubError
 */
export async function removeRepository(id: string, cacheDir?: string): Promise<number | undefined> {
  const root = hubCacheDir(cacheDir);
  const path = join(root, repositoryFolder(id));
  const locks = join(root, ".locks", repositoryFolder(id));
  if (!(await lstat(path).catch(() => undefined))) return undefined;
  for (const name of (await namesIn(locks)).filter((lock) => lock.endsWith(".darkroom.lock"))) {
    if (!(await isHeld(join(locks, name)))) continue;
    throw new HubError(`${id} is being downloaded by another process`, {
      problem: "disk",
      hint: `wait for it or stop it; if there is none, remove ${join(locks, name)}`,
    });
  }
  try {
    const shared = await sharedBlobs(root, path);
    const own = await ownBytes(path);
    // If the folder is a link, only the link is removed, not the files outside the cache.
    await rm(path, { recursive: true, force: true });
    await rm(locks, { recursive: true, force: true });
    const freed = await Promise.all(shared.map((blob) => removeUnused(root, blob)));
    return freed.reduce((sum, bytes) => sum + bytes, own);
  } catch (cause) {
    throw new HubError(explainWrite(path, cause).message.replace("cannot write", "cannot remove"), { problem: "disk", cause });
  }
}

async function readRepository(path: string, id: string): Promise<CachedRepository | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isDirectory()) return undefined;
  const blobs = await filesIn(join(path, "blobs"));
  const refs = await readRefs(join(path, "refs"));
  const commits = (await namesIn(join(path, "snapshots"))).filter(isCommit).sort();
  const snapshots = await Promise.all(commits.map((commit) => filesIn(join(path, "snapshots", commit))));
  const files = snapshots.flat();
  const unfinished = blobs.filter((blob) => blob.path.endsWith(".incomplete"));
  return {
    id,
    path,
    size: sizeOf([...blobs, ...files]),
    unfinished: sizeOf(unfinished),
    files: new Set(files.map(({ real }) => real)).size,
    revisions: await Promise.all(commits.map((commit, i) => toRevision(join(path, "snapshots", commit), commit, snapshots[i] ?? [], refs))),
    lastModified: latest(
      [...blobs, ...files].map(({ modified }) => modified),
      found.mtimeMs,
    ),
    lastAccessed: latest(
      [...blobs, ...files].map(({ accessed }) => accessed),
      found.mtimeMs,
    ),
  };
}

async function toRevision(
  path: string,
  commit: string,
  files: readonly FoundFile[],
  refs: ReadonlyMap<string, string>,
): Promise<CachedRevision> {
  const { mtimeMs } = await stat(path);
  return {
    commit,
    refs: [...refs].flatMap(([name, target]) => (target === commit ? name : [])).sort(),
    size: sizeOf(files),
    files: files.length,
    path,
    lastModified: latest(
      files.map(({ modified }) => modified),
      mtimeMs,
    ),
  };
}

/** Commits by the names of branches and tags. */
async function readRefs(folder: string): Promise<ReadonlyMap<string, string>> {
  const files = await filesIn(folder);
  const texts = await Promise.all(files.map(({ path }) => readFile(path, "utf8").catch(() => "")));
  return new Map(files.map(({ path }, i) => [relative(folder, path).split(sep).join("/"), texts[i]?.trim() ?? ""]));
}

/** The files in a folder and its subfolders, without broken links. */
async function filesIn(folder: string): Promise<FoundFile[]> {
  const paths = (await readdir(folder, { recursive: true }).catch(() => [])).map((name) => join(folder, name));
  const files = await Promise.all(
    paths.map(async (path) => {
      const found = await stat(path).catch(() => undefined);
      return found?.isFile()
        ? { path, real: await realpath(path), size: found.size, modified: found.mtimeMs, accessed: found.atimeMs }
        : [];
    }),
  );
  return files.flat();
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return readdir(folder).catch(() => []);
}

/** Bytes of files. A file with several links counts once. */
function sizeOf(files: readonly FoundFile[]): number {
  return [...new Map(files.map(({ real, size }) => [real, size])).values()].reduce((sum, size) => sum + size, 0);
}

function latest(times: readonly number[], otherwise: number): Date {
  return new Date(times.length > 0 ? Math.max(...times) : otherwise);
}

/** Bytes that removing a folder frees: those of its files, without the targets of links; none if the folder itself is a link. */
async function ownBytes(folder: string): Promise<number> {
  if ((await lstat(folder)).isSymbolicLink()) return 0;
  const names = await readdir(folder, { recursive: true });
  const found = await Promise.all(names.map((name) => lstat(join(folder, name))));
  return found.reduce((sum, entry) => sum + (entry.isFile() ? entry.size : 0), 0);
}

/** The blobs in `blobs/ab/abcd...` that this repository links to. huggingface_hub shares such blobs between repositories. */
async function sharedBlobs(root: string, path: string): Promise<readonly string[]> {
  const folder = join(path, "blobs");
  const targets = await Promise.all((await namesIn(folder)).map((name) => readlink(join(folder, name)).catch(() => undefined)));
  const blobs = targets.map((target) => relative(root, resolve(folder, target ?? "")).split(sep));
  return blobs
    .filter(([first, start, hash]) => first === "blobs" && isHash(hash) && hash.startsWith(`${start}`))
    .map((parts) => parts.join(sep));
}

/**
 * Removes a shared blob if none of the links in its list of references exists, and returns the bytes freed. Like huggingface_hub, keeps a
 * blob without a list.
 */
async function removeUnused(root: string, blob: string): Promise<number> {
  const path = join(root, blob);
  const references = await readFile(`${path}.refs`, "utf8").catch(() => undefined);
  if (references === undefined) return 0;
  const links = references.split("\n").filter((line) => line !== "");
  const found = await Promise.all(links.map((link) => lstat(join(root, link)).catch(() => undefined)));
  if (found.some((entry) => entry !== undefined)) return 0;
  const { size } = await stat(path).catch(() => ({ size: 0 }));
  await Promise.all([path, `${path}.refs`, `${path}.lock`].map((file) => rm(file, { force: true })));
  return size;
}

function isHash(name: string | undefined): name is string {
  return name !== undefined && /^[0-9a-f]{64}$/.test(name);
}
