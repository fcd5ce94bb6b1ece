import type { DownloadProgress } from "../checkpoint/source.js";
import type { DarkroomError } from "../errors.js";
import type { RemoteFile, RepositoryCache } from "../platform/hub.js";
import type { Choose } from "./choose-files.js";
import { DownloadMeter } from "./download-meter.js";
import type { HubApi, ListedFile } from "./hub-api.js";

/** Files that are downloaded at the same time: enough to use a whole connection, few enough for a home router. */
const PARALLEL = 4;

/** The source and target of a download. */
export interface DownloadOptions {
  readonly id: string;
  readonly commit: string;
  /** All files of the commit on the hub. */
  readonly files: readonly ListedFile[];
  readonly choose: Choose;
  readonly api: HubApi;
  readonly cache: RepositoryCache;
  readonly onProgress?: (progress: DownloadProgress) => void;
  /** Aborted when one file fails. It ends all requests, also those of `api`. */
  readonly stop: AbortController;
}

/** A file that is not in the snapshot, and how many of its bytes are in the cache nevertheless. */
interface Absent {
  readonly file: RemoteFile;
  readonly loaded: number;
}

/**
 * Downloads the chosen files of a commit into its snapshot. @throws HubError; CheckpointError if the repository is not the expected
 * checkpoint.
 */
export async function download({ id, commit, files, choose, api, cache, onProgress, stop }: DownloadOptions): Promise<void> {
  const meter = new DownloadMeter(onProgress);
  const byPath = new Map(files.map((file) => [file.path, file]));

  const plan = async (paths: readonly string[]): Promise<readonly Absent[]> => {
    const listed = [...new Set(paths)].flatMap((path) => byPath.get(path) ?? []);
    const named = await Promise.all(listed.map((file) => api.describe(commit, file)));
    const found = await Promise.all(named.map(async (file) => ({ file, ...(await cache.find(commit, file)) })));
    const absent = found.filter(({ isThere }) => !isThere);
    for (const { file, loaded } of absent) meter.expect(file.size, loaded);
    return absent;
  };
  const add = async ({ file, loaded }: Absent) => {
    let counted = loaded;
    const onBytes = (count: number) => {
      counted += count;
      meter.add(file.path, count);
    };
    await cache.add(commit, file, { read: (offset) => api.read(commit, file, offset), onBytes, signal: api.signal });
    meter.finish(file.path, file.size - counted);
  };
  const fetch = async (paths: readonly string[]) => allAtOnce(await plan(paths), add, stop);

  const chosen = await choose({ name: id, paths: [...byPath.keys()], folder: cache.open(commit), fetch });
  throwFirst(chosen.missing);
  const optional = await plan(chosen.optional);
  const needed = await plan(chosen.needed);
  await cache.expectRoom([...optional, ...needed].reduce((sum, { file, loaded }) => sum + file.size - loaded, 0));
  meter.start();
  await allAtOnce(optional, add, stop);
  await allAtOnce(needed, add, stop);
}

function throwFirst([missing]: readonly { readonly error: DarkroomError }[]): void {
  if (missing) throw missing.error;
}

/** Does `work` for all items, a few at a time. The first failure stops the others. It is thrown when all have ended. */
async function allAtOnce<Item>(items: readonly Item[], work: (item: Item) => Promise<void>, stop: AbortController): Promise<void> {
  const queue = items.values();
  const failures: unknown[] = [];
  const worker = async () => {
    for (const item of queue) {
      if (failures.length > 0) return;
      await work(item).catch((error: unknown) => {
        failures.push(error);
        stop.abort(error);
      });
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  if (failures.length > 0) throw failures[0];
}
