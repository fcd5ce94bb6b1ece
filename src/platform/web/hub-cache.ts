import { HubError } from "../../errors.js";
import type { Folder } from "../folder.js";
import type { AddOptions, HubSettings, RemoteFile, RepositoryCache } from "../hub.js";
import { hashOfName, isCommit, repositoryFolder } from "../hub.js";
import { BlobFolder } from "./blob-folder.js";
import { gitHash, hashOfBlob } from "./hash.js";
import { appendParts, findPrivateFolder, openParts, privateFolder, readText, removeEntry, writeText } from "./opfs.js";
import { expectQuota, outOfQuota } from "./quota.js";

/** The folder of the cache in the origin's private file system, unless the caller names another. */
const CACHE = "darkroom";

/** The path of the cache. */
export function cachePath(cacheDir: string | undefined): readonly string[] {
  const parts = (cacheDir ?? "").split("/").filter((part) => part !== "" && part !== "." && part !== "..");
  return parts.length === 0 ? [CACHE] : parts;
}

/** The name of the lock that all downloads of a repository share, and its removal holds alone. */
export function lockOf(path: readonly string[]): string {
  return `darkroom:${path.join("/")}`;
}

/** A file of a snapshot: its name in `blobs`, and its size. */
export interface Kept {
  readonly blob: string;
  readonly size: number;
}

/** Files of a snapshot by their paths. */
export type Snapshot = Readonly<Record<string, Kept>>;

/** Opens a repository in the cache. Nothing is written yet. */
export function openRepositoryCache(id: string, { cacheDir }: Pick<HubSettings, "cacheDir" | "symlinks">): RepositoryCache {
  return new WebRepositoryCache(id, [...cachePath(cacheDir), repositoryFolder(id)]);
}

/** Opens a checkpoint in the cache by its place. Nothing is written yet. */
export function openCacheAt(id: string, place: readonly string[]): RepositoryCache {
  return new WebRepositoryCache(id, place);
}

/**
 * One repository in the origin's private file system: `blobs/HASH/PART`, `refs/NAME`, and `snapshots/COMMIT`, which lists paths with their
 * hashes and sizes. A file is listed when it is whole and its hash is right.
 */
class WebRepositoryCache implements RepositoryCache {
  readonly path: string;

  constructor(
    private readonly id: string,
    private readonly place: readonly string[],
  ) {
    this.path = `opfs:${place.join("/")}`;
  }

  async readRef(revision: string): Promise<string | undefined> {
    const folder = await findPrivateFolder([...this.place, "refs"]);
    const text = folder && (await readText(folder, encodeURIComponent(revision)));
    return text !== undefined && isCommit(text) ? text : undefined;
  }

  async writeRef(revision: string, commit: string): Promise<void> {
    await writeText(await privateFolder([...this.place, "refs"]), encodeURIComponent(revision), commit).catch(() => undefined);
  }

  async list(commit: string): Promise<readonly string[]> {
    return Object.keys(await readSnapshot(this.place, commit));
  }

  open(commit: string): Folder {
    return openSnapshot(this.place, commit, this.id);
  }

  async find(commit: string, file: RemoteFile): Promise<{ readonly isThere: boolean; readonly loaded: number }> {
    const kept = (await readSnapshot(this.place, commit))[file.path];
    const loaded = (await this.loaded(file))?.size ?? 0;
    if (kept?.blob === file.blob && loaded === file.size) return { isThere: true, loaded };
    return { isThere: false, loaded: loaded > file.size ? 0 : loaded };
  }

  async expectRoom(bytes: number): Promise<void> {
    await expectQuota(this.id, bytes);
  }

  async add(commit: string, file: RemoteFile, options: AddOptions): Promise<void> {
    const { signal } = options;
    // The removal of the repository waits for no download, and refuses to begin during one.
    await navigator.locks.request(lockOf(this.place), { mode: "shared", ...(signal && { signal }) }, () =>
      navigator.locks.request(`${lockOf(this.place)}/${file.blob}`, { ...(signal && { signal }) }, async () => {
        try {
          // Another tab may have downloaded it while this one waited.
          if ((await this.find(commit, file)).isThere) return;
          await this.receive(file, options);
          await this.keep(commit, file);
        } catch (error) {
          throw await outOfQuota(this.id, error);
        }
      }),
    );
  }

  /** Downloads a file and checks it. A damaged file is downloaded a second time. */
  private async receive(file: RemoteFile, { read, onBytes, signal }: AddOptions): Promise<void> {
    const blobs = await privateFolder([...this.place, "blobs"]);
    for (let isSecond = false; ; isSecond = true) {
      const loaded = (await this.loaded(file))?.size ?? 0;
      if (loaded > file.size) await removeEntry(blobs, file.blob);
      if (loaded !== file.size || file.size === 0) await appendParts(blobs, file.blob, read, onBytes);
      const found = await this.loaded(file);
      const problem = await this.problemOf(file, found, signal);
      if (!problem) return;
      // Damaged bytes must not be resumed or counted.
      onBytes(-(found?.size ?? 0));
      await removeEntry(blobs, file.blob);
      if (isSecond) throw problem;
    }
  }

  private async problemOf({ path, size, blob }: RemoteFile, found = new Blob(), signal?: AbortSignal): Promise<HubError | undefined> {
    const hint = "the file was damaged or replaced during the download: try again, without a proxy or another endpoint";
    if (found.size !== size) {
      return new HubError(`${this.id}: ${path} has ${found.size} bytes; expected ${size}`, { problem: "corrupt", hint });
    }
    const kind = hashOfName(blob);
    // Then only the size is known.
    if (!kind) return undefined;
    const hash = kind === "sha256" ? await hashOfBlob(found, signal) : await gitHash(found);
    if (hash === blob) return undefined;
    return new HubError(`${this.id}: ${path} has the ${kind} ${hash}; expected ${blob}`, { problem: "corrupt", hint });
  }

  /** Lists a file in its snapshot. */
  private async keep(commit: string, { path, blob, size }: RemoteFile): Promise<void> {
    await navigator.locks.request(`${lockOf(this.place)}/${commit}`, async () => {
      const snapshot = { ...(await readSnapshot(this.place, commit)), [path]: { blob, size } };
      await writeText(await privateFolder([...this.place, "snapshots"]), commit, JSON.stringify(snapshot));
    });
  }

  private async loaded({ blob }: RemoteFile): Promise<Blob | undefined> {
    const blobs = await findPrivateFolder([...this.place, "blobs"]);
    return blobs && (await openParts(blobs, blob));
  }
}

/** The files of a snapshot; none if it does not exist. */
export async function readSnapshot(place: readonly string[], commit: string): Promise<Snapshot> {
  const folder = await findPrivateFolder([...place, "snapshots"]);
  const text = folder && (await readText(folder, commit));
  try {
    return JSON.parse(text ?? "{}") as Snapshot;
  } catch {
    return {};
  }
}

/** A snapshot as a checkpoint's folder. */
export function openSnapshot(place: readonly string[], commit: string, name: string): Folder {
  const files = async () => {
    const blobs = await findPrivateFolder([...place, "blobs"]);
    const listed = Object.entries(await readSnapshot(place, commit)).map(async ([path, { blob, size }]) => {
      const found = blobs && (await openParts(blobs, blob));
      return found?.size === size ? ([path, { blob: found, id: `opfs:${[...place, blob].join("/")}` }] as const) : undefined;
    });
    return new Map((await Promise.all(listed)).filter((each) => each !== undefined));
  };
  return new BlobFolder(name, files);
}
