import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { createAdaptorServer } from "@hono/node-server";
import { ArgumentError } from "darkroom";
import { type AccessOptions, isLoopback } from "./http/access.js";
import { createApp } from "./http/app.js";
import type { Limits } from "./http/limits.js";
import type { Patience } from "./http/server-context.js";
import { openEmbeddedJobs } from "./jobs/embedded/embedded-jobs.js";
import type { Jobs, JobsOptions } from "./jobs/jobs.js";
import { Catalog } from "./models/catalog.js";
import { checkOffer } from "./models/check-offer.js";
import { offerOf, type PartialOffer } from "./models/offer.js";
import { FolderStore } from "./results/folder-store.js";
import type { ResultStore } from "./results/result-store.js";
import { createHandler, type HandlerOptions } from "./worker/supervisor.js";

/** Options of {@link startServer}. */
export interface ServerOptions
  extends AccessOptions,
    Pick<JobsOptions, "maxWaiting" | "keepJobs" | "keepDays">,
    Pick<HandlerOptions, "slots" | "threads" | "memoryBudget" | "recycleAbove" | "killAfter" | "startTimeout" | "log"> {
  /** The folder of the queue and, unless `results` is given, of finished pictures. One server has it at a time. */
  readonly folder: string;
  /** Where finished pictures are kept; in the folder by default. The server does not close it. */
  readonly results?: ResultStore | undefined;
  /** 7860 by default; 0 for any that is free. */
  readonly port?: number | undefined;
  /** What requests can name, and where it runs; the embedded checkpoint by default. */
  readonly offer?: PartialOffer | undefined;
  /** What requests may ask for. */
  readonly limits?: Partial<Limits> | undefined;
  /** When slow replies show that they are alive. */
  readonly patience?: Partial<Patience> | undefined;
  /** Told the errors that clients do not see. Bodies of requests are in none of them. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** A server that listens. */
export interface RunningServer extends AsyncDisposable {
  /** Such as http://127.0.0.1:7860. */
  readonly address: string;
  readonly port: number;
  /**
   * Takes no more requests, asks clients that wait to come again, hands jobs that run back to the queue in the folder, and ends the models'
   * processes. The next server of the folder goes on with the queue.
   */
  close(): Promise<void>;
}

/** Connections that are not ended by then are cut. */
const CLOSE_MS = 5_000;

/**
 * Starts a server with its queue, its pictures and its models' processes. It prints nothing.
 * @throws ArgumentError if others could reach it and there is no key, and for an address that it cannot listen on
 * @throws CheckpointError for a model that cannot be read
 * @throws QueueFileError if another server has the folder
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { host = "127.0.0.1", port = 7860, apiKeys = [], onError = () => undefined } = options;
  if (!isLoopback(host) && apiKeys.length === 0) {
    throw new ArgumentError(`the server would listen on ${host}, where others can reach it, without an API key`, {
      argument: "apiKeys",
      hint: "give it an API key, or let it listen on 127.0.0.1",
    });
  }
  const offer = offerOf(options.offer ?? {});
  await checkOffer(offer);
  /** What has to be closed, in the order in which it was opened. */
  const opened: (() => Promise<void>)[] = [];
  const closeAll = async () => {
    for (const close of opened.splice(0).reverse()) await close().catch(onError);
  };
  try {
    const results = options.results ?? (await openFolder(join(options.folder, "pictures")));
    if (results !== options.results) opened.push(() => results.close());
    const jobs = await openEmbeddedJobs(join(options.folder, "queue.db"), {
      maxWaiting: options.maxWaiting,
      keepJobs: options.keepJobs,
      keepDays: options.keepDays,
      onPicturesExpired: async (hashes) => {
        for (const hash of hashes) await results.delete(hash);
      },
      onError,
    });
    opened.push(() => jobs.close());
    await cancelOrphans(jobs);

    const { slots = 1, threads, memoryBudget, recycleAbove, killAfter, startTimeout, log = () => undefined } = options;
    const handler = createHandler({ offer, results, slots, threads, memoryBudget, recycleAbove, killAfter, startTimeout, log });
    opened.push(() => handler.close());

    const closing = new AbortController();
    const app = createApp({
      jobs,
      results,
      models: new Catalog(offer),
      limits: options.limits,
      access: { ...options, host },
      patience: options.patience,
      modelMemory: () => handler.status().map(({ models, memory }) => ({ models, bytes: memory })),
      closing: closing.signal,
      onError,
    });
    // The global Request and Response belong to the program.
    const server = createAdaptorServer({ fetch: app.fetch, overrideGlobalObjects: false }) as Server;
    const listening = await listen(server, host, port);
    opened.push(() => stopListening(server));
    const worker = jobs.work(handler, { slots });
    opened.push(() => worker.close());
    // Closed first: clients that wait have their jobs cancelled and are told to come again, before jobs are handed back.
    opened.push(async () => closing.abort());

    let closed: Promise<void> | undefined;
    const close = () => {
      closed ??= closeAll();
      return closed;
    };
    return {
      address: `http://${host.includes(":") ? `[${host}]` : host}:${listening}`,
      port: listening,
      close,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

/** After a crash, jobs are left whose clients waited for them. Their connections are gone; nobody would get their pictures. */
async function cancelOrphans(jobs: Jobs): Promise<void> {
  const live = await jobs.list({ states: ["waiting", "running"], limit: Number.MAX_SAFE_INTEGER });
  for (const { id, door } of live) if (door !== "api") await jobs.cancel(id);
}

/** @throws ArgumentError */
async function openFolder(folder: string): Promise<FolderStore> {
  try {
    return await FolderStore.open(folder);
  } catch (cause) {
    throw new ArgumentError(`the folder ${folder} cannot be used: ${(cause as Error).message}`, {
      argument: "folder",
      hint: "choose a folder that can be written",
      cause,
    });
  }
}

/** @throws ArgumentError */
async function listen(server: Server, host: string, port: number): Promise<number> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, host, resolve);
    });
  } catch (error) {
    throw listenError(error as NodeJS.ErrnoException, host, port);
  }
  return (server.address() as AddressInfo).port;
}

function listenError(cause: NodeJS.ErrnoException, host: string, port: number): Error {
  switch (cause.code) {
    case "EADDRINUSE":
      return new ArgumentError(`port ${port} of ${host} is in use`, {
        argument: "port",
        hint: "another server may run already; stop it, or choose another port",
        cause,
      });
    case "EACCES":
      return new ArgumentError(`port ${port} is not allowed: ${cause.message}`, { argument: "port", hint: "try a port above 1023", cause });
    case "ERR_SOCKET_BAD_PORT":
      return new ArgumentError(`port is ${port}; expected a whole number from 0 to 65535`, { argument: "port", cause });
    default:
      return new ArgumentError(`the server cannot listen on ${host}: ${cause.message}`, {
        argument: "host",
        hint: "give an address of this machine: 127.0.0.1, or 0.0.0.0 for all",
        cause,
      });
  }
}

async function stopListening(server: Server): Promise<void> {
  const timer = setTimeout(() => server.closeAllConnections(), CLOSE_MS);
  await new Promise((resolve) => {
    server.close(resolve);
    server.closeIdleConnections();
  });
  clearTimeout(timer);
}
