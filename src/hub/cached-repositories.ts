import { listRepositories, removeRepository } from "#platform";
import { HubError } from "../errors.js";
import { wrongArgument } from "../given.js";
import { checkOptions } from "../options/check-options.js";
import { type Fields, text } from "../options/fields.js";

/** One commit of a repository in the cache. */
export interface CachedRevision {
  /** The commit's hash. */
  readonly commit: string;
  /** Branches and tags that stood at this commit when they were last used. */
  readonly refs: readonly string[];
  /** Bytes of its files; revisions may share some. */
  readonly size: number;
  /** Number of files. */
  readonly files: number;
  /** Its snapshot's folder, which `fromPretrained` takes, too. */
  readonly path: string;
  /** When the newest file came. */
  readonly lastModified: Date;
}

/** A repository in the hub's cache, whoever downloaded it. */
export interface CachedRepository {
  /** `owner/name`. */
  readonly id: string;
  /** Its folder on disk. */
  readonly path: string;
  /** Bytes on disk: each file once, however many revisions have it, and what unfinished downloads hold. */
  readonly size: number;
  /** Bytes of unfinished downloads, which the next one goes on from. */
  readonly unfinished: number;
  /** Different files in all revisions. */
  readonly files: number;
  /** The revisions that the cache has. */
  readonly revisions: readonly CachedRevision[];
  /** When the newest file came. */
  readonly lastModified: Date;
  /** When one of its files was last read, as far as the disk keeps account of it: most do by the day. */
  readonly lastAccessed: Date;
}

/** Which cache is meant; see `SourceOptions.cacheDir`. */
export interface CacheOptions {
  /** Folder of the cache; by default HF_HUB_CACHE, HF_HOME/hub or ~/.cache/huggingface/hub. */
  readonly cacheDir?: string | undefined;
}

const CACHE_FIELDS: Fields<CacheOptions> = { cacheDir: text };

/** The model repositories in the cache, by id; whatever in it is broken is passed over. */
export async function listCachedRepositories(options: CacheOptions = {}): Promise<CachedRepository[]> {
  const { cacheDir } = checkOptions(options, CACHE_FIELDS, { call: "listCachedRepositories" });
  return listRepositories(cacheDir);
}

/**
 * Removes all a cache has of a repository: every revision, unfinished downloads, locks. Gives the number of bytes that this freed.
 * @throws ArgumentError if `id` cannot be one; HubError if it is not in the cache, is being downloaded, or cannot be removed.
 */
export async function removeCachedRepository(id: string, options: CacheOptions = {}): Promise<number> {
  const { cacheDir } = checkOptions(options, CACHE_FIELDS, { call: "removeCachedRepository" });
  // Old repositories have a name without an owner.
  if (typeof id !== "string" || !/^\w[\w.-]*(\/\w[\w.-]*)?$/.test(id) || /--|\.\./.test(id)) {
    throw wrongArgument("id", id, "the id of a repository: owner/name", { type: "string" });
  }
  const freed = await removeRepository(id, cacheDir);
  if (freed !== undefined) return freed;
  throw new HubError(`${id} is not in the cache`, {
    problem: "repository-not-found",
    hint: (name) => `${name("listCachedRepositories")} lists those that are`,
  });
}
