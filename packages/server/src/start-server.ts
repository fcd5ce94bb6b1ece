import type { ServerOptions as HttpServerOptions, Server } from "node:http";
import { join } from "node:path";
import { createAdaptorServer } from "@hono/node-server";
import { ArgumentError } from "darkroom";
import { type AccessOptions, isLoopback } from "./http/access.js";
import { createApp } from "./http/app.js";
import type { Limits } from "./http/limits.js";
import type { Patience } from "./http/server-context.js";
import { Shutdown } from "./http/shutdown.js";
import { openEmbeddedJobs } from "./jobs/embedded/embedded-jobs.js";
import type { Jobs, JobsOptions } from "./jobs/jobs.js";
import { openRedisJobs } from "./jobs/redis/redis-jobs.js";
import { listen, stopListening } from "./listen.js";
import { Catalog } from "./models/catalog.js";
import { checkOffer } from "./models/check-offer.js";
import { offerOf } from "./models/offer.js";
import { type CloseOptions, Opened, waitFor } from "./opened.js";
import { openResults, type StorageOptions } from "./results/open-results.js";
import type { ResultStore } from "./results/result-store.js";
import { checkRunOptions, type Runner, type RunOptions, runJobs } from "./run-jobs.js";

/** Options of {@link startServer}. */
export interface ServerOptions
  extends AccessOptions,
    StorageOptions,
    RunOptions,
    Pick<JobsOptions, "maxWaiting" | "keepJobs" | "keepDays"> {
  /**
   * The address of a Redis server with a queue that other servers and workers share, such as redis://127.0.0.1:6379. By default the queue
   * is in the folder, and this server alone has it.
   */
  readonly queue?: string | undefined;
  /** Seconds that jobs in a shared queue wait for a worker that has their model; then they fail. 120 by default. */
  readonly workerTimeout?: number | undefined;
  /** 7860 by default; 0 for any that is free. */
  readonly port?: number | undefined;
  /** What requests may ask for. */
  readonly limits?: Partial<Limits> | undefined;
  /** Milliseconds in which a request must have come as a whole; 300,000 by default. Its headers have 20,000 of them at most. */
  readonly requestTimeout?: number | undefined;
  /** When slow replies show that they are alive. */
  readonly patience?: Partial<Patience> | undefined;
}

/** A server that listens. */
export interface RunningServer extends AsyncDisposable {
  /** Such as http://127.0.0.1:7860. */
  readonly address: string;
  readonly port: number;
  /**
   * Takes no more jobs, and asks clients whose jobs wait to come again. Jobs that run can end during the grace; then they go back to the
   * queue, and the models' processes end. The next server of the queue goes on with it.
   */
  close(options?: CloseOptions): Promise<void>;
}

/**
 * Starts a server with its queue, its pictures and its models' processes. It prints nothing.
 * @throws ArgumentError if others could reach it and there is no key, for an address that it cannot listen on, and if there is no place for
 * pictures
 * @throws CheckpointError for a model that cannot be read
 * @throws QueueFileError if another server has the folder
 * @throws RedisQueueError if Redis cannot be reached, or its packages are missing
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { host = "127.0.0.1", port = 7860, queue, slots = 1, onError = () => undefined } = options;
  checkOptions(options);
  checkRunOptions(options);
  const offer = offerOf(options.offer ?? {});
  await checkOffer(offer);
  const opened = new Opened(onError);
  try {
    const results = await openResults(options);
    const jobs = opened.add(await openQueue(options, results));
    // The clients of jobs in a shared queue may be those of another server.
    if (queue === undefined) await cancelOrphans(jobs);
    const shutdown = new Shutdown();
    let runner: Runner | undefined;
    const app = createApp({
      jobs,
      results,
      models: new Catalog(offer),
      limits: options.limits,
      access: { ...options, host },
      patience: options.patience,
      modelMemory: () => runner?.status().map(({ models, memory }) => ({ models, bytes: memory })) ?? [],
      shutdown,
      onError,
    });
    // The global Request and Response belong to the program.
    const server = createAdaptorServer({
      fetch: app.fetch,
      overrideGlobalObjects: false,
      serverOptions: timeouts(options.requestTimeout ?? 300_000),
    }) as Server;
    const listening = await listen(server, host, port);
    opened.add({ close: () => stopListening(server) });
    if (slots > 0) runner = opened.add(runJobs(jobs, { ...options, offer, results, sharesQueue: queue !== undefined }));

    const goDown = async ({ grace = 0 }: CloseOptions) => {
      if (grace > 0) await waitFor(Promise.all([shutdown.drain(), runner?.drain()]), grace);
      // Clients that still wait are told to come again before jobs are handed back: their jobs are cancelled.
      shutdown.close();
      await opened.close();
    };
    let closed: Promise<void> | undefined;
    const close = (options: CloseOptions = {}) => {
      closed ??= goDown(options);
      return closed;
    };
    return {
      address: `http://${host.includes(":") ? `[${host}]` : host}:${listening}`,
      port: listening,
      close,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await opened.close();
    throw error;
  }
}

function checkOptions({ host = "127.0.0.1", apiKeys = [], queue, slots = 1 }: ServerOptions): void {
  if (!isLoopback(host) && apiKeys.length === 0) {
    throw new ArgumentError(`the server would listen on ${host}, where others can reach it, without an API key`, {
      argument: "apiKeys",
      hint: "give it an API key, or let it listen on 127.0.0.1",
    });
  }
  if (slots === 0 && queue === undefined) {
    throw new ArgumentError("the server would do no jobs: it has no slots, and no queue that workers share", {
      argument: "slots",
      hint: "give it at least one slot, or a queue on Redis",
    });
  }
}

/** The queue in the folder, or the one that is shared. */
async function openQueue(options: ServerOptions, results: ResultStore): Promise<Jobs> {
  const { folder, queue, maxWaiting, keepJobs, keepDays, workerTimeout = 120, onError = () => undefined } = options;
  const onPicturesExpired = async (hashes: readonly string[]) => {
    for (const hash of hashes) await results.delete(hash);
  };
  const rules = { maxWaiting, keepJobs, keepDays, onPicturesExpired, onError };
  if (queue !== undefined) {
    const identity = await results.identity?.();
    return openRedisJobs(queue, {
      ...rules,
      workerTimeout: workerTimeout * 1000,
      ...(identity && { results: { ...identity, isServer: true } }),
    });
  }
  if (folder === undefined) throw new ArgumentError("the server has no folder for its queue", { argument: "folder" });
  return openEmbeddedJobs(join(folder, "queue.db"), rules);
}

/** Who sends a request slowly, or not to its end, holds a connection: not for ever. */
function timeouts(requestTimeout: number): HttpServerOptions {
  return { requestTimeout, headersTimeout: Math.min(requestTimeout, 20_000), connectionsCheckingInterval: Math.min(requestTimeout, 5_000) };
}

/** After a crash, jobs are left whose clients waited for them. Their connections are gone; nobody would get their pictures. */
async function cancelOrphans(jobs: Jobs): Promise<void> {
  const live = await jobs.list({ states: ["waiting", "running"], limit: Number.MAX_SAFE_INTEGER });
  for (const { id, door } of live) if (door !== "api") await jobs.cancel(id);
}
