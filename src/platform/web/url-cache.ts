import { messageOf } from "../../message-of.js";
import type { FileRef } from "../../tensor/stored-tensor.js";
import { warn } from "../../warnings.js";
import { hashOfBlob } from "./hash.js";
import { cachePath, openCacheAt, readSnapshot } from "./hub-cache.js";
import { privateFolder, removeEntry, writeText } from "./opfs.js";
import { fetchOrFail } from "./web-file.js";

/** How the folders of checkpoints on servers are named in the cache. Each holds a file `id` with its address. */
export const URL_PREFIX = "urls--";

/** The name of the only snapshot of a checkpoint on a server. */
const SNAPSHOT = "latest";

/** A file on a server. */
export interface ServedFile {
  /** The address of the checkpoint's folder. */
  readonly root: string;
  /** Its path there. */
  readonly path: string;
  readonly url: string;
  readonly size: number;
  /** What changes when the file changes: its ETag, or when it was last modified. */
  readonly stamp: string;
}

/** The name of the folder in the cache for the checkpoint at an address. */
export async function urlCacheFolder(root: string): Promise<string> {
  return URL_PREFIX + (await hashOfBlob(new Blob([root])));
}

/**
 * The file, downloaded into the origin's private file system unless it is there and has not changed. An interrupted download is resumed.
 * Undefined, with a warning, if it cannot be kept.
 */
export async function keptFile(file: ServedFile): Promise<FileRef | undefined> {
  const { root, path, url, size, stamp } = file;
  try {
    const place = [...cachePath(undefined), await urlCacheFolder(root)];
    const cache = openCacheAt(root, place);
    // Not named like a hash of the content, which is not known.
    const blob = `of-${await hashOfBlob(new Blob([`${url}\n${stamp}\n${size}`]))}`;
    const remote = { path, size, blob };
    const { isThere, loaded } = await cache.find(SNAPSHOT, remote);
    if (!isThere) {
      await cache.expectRoom(size - loaded);
      await writeText(await privateFolder(place), "id", root);
      const old = (await readSnapshot(place, SNAPSHOT))[path];
      if (old && old.blob !== blob) await removeEntry(await privateFolder([...place, "blobs"]), old.blob);
      await cache.add(SNAPSHOT, remote, { read: (offset) => readFrom(url, path, offset), onBytes: () => {} });
    }
    return await cache.open(SNAPSHOT).file(path);
  } catch (error) {
    warn(`${url} is not kept in the browser, and is downloaded again each time: ${messageOf(error)}`);
    return undefined;
  }
}

/** The bytes from `offset` on. A server without ranges sends all, of which the first are left out. */
async function* readFrom(url: string, name: string, offset: number): AsyncGenerator<Uint8Array> {
  const answer = await fetchOrFail(url, name, { cache: "no-store", ...(offset > 0 && { headers: { range: `bytes=${offset}-` } }) });
  let surplus = answer.status === 206 ? 0 : offset;
  const reader = answer.body?.getReader();
  for (;;) {
    const piece = await reader?.read();
    if (!piece || piece.done) return;
    if (surplus < piece.value.length) yield piece.value.subarray(surplus);
    surplus = Math.max(surplus - piece.value.length, 0);
  }
}
