import { hubSettings, openRepositoryCache } from "#platform";
import type { SourceOptions } from "../checkpoint/source.js";
import { CheckpointError, HubError, type HubProblem } from "../errors.js";
import type { Folder } from "../platform/folder.js";
import { type HubWords, isCommit, type RepositoryCache } from "../platform/hub.js";
import { warn } from "../warnings.js";
import type { Wording } from "../wording.js";
import { type Choose, type ChosenFiles, chooseFiles, type Listing } from "./choose-files.js";
import { download } from "./download.js";
import { HubApi, type ListedFile } from "./hub-api.js";
import { expectRevision } from "./repository-id.js";
import type { WantedFiles } from "./wanted-files.js";

/** Problems in asking the hub after which the cache is used instead, as in huggingface_hub. */
const UNREACHABLE: readonly HubProblem[] = [
  "network",
  "server",
  "invalid-answer",
  "rate-limit",
  "unauthorized",
  "gated",
  "repository-not-found",
];

/** The commit to open. `files` are its files on the hub; undefined if the cache has all files of the commit. */
interface Target {
  readonly commit: string;
  readonly files?: readonly ListedFile[];
}

/** The chosen files of a commit in the cache. */
interface Snapshot {
  readonly commit: string;
  readonly chosen: ChosenFiles;
}

/**
 * Opens a hub repository as a folder. Files that are not in the cache are downloaded. If `revision` is a commit that is complete in the
 * cache, the hub is not asked.
 * @throws HubError; ArgumentError for an impossible revision; CheckpointError if the repository is not a checkpoint; the signal's reason
 */
export async function openRepository(id: string, wanted: WantedFiles, options: SourceOptions = {}): Promise<Folder> {
  const { revision = "main", variant, signal, onProgress } = options;
  expectRevision(revision);
  signal?.throwIfAborted();
  const settings = await hubSettings(options);
  const cache = openRepositoryCache(id, settings);
  const known = isCommit(revision) ? revision : await cache.readRef(revision);
  const choose = (listing: Listing) => chooseFiles(listing, wanted, variant);
  const cached = known === undefined ? undefined : await lookAt(id, cache, known, choose);
  if (settings.isOffline) {
    expectWhole(id, revision, cache, cached, settings.words);
    return cache.open(cached.commit);
  }

  const stop = new AbortController();
  const api = new HubApi(id, settings, signal ? AbortSignal.any([signal, stop.signal]) : stop.signal);
  const ask = async (): Promise<Target> => {
    const commit = isCommit(revision) ? revision : await api.commitOf(revision, { once: isWhole(cached) });
    const snapshot = commit === cached?.commit ? cached : await lookAt(id, cache, commit, choose);
    return isWhole(snapshot) && snapshot.chosen.isFinal ? { commit } : { commit, files: await api.files(commit) };
  };
  const { commit, files } = await ask().catch((error: unknown) => fallBack(id, cached, error));
  if (files) await download({ id, commit, files, choose, api, cache, onProgress, stop });
  if (commit !== revision) await cache.writeRef(revision, commit);
  return cache.open(commit);
}

/** Uses the cache after the hub failed. @throws `error` if the problem is another one, or if the cache lacks files. */
function fallBack(id: string, cached: Snapshot | undefined, error: unknown): Target {
  if (!cached || !(error instanceof HubError) || !UNREACHABLE.includes(error.problem)) throw error;
  const { message, problem, hint } = error;
  if (!isWhole(cached)) {
    throw new HubError(`${message}; the cache lacks ${missingOf(cached)}`, { problem, hint: insteadOf(id, cached) ?? hint, cause: error });
  }
  warn(`${message}; ${id} is read from the cache, as last downloaded`);
  return { commit: cached.commit };
}

/**
 * Chooses among the files of a snapshot. A snapshot with unreadable indexes counts as missing: the download compares sizes and fetches what
 * differs.
 */
async function lookAt(id: string, cache: RepositoryCache, commit: string, choose: Choose): Promise<Snapshot> {
  const listing = { name: id, paths: await cache.list(commit), folder: cache.open(commit), fetch: async () => undefined };
  try {
    return { commit, chosen: await choose(listing) };
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    return { commit, chosen: { optional: [], needed: [], missing: [{ path: error.message, error }], isFinal: true } };
  }
}

function isWhole(snapshot: Snapshot | undefined): boolean {
  return snapshot?.chosen.missing.length === 0;
}

function expectWhole(
  id: string,
  revision: string,
  cache: RepositoryCache,
  snapshot: Snapshot | undefined,
  { offline }: HubWords,
): asserts snapshot is Snapshot {
  if (isWhole(snapshot)) return;
  const what = `${id} at revision ${revision}`;
  const andUnset = offline === undefined ? "" : `, and with ${offline} unset`;
  const download: Wording = (name) => `download it once with the network: without ${name("localFilesOnly")}${andUnset}`;
  if (!snapshot) throw new HubError(`the cache does not have ${what} (${cache.path})`, { problem: "offline", hint: download });
  throw new HubError(`the cache has ${what} only in part; it lacks ${missingOf(snapshot)}`, {
    problem: "offline",
    hint: insteadOf(id, snapshot) ?? download,
  });
}

/** The hint if the cache has no parts of a checkpoint, but a file that may be a whole one. */
function insteadOf(id: string, { chosen: { missing } }: Snapshot): string | undefined {
  const { instead } = missing.find((each) => each.instead !== undefined) ?? {};
  return instead === undefined ? undefined : `it has ${instead}: to open this file, give ${id}/${instead}`;
}

function missingOf({ chosen: { missing } }: Snapshot): string {
  const names = missing.slice(0, 3).map(({ path }) => path);
  return names.join(", ") + (missing.length > names.length ? ` and ${missing.length - names.length} more` : "");
}
