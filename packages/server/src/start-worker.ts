import { openRedisJobs } from "./jobs/redis/redis-jobs.js";
import { checkOffer } from "./models/check-offer.js";
import { offerOf } from "./models/offer.js";
import { type CloseOptions, Opened, waitFor } from "./opened.js";
import { openResults, type StorageOptions } from "./results/open-results.js";
import { checkRunOptions, type RunOptions, runJobs } from "./run-jobs.js";

/** Options of {@link startWorker}. */
export interface WorkerOptions extends StorageOptions, RunOptions {
  /** The address of the Redis server that has the queue, such as redis://127.0.0.1:6379. */
  readonly queue: string;
}

/** A worker that takes jobs. */
export interface RunningWorker extends AsyncDisposable {
  /** Takes no more jobs, and ends the models' processes. Jobs that run can end during the grace; then another worker gets them. */
  close(options?: CloseOptions): Promise<void>;
}

/**
 * Does jobs that servers elsewhere accept. It takes those for its own models only. Its pictures go where the servers look for them: to the
 * same bucket, or the same folder.
 * @throws ArgumentError if there is no place for pictures, or for an option that makes no sense
 * @throws CheckpointError for a model that cannot be read
 * @throws RedisQueueError if Redis cannot be reached, its packages are missing, or its servers keep pictures elsewhere
 */
export async function startWorker(options: WorkerOptions): Promise<RunningWorker> {
  const { onError = () => undefined } = options;
  checkRunOptions(options);
  const offer = offerOf(options.offer ?? {});
  await checkOffer(offer);
  const opened = new Opened(onError);
  try {
    const results = await openResults(options);
    const identity = await results.identity?.();
    // Servers delete old jobs and their pictures.
    const jobs = opened.add(
      await openRedisJobs(options.queue, { onError, ...(identity && { results: { ...identity, isServer: false } }) }),
    );
    const runner = opened.add(runJobs(jobs, { ...options, offer, results, sharesQueue: true }));
    const close = async ({ grace = 0 }: CloseOptions = {}) => {
      await waitFor(runner.drain(), grace);
      await opened.close();
    };
    return { close, [Symbol.asyncDispose]: close };
  } catch (error) {
    await opened.close();
    throw error;
  }
}
