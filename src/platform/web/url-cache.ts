import { CheckpointError } from "../../errors.js";
import { messageOf } from "../../message-of.js";
import type { FileRef } from "../../tensor/stored-tensor.js";
import { warn } from "../../warnings.js";
import type { DownloadWatch } from "../folder.js";
import { hashOfBlob } from "./hash.js";
import { cachePath, openCacheAt, readSnapshot } from "./hub-cache.js";
import { privateFolder, removeEntry, writeText } from "./opfs.js";
import { fetchOrFail, pauseAfter, unreadable } from "./web-file.js";

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
 * Undefined, with a warning, if it cannot be kept. @throws CheckpointError if the server does not send it; the signal's reason
 */
export async function keptFile(file: ServedFile, { meter, signal }: Partial<DownloadWatch> = {}): Promise<FileRef | undefined> {
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
      meter?.expect(size, loaded);
      let counted = loaded;
      const onBytes = (count: number) => {
        counted += count;
        meter?.add(path, count);
      };
      await cache.add(SNAPSHOT, remote, { read: (offset) => readFrom(url, path, offset, signal), onBytes, ...(signal && { signal }) });
      meter?.finish(path, size - counted);
    }
    const kept = await cache.open(SNAPSHOT).file(path);
    // The last report of progress may have aborted it.
    signal?.throwIfAborted();
    return kept;
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof CheckpointError) throw error;
    warn(`${url} is not kept in the browser, and is downloaded again each time: ${messageOf(error)}`);
    return undefined;
  }
}

/** The bytes from `offset` on. A connection that breaks is made again, and goes on where it broke. */
async function* readFrom(url: string, name: string, offset: number, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  let at = offset;
  for (let failures = 0; ; ) {
    try {
      for await (const piece of readOnce(url, name, at, signal)) {
        yield piece;
        at += piece.length;
        failures = 0;
      }
      return;
    } catch (error) {
      await pauseAfter(error, ++failures, signal);
    }
  }
}

/** The bytes from `offset` on. A server without ranges sends all, of which the first are left out. */
async function* readOnce(url: string, name: string, offset: number, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  const headers = offset > 0 && { headers: { range: `bytes=${offset}-` } };
  const answer = await fetchOrFail(url, name, { cache: "no-store", ...headers, ...(signal && { signal }) });
  let surplus = answer.status === 206 ? 0 : offset;
  const reader = answer.body?.getReader();
  for (;;) {
    const piece = await reader?.read().catch((cause: unknown) => {
      signal?.throwIfAborted();
      throw unreadable(name, cause);
    });
    if (!piece || piece.done) return;
    if (surplus < piece.value.length) yield piece.value.subarray(surplus);
    surplus = Math.max(surplus - piece.value.length, 0);
  }
}
