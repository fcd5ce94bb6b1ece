import type { Folder } from "../checkpoint/folder.js";

/** A file of a repository at one commit. */
export interface RemoteFile {
  readonly path: string;
  readonly size: number;
  /** Its name in the cache, which is its hash: the sha256 of a large (LFS) file, git's sha1 of a small one. */
  readonly blob: string;
}

/** How {@link RepositoryCache.add} gets a file's bytes and reports progress. */
export interface AddOptions {
  /** The bytes from `offset` on. */
  read(offset: number): AsyncIterable<Uint8Array>;
  /** Called with the number of bytes that came, or with how many fewer are there when a damaged download starts again. */
  onBytes(count: number): void;
  readonly signal?: AbortSignal;
}

/** One repository in the standard cache of Hugging Face: `models--owner--name/{blobs,refs,snapshots}`. */
export interface RepositoryCache {
  /** Its folder. */
  readonly path: string;
  /** The commit a branch or tag had when it was last used. */
  readRef(revision: string): Promise<string | undefined>;
  writeRef(revision: string, commit: string): Promise<void>;
  /** Paths of the files that a commit's snapshot holds; links into nothing are none. */
  list(commit: string): Promise<readonly string[]>;
  /** The snapshot as a checkpoint's folder. */
  open(commit: string): Folder;
  /** Whether the file lies in the snapshot; if not, how many of its bytes need not be downloaded any more. */
  find(commit: string, file: RemoteFile): Promise<{ readonly isThere: boolean; readonly loaded: number }>;
  /** @throws HubError if the disk has no room for so many bytes. */
  expectRoom(bytes: number): Promise<void>;
  /**
   * Downloads the file into the snapshot, going on where an earlier download was cut, unless it is there already. Other processes wait.
   * @throws HubError if the bytes are not those its hash promises, twice; or if the disk does not take them.
   */
  add(commit: string, file: RemoteFile, options: AddOptions): Promise<void>;
}
