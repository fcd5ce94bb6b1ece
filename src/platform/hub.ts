// The settings of the Hugging Face hub and its cache on disk, as a platform gives them.
import type { Folder } from "./folder.js";

/** How the hub is reached and where its files are kept: by the caller's options, else the environment, else the defaults. */
export interface HubSettings {
  /** The hub's address, without a slash at the end. */
  readonly endpoint: string;
  readonly token: string | undefined;
  readonly cacheDir: string;
  readonly isOffline: boolean;
  /** Milliseconds to wait for an answer about files. */
  readonly apiTimeout: number;
  /** Milliseconds to wait for the next bytes of a file. */
  readonly downloadTimeout: number;
  /** Whether snapshots may consist of symbolic links. */
  readonly symlinks: boolean;
  readonly words: HubWords;
}

/** How hints say what a user of the platform can change. */
export interface HubWords {
  /** What gives the token. */
  readonly token: string;
  /** What gives the hub's address. */
  readonly endpoint: string;
  /** What keeps the hub from being asked, apart from the caller's option; undefined if nothing does. */
  readonly offline: string | undefined;
  /** What to do if the hub cannot be reached. */
  readonly connection: string;
}

/** The hub settings that a caller can choose. */
export interface HubChoices {
  readonly token?: string;
  readonly endpoint?: string;
  readonly cacheDir?: string;
  readonly localFilesOnly?: boolean;
}

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
  /** Called with the number of bytes received. The number is negative if a damaged download starts again. */
  onBytes(count: number): void;
  readonly signal?: AbortSignal;
}

/** One repository in the standard cache of Hugging Face: `models--owner--name/{blobs,refs,snapshots}`. */
export interface RepositoryCache {
  /** Its folder. */
  readonly path: string;
  /** The commit that a branch or tag had when it was last used. */
  readRef(revision: string): Promise<string | undefined>;
  writeRef(revision: string, commit: string): Promise<void>;
  /** Paths of the files in a commit's snapshot, without broken links. */
  list(commit: string): Promise<readonly string[]>;
  /** The snapshot as a checkpoint's folder. */
  open(commit: string): Folder;
  /** Whether the file is in the snapshot, and how many of its bytes are already on disk. */
  find(commit: string, file: RemoteFile): Promise<{ readonly isThere: boolean; readonly loaded: number }>;
  /** @throws HubError if the disk has no room for this number of bytes. */
  expectRoom(bytes: number): Promise<void>;
  /**
   * Downloads the file into the snapshot unless it is there already. An interrupted download is resumed. Other processes wait.
   * @throws HubError if the bytes do not match the file's hash, twice; or if the disk does not take them.
   */
  add(commit: string, file: RemoteFile, options: AddOptions): Promise<void>;
}

/** One commit of a repository in the cache. */
export interface CachedRevision {
  /** The commit's hash. */
  readonly commit: string;
  /** Branches and tags that were at this commit when they were last used. */
  readonly refs: readonly string[];
  /** Bytes of its files. Revisions can share files. */
  readonly size: number;
  /** Number of files. */
  readonly files: number;
  /** The folder of its snapshot, which `fromPretrained` also takes. */
  readonly path: string;
  /** When the newest file was downloaded. */
  readonly lastModified: Date;
}

/** A repository in the hub's cache, downloaded by any program. */
export interface CachedRepository {
  /** `owner/name`. */
  readonly id: string;
  /** Its folder on disk. */
  readonly path: string;
  /** Bytes on disk: each file once, even if several revisions share it, and the bytes of unfinished downloads. */
  readonly size: number;
  /** Bytes of unfinished downloads, which the next download resumes. */
  readonly unfinished: number;
  /** Different files in all revisions. */
  readonly files: number;
  /** The revisions in the cache. */
  readonly revisions: readonly CachedRevision[];
  /** When the newest file was downloaded. */
  readonly lastModified: Date;
  /** When one of its files was last read, as precisely as the disk records it. Most disks record the day. */
  readonly lastAccessed: Date;
}

/** Whether a name is a whole git hash, such as that of a commit. A commit always has the same files. */
export function isCommit(name: string): boolean {
  return /^[0-9a-f]{40}$/.test(name);
}

/** The hash that names a file's bytes in the cache; undefined for a hub that does not name files by hash. */
export function hashOfName(blob: string): "sha256" | "git sha1" | undefined {
  if (/^[0-9a-f]{64}$/.test(blob)) return "sha256";
  return isCommit(blob) ? "git sha1" : undefined;
}

const REPOSITORY = "models";

/** The name of a repository's folder in the cache, as in Python's cache. */
export function repositoryFolder(id: string): string {
  return [REPOSITORY, ...id.split("/")].join("--");
}

/** The id of the repository whose folder has this name; undefined for other folders. */
export function repositoryOf(folder: string): string | undefined {
  const [kind, ...parts] = folder.split("--");
  return kind === REPOSITORY && parts.length > 0 ? parts.join("/") : undefined;
}

/** A number of bytes for messages. */
export function inGigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(bytes < 1e8 ? 3 : 1)} GB`;
}
