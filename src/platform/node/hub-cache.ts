import { createHash } from "node:crypto";
import { constants, createReadStream } from "node:fs";
import { copyFile, mkdir, open, readdir, readFile, rename, rm, stat, statfs, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { HubError } from "../../errors.js";
import type { Wording } from "../../wording.js";
import type { Folder } from "../folder.js";
import {
  type AddOptions,
  type HubSettings,
  hashOfName,
  inGigabytes,
  isCommit,
  type RemoteFile,
  type RepositoryCache,
  repositoryFolder,
} from "../hub.js";
import { openFolder, pathKind } from "./folder.js";
import { withLock } from "./hub-lock.js";
import { explainWrite } from "./write-file.js";

/** Opens a repository in the cache. Nothing is written yet. */
export function openRepositoryCache(id: string, { cacheDir, symlinks }: Pick<HubSettings, "cacheDir" | "symlinks">): RepositoryCache {
  return new NodeRepositoryCache(id, cacheDir, symlinks);
}

class NodeRepositoryCache implements RepositoryCache {
  readonly path: string;
  private readonly locks: string;

  constructor(
    private readonly id: string,
    private readonly cacheDir: string,
    private readonly symlinks: boolean,
  ) {
    this.path = join(cacheDir, repositoryFolder(id));
    this.locks = join(cacheDir, ".locks", repositoryFolder(id));
  }

  async readRef(revision: string): Promise<string | undefined> {
    const text = await readFile(this.ref(revision), "utf8").catch(() => "");
    return isCommit(text.trim()) ? text.trim() : undefined;
  }

  async writeRef(revision: string, commit: string): Promise<void> {
    if ((await this.readRef(revision)) === commit) return;
    const path = this.ref(revision);
    const write = async () => {
      await mkdir(dirname(path), { recursive: true });
      await replace(path, (temporary) => writeFile(temporary, commit));
    };
    // A read-only cache can still be used. A download into it would have failed before this.
    await write().catch(() => undefined);
  }

  async list(commit: string): Promise<readonly string[]> {
    const folder = this.snapshot(commit);
    const names = await readdir(folder, { recursive: true }).catch(() => []);
    const sizes = await Promise.all(names.map((name) => sizeOf(join(folder, name))));
    return names.filter((_, i) => sizes[i] !== undefined).map((name) => name.split(sep).join("/"));
  }

  open(commit: string): Folder {
    return openFolder(this.snapshot(commit), this.id);
  }

  async find(commit: string, file: RemoteFile): Promise<{ readonly isThere: boolean; readonly loaded: number }> {
    if ((await sizeOf(this.pointer(commit, file))) === file.size) return { isThere: true, loaded: file.size };
    if ((await sizeOf(this.blob(file))) === file.size) return { isThere: false, loaded: file.size };
    const partial = (await sizeOf(`${this.blob(file)}.incomplete`)) ?? 0;
    return { isThere: false, loaded: partial > file.size ? 0 : partial };
  }

  async expectRoom(bytes: number): Promise<void> {
    if (bytes === 0) return;
    const { bavail, bsize } = await statfs(await existing(this.cacheDir)).catch(() => ({ bavail: Number.POSITIVE_INFINITY, bsize: 1 }));
    if (bavail * bsize >= bytes) return;
    throw new HubError(
      `${this.id} needs ${inGigabytes(bytes)} more; the disk of ${this.cacheDir} has room for ${inGigabytes(bavail * bsize)}`,
      {
        problem: "disk",
        hint: OTHER_DISK,
      },
    );
  }

  async add(commit: string, file: RemoteFile, options: AddOptions): Promise<void> {
    const pointer = this.pointer(commit, file);
    const blob = this.blob(file);
    try {
      for (const folder of [this.locks, dirname(pointer), dirname(blob)]) await mkdir(folder, { recursive: true });
      await withLock(join(this.locks, `${file.blob}.darkroom.lock`), options.signal, async () => {
        // Another process may have downloaded it while we waited for the lock.
        const { isThere, loaded } = await this.find(commit, file);
        if (isThere) return;
        const isNew = loaded < file.size || (await sizeOf(blob)) !== file.size;
        if (isNew) await this.receive(blob, file, options);
        await this.point(pointer, blob, isNew);
      });
    } catch (error) {
      throw explain(error, pointer);
    }
  }

  /** Downloads to `blob`, a file named after its hash, and checks it. A damaged file is downloaded a second time. */
  private async receive(blob: string, file: RemoteFile, { read, onBytes, signal }: AddOptions): Promise<void> {
    // huggingface_hub before 1.0 also resumes files of this name. Later versions use other names.
    const partial = `${blob}.incomplete`;
    for (let isSecond = false; ; isSecond = true) {
      try {
        await this.append(partial, file, { read, onBytes });
        await this.verify(partial, file, signal);
        return await rename(partial, blob);
      } catch (error) {
        if (!(error instanceof HubError) || error.problem !== "corrupt") throw error;
        // Damaged bytes must not be resumed or counted.
        onBytes(-((await sizeOf(partial)) ?? 0));
        await rm(partial, { force: true });
        if (isSecond) throw error;
      }
    }
  }

  /** Writes at offsets instead of appending: if two processes write in spite of the lock, they write the same bytes to the same places. */
  private async append(partial: string, { size }: RemoteFile, { read, onBytes }: Pick<AddOptions, "read" | "onBytes">): Promise<void> {
    if (((await sizeOf(partial)) ?? 0) > size) await rm(partial);
    const file = await open(partial, constants.O_RDWR | constants.O_CREAT);
    try {
      let at = (await file.stat()).size;
      for await (const bytes of read(at)) {
        for (let done = 0; done < bytes.length; ) {
          const { bytesWritten } = await file.write(bytes, done, bytes.length - done, at);
          done += bytesWritten;
          at += bytesWritten;
        }
        onBytes(bytes.length);
      }
    } finally {
      await file.close();
    }
  }

  /** Checks the hash of the bytes on disk, not of those received. @throws HubError */
  private async verify(partial: string, { path, size, blob }: RemoteFile, signal: AbortSignal | undefined): Promise<void> {
    const kind = hashOfName(blob);
    // Then only the size is known.
    if (!kind) return;
    const hash = kind === "sha256" ? createHash("sha256") : createHash("sha1").update(`blob ${size}\0`);
    for await (const bytes of createReadStream(partial, { highWaterMark: 2 ** 20 })) {
      signal?.throwIfAborted();
      hash.update(bytes);
    }
    const found = hash.digest("hex");
    if (found === blob) return;
    throw new HubError(`${this.id}: ${path} has the ${kind} ${found}; expected ${blob}`, {
      problem: "corrupt",
      hint: "the file was damaged or replaced during the download: try again, without a proxy or mirror (HF_ENDPOINT)",
    });
  }

  /** Makes `pointer` the file in `blob`: by a relative link if possible. Else a new file is moved, and one that may be in use is copied. */
  private async point(pointer: string, blob: string, isNew: boolean): Promise<void> {
    if (this.symlinks) {
      const target = relative(dirname(pointer), blob);
      const isLinked = await replace(pointer, (temporary) => symlink(target, temporary)).then(
        () => true,
        () => false,
      );
      if (isLinked) return;
    }
    if (isNew) await rename(blob, pointer);
    else await replace(pointer, (temporary) => copyFile(blob, temporary));
  }

  private ref(revision: string): string {
    return join(this.path, "refs", ...revision.split("/"));
  }

  private snapshot(commit: string): string {
    return join(this.path, "snapshots", commit);
  }

  private pointer(commit: string, { path }: RemoteFile): string {
    return join(this.snapshot(commit), ...path.split("/"));
  }

  private blob({ blob }: RemoteFile): string {
    return join(this.path, "blobs", blob);
  }
}

const OTHER_DISK: Wording = (name) => `free some space, or name a folder on another disk: ${name("cacheDir")} or HF_HUB_CACHE`;

/** Replaces `path` in one step with the file that `make` writes. */
async function replace(path: string, make: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = `${path}.${crypto.randomUUID()}.tmp`;
  try {
    await make(temporary);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
}

/** Size of a file, with links followed; undefined if it does not exist. */
async function sizeOf(path: string): Promise<number | undefined> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() ? found.size : undefined;
}

/** The path, or the nearest folder above it that exists. */
async function existing(path: string): Promise<string> {
  return (await pathKind(path)) !== undefined || dirname(path) === path ? path : existing(dirname(path));
}

/** Turns an error of the disk into one with the message of {@link explainWrite}. Other errors are returned unchanged. */
function explain(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || !("syscall" in error)) return error;
  return new HubError(explainWrite(path, error).message, { problem: "disk", hint: OTHER_DISK, cause: error });
}
