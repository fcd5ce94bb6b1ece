import { listRepositories, removeRepository } from "#platform";
import { HubError } from "../errors.js";
import { wrongArgument } from "../given.js";
import { checkOptions } from "../options/check-options.js";
import { type Fields, text } from "../options/fields.js";
import type { CachedRepository } from "../platform/hub.js";

/** Which cache; see `SourceOptions.cacheDir`. */
export interface CacheOptions {
  /** The folder of the cache; by default HF_HUB_CACHE, HF_HOME/hub or ~/.cache/huggingface/hub. */
  readonly cacheDir?: string | undefined;
}

const CACHE_FIELDS: Fields<CacheOptions> = { cacheDir: text };

/**
 * Lists the model repositories in the cache, sorted by id. Broken entries are left out. In a browser there are also checkpoints of other
 * servers; their ids are the addresses of their folders.
 */
export async function listCachedRepositories(options: CacheOptions = {}): Promise<CachedRepository[]> {
  const { cacheDir } = checkOptions(options, CACHE_FIELDS, { call: "listCachedRepositories" });
  return listRepositories(cacheDir);
}

/**
 * Removes a repository from the cache: all revisions, unfinished downloads and locks. Returns the number of bytes that this freed.
 * @throws ArgumentError if `id` cannot be a repository id; HubError if it is not in the cache, is being downloaded, or cannot be removed.
 */
export async function removeCachedRepository(id: string, options: CacheOptions = {}): Promise<number> {
  const { cacheDir } = checkOptions(options, CACHE_FIELDS, { call: "removeCachedRepository" });
  // Old repositories have no owner in their id.
  const isAddress = typeof id === "string" && /^https?:\/\//.test(id);
  if (!isAddress && (typeof id !== "string" || !/^\w[\w.-]*(\/\w[\w.-]*)?$/.test(id) || /--|\.\./.test(id))) {
    throw wrongArgument("id", id, "the id of a repository: owner/name", { type: "string" });
  }
  const freed = await removeRepository(id, cacheDir);
  if (freed !== undefined) return freed;
  throw new HubError(`${id} is not in the cache`, {
    problem: "repository-not-found",
    hint: (name) => `${name("listCachedRepositories")} lists the repositories in it`,
  });
}
