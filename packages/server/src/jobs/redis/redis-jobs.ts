import type { Redis } from "ioredis";
import type { StoreIdentity } from "../../results/result-store.js";
import type { Job, JobError, JobEvent, NewJob, StoredPicture, SubmitOptions } from "../job.js";
import {
  type JobCounts,
  type JobHandler,
  type Jobs,
  type JobsOptions,
  type JobWorker,
  type ListOptions,
  QueueClosedError,
  type WorkOptions,
} from "../jobs.js";
import type { RunEnd } from "../run-job-handler.js";
import { connect, loadRedisModules, RedisQueueError } from "./connect.js";
import { EventHub } from "./event-hub.js";
import { JobStore } from "./job-store.js";
import { Reach } from "./reach.js";
import { RedisSlots, type SlotQueue, type TakenRun } from "./redis-slots.js";
import { Repeated } from "./repeated.js";
import { type LeaseOptions, Tickets } from "./tickets.js";

const DAY_MS = 86_400_000;

/** Closing waits no longer for a Redis that is away; what ran there counts as crashed. */
const LONGEST_CLOSE_MS = 10_000;

/** What a queue on Redis can be told. */
export interface RedisJobsOptions extends JobsOptions, Partial<LeaseOptions> {
  /** Before the names of all keys; "darkroom" by default. Queues with different ones do not know of each other. */
  readonly prefix?: string | undefined;
  /**
   * Milliseconds that jobs wait for a worker that has their model; if none is there all this time, they fail. No end by default: the server
   * is told it, workers are not.
   */
  readonly workerTimeout?: number | undefined;
  /** Where this process keeps pictures. That of the server is put on record; a worker is refused if it has another one. */
  readonly results?: SharedResults | undefined;
}

/** A place of pictures, as all processes of a queue know it. */
export interface SharedResults extends StoreIdentity {
  /** Whether this process is a server, which says what the place is. */
  readonly isServer: boolean;
}

/**
 * Opens the queue on a Redis server, which any number of processes share; BullMQ and ioredis must be installed. Redis must run with
 * `appendonly yes` and without eviction (`maxmemory-policy noeviction`): then jobs outlive it.
 *
 * Order: a new job gets a turn, the one after its owner's last, or after the one that is served now if that is later. Turns run in order,
 * jobs of one turn in the order in which they came, so that an owner with many jobs has one of them between those of the others. Jobs that
 * ran already go before all others. Workers look at the models in the order of their first waiting jobs.
 *
 * Final jobs are deleted only by processes that are told `keepJobs`, `keepDays` or `onPicturesExpired`: workers leave that to the server.
 * @param address redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE], or rediss:// for TLS
 * @throws RedisQueueError if the packages are missing, the server cannot be reached, or `results` are not those of the queue's servers
 */
export async function openRedisJobs(address: string, options: RedisJobsOptions = {}): Promise<Jobs> {
  const modules = await loadRedisModules();
  const onError = options.onError ?? console.error;
  const redis = await connect(modules, address, onError);
  // In braces, so that a cluster keeps all keys on one machine.
  const prefix = `{${options.prefix ?? "darkroom"}}`;
  const store = new JobStore(redis, `${prefix}:jobs:`);
  const lease = { lockDuration: options.lockDuration ?? 30_000, stalledInterval: options.stalledInterval ?? 15_000 };
  const tickets = new Tickets(modules, redis, { prefix, lease, onError, onStalled: () => store.wakeWorkers().catch(onError) });
  const jobs = new RedisJobs(redis, { store, tickets, lease, options: { ...options, onError } });
  try {
    await jobs.open(await connect(modules, address, onError));
  } catch (error) {
    await jobs.close();
    throw error;
  }
  return jobs;
}

interface Parts {
  readonly store: JobStore;
  readonly tickets: Tickets;
  readonly lease: LeaseOptions;
  readonly options: RedisJobsOptions & { readonly onError: (error: unknown) => void };
}

/** The queue of many processes. What changes a job is on record in Redis before anybody hears of it. */
class RedisJobs implements Jobs {
  readonly #redis: Redis;
  readonly #reach: Reach;
  readonly #store: JobStore;
  readonly #tickets: Tickets;
  readonly #lease: LeaseOptions;
  readonly #options: Parts["options"];
  readonly #workers = new Set<RedisSlots>();
  readonly #minding: readonly NodeJS.Timeout[];
  #hub: EventHub | undefined;
  /** Workers need this time to be heard of after Redis was away. */
  #recoversFrom: number;
  /** Tells those who read the events of waiting jobs their new places. */
  readonly #placing: Repeated;
  /** Deletes old jobs, and has their pictures deleted. */
  readonly #tidying: Repeated;
  /** Models that jobs wait for and no worker has, and since when. */
  readonly #unserved = new Map<string, number>();
  #closing: Promise<void> | undefined;

  constructor(redis: Redis, { store, tickets, lease, options }: Parts) {
    this.#redis = redis;
    this.#reach = new Reach(redis);
    this.#store = store;
    this.#tickets = tickets;
    this.#lease = lease;
    this.#options = options;
    this.#placing = new Repeated(() => store.tellPlaces(this.#hub?.read ?? []), options.onError);
    this.#tidying = new Repeated(() => this.#tidy(), options.onError);
    this.#recoversFrom = performance.now() + lease.stalledInterval;
    redis.on("ready", () => {
      this.#recoversFrom = performance.now() + lease.stalledInterval;
    });
    const repeat = (task: () => Promise<void>, every: number) => setInterval(() => task().catch(options.onError), every).unref();
    const { workerTimeout } = options;
    this.#minding = [
      repeat(() => this.#mind(), lease.stalledInterval),
      // Often enough that jobs fail soon after the time that was given.
      ...(workerTimeout === undefined
        ? []
        : [repeat(() => this.#failUnserved(), Math.min(lease.stalledInterval, Math.max(workerTimeout / 8, 200)))]),
    ];
  }

  /** @param listening a connection for messages only */
  async open(listening: Redis): Promise<void> {
    this.#hub = await EventHub.open(listening, this.#store.prefix, {
      onChanged: () => this.#placing.ask(),
      onWork: () => this.#wake(),
      onCancel: (id) => this.#cancelRuns(id),
    });
    await this.#shareResults();
    await this.#prune();
    this.#tidying.ask();
  }

  async #shareResults(): Promise<void> {
    const { results } = this.#options;
    if (results === undefined) return;
    const { isServer, id, place } = results;
    if (isServer) return this.#store.setResults({ id, place });
    const servers = await this.#store.results();
    if (servers === undefined || servers.id === id) return;
    throw new RedisQueueError(`pictures would go to ${place}, but the servers of this queue look for them in ${servers.place}`, {
      hint: "give the worker the same bucket, or the same folder by whatever path this machine has it",
    });
  }

  async submit(job: NewJob, options: SubmitOptions): Promise<Job> {
    this.#checkOpen();
    // A job that nobody was told of is not made; one with a key is found by it.
    const onLate = ({ id }: Job) => options.key === undefined && void this.cancel(id).catch(this.#options.onError);
    return this.#reach.call(() => this.#submit(job, options), { onLate });
  }

  async #submit(job: NewJob, options: SubmitOptions): Promise<Job> {
    const slots = [...this.#workers].reduce((sum, worker) => sum + worker.slots, 0);
    const { id, ticket } = await this.#store.add(job, options, {
      maxWaiting: this.#options.maxWaiting ?? 1000,
      slots,
      bullKey: (id) => this.#tickets.key(job.model, id),
    });
    // Read before a worker can have it: a new job waits.
    const submitted = await this.#store.get(id);
    if (submitted === undefined) throw new Error(`job ${id} is not on record`);
    if (ticket !== undefined) {
      await this.#tickets.add(ticket);
      await this.#store.wakeWorkers();
    }
    return submitted.job;
  }

  async get(id: string): Promise<Job | undefined> {
    this.#checkOpen();
    return (await this.#reach.call(() => this.#store.get(id)))?.job;
  }

  async list(options: ListOptions = {}): Promise<readonly Job[]> {
    this.#checkOpen();
    return this.#reach.call(() => this.#store.list(options));
  }

  async picture(id: string): Promise<StoredPicture | undefined> {
    this.#checkOpen();
    return this.#reach.call(() => this.#store.picture(id));
  }

  async cancel(id: string): Promise<Job | undefined> {
    this.#checkOpen();
    const job = (await this.#reach.call(() => this.#store.cancel(id)))?.job;
    // On record it is cancelled; a worker that is given it all the same drops it.
    if (job?.state === "cancelled") await this.#tickets.remove(job.model, id).catch(this.#options.onError);
    this.#cancelRuns(id);
    this.#tidying.ask();
    return job;
  }

  async *events(
    id: string,
    { after = 0, signal }: { readonly after?: number | undefined; readonly signal?: AbortSignal | undefined } = {},
  ): AsyncGenerator<JobEvent, void, undefined> {
    this.#checkOpen();
    const recorded = async () => {
      await this.#store.tellPlaces([id]);
      return this.#store.get(id);
    };
    if (this.#hub !== undefined) yield* this.#hub.events(id, recorded, after, signal);
  }

  work(handler: JobHandler, options: WorkOptions): JobWorker {
    this.#checkOpen();
    const worker = new RedisSlots(this.#slotQueue, handler, {
      ...options,
      renewEvery: this.#lease.lockDuration / 3,
      onClosed: () => this.#workers.delete(worker),
    });
    this.#workers.add(worker);
    worker.wake();
    return worker;
  }

  async slots(models: readonly string[]): Promise<ReadonlyMap<string, number>> {
    this.#checkOpen();
    return this.#reach.call(() => this.#store.slots(models));
  }

  async count(): Promise<JobCounts> {
    this.#checkOpen();
    return this.#reach.call(() => this.#store.count());
  }

  async check(): Promise<void> {
    this.#checkOpen();
    await this.#reach.call(() => this.#store.check(), { patient: false });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const timer of this.#minding) clearInterval(timer);
    let timer: NodeJS.Timeout | undefined;
    const longest = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, LONGEST_CLOSE_MS);
    });
    await Promise.race([this.#settle(), longest]);
    clearTimeout(timer);
    this.#hub?.close();
    this.#redis.disconnect();
  }

  async #settle(): Promise<void> {
    await Promise.all([...this.#workers].map((worker) => worker.close()));
    await Promise.all([this.#placing.done(), this.#tidying.done()]);
    await this.#tickets.close();
  }

  readonly #slotQueue: SlotQueue = {
    take: (models, token) => this.#take(models, token),
    announce: (...worker) => this.#store.announce(...worker),
    withdraw: (...worker) => this.#store.withdraw(...worker),
    renew: (run) => this.#store.renew(run, this.#lease.lockDuration, this.#tickets.stalledKey(run.job.model)),
    progress: (run, progress) => this.#store.progress(run, progress),
    preview: (run, preview) => this.#store.preview(run, preview),
    end: (run, end) => this.#end(run, end),
    onError: (error) => this.#options.onError(error),
  };

  async #take(models: readonly string[] | undefined, token: string): Promise<TakenRun | undefined> {
    for (const model of await this.#store.models()) {
      if (models !== undefined && !models.includes(model)) continue;
      for (let taken = await this.#tickets.take(model, token); taken !== undefined; taken = await this.#tickets.take(model, token)) {
        const { id = "" } = taken;
        const job = await this.#store.start({ id, token });
        if (job !== undefined) return { id, token, job, taken };
        await this.#tickets.settle(taken, token).catch(this.#options.onError);
      }
    }
    return undefined;
  }

  async #end(run: TakenRun, end: RunEnd): Promise<void> {
    const waitsAgain = await this.#store.end(run, end);
    try {
      if (waitsAgain) await this.#tickets.putBack(run.taken, run.token);
      else await this.#tickets.settle(run.taken, run.token);
    } catch {
      // Its lock is gone, or Redis is. BullMQ gives the job again to someone, who finds on record how it stands.
    }
    if (waitsAgain) await this.#store.wakeWorkers();
    this.#tidying.ask();
  }

  /** What processes that ended have left is put right by those that are there. */
  async #mind(): Promise<void> {
    if (performance.now() >= this.#recoversFrom) await this.#recover();
    const missing = await this.#store.missing();
    for (const ticket of missing) await this.#tickets.add(ticket);
    if (missing.length > 0) await this.#store.wakeWorkers();
    this.#tidying.ask();
  }

  /** Runs whose lock is gone have ended. BullMQ would notice, too, a while later, where a worker looks after the model. */
  async #recover(): Promise<void> {
    const lost = await this.#store.recover();
    for (const { waitsAgain, ...ticket } of lost) {
      // Somebody may have been given it already: then it stays where it is.
      await this.#tickets.remove(ticket.model, ticket.id);
      if (waitsAgain) await this.#tickets.add(ticket);
    }
    if (lost.length > 0) await this.#store.wakeWorkers();
  }

  /** Jobs that nobody would ever do fail. The time runs while this process sees no worker for them, so that workers can be late. */
  async #failUnserved(): Promise<void> {
    const { workerTimeout } = this.#options;
    if (workerTimeout === undefined) return;
    const models = await this.#store.models();
    const slots = await this.#store.slots(models);
    const now = performance.now();
    for (const model of this.#unserved.keys()) if (slots.get(model) !== 0) this.#unserved.delete(model);
    for (const model of models.filter((each) => slots.get(each) === 0)) {
      const since = this.#unserved.get(model) ?? now;
      this.#unserved.set(model, since);
      if (now - since < workerTimeout) continue;
      const failed = await this.#store.failWaiting(model, unservedError(model, workerTimeout), Date.now() - workerTimeout);
      for (const id of failed) await this.#tickets.remove(model, id);
    }
  }

  #wake(): void {
    for (const worker of this.#workers) worker.wake();
  }

  #cancelRuns(id: string): void {
    for (const worker of this.#workers) worker.cancel(id);
  }

  async #tidy(): Promise<void> {
    await this.#prune();
    await this.#expire();
  }

  async #prune(): Promise<void> {
    const { keepJobs, keepDays, onPicturesExpired } = this.#options;
    if (keepJobs === undefined && keepDays === undefined && onPicturesExpired === undefined) return;
    const since = Math.max(Date.now() - (keepDays ?? Number.POSITIVE_INFINITY) * DAY_MS, 0);
    await this.#store.prune({ jobs: keepJobs ?? 1000, since });
  }

  async #expire(): Promise<void> {
    const { keepPicturesSeconds = 600, onPicturesExpired } = this.#options;
    if (onPicturesExpired === undefined) return;
    const expired = () => this.#store.expired(Date.now() - keepPicturesSeconds * 1000);
    for (let hashes = await expired(); hashes.length > 0; hashes = await expired()) {
      await onPicturesExpired(hashes);
      await this.#store.forget(hashes);
    }
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new QueueClosedError();
  }
}

function unservedError(model: string, milliseconds: number): JobError {
  return {
    kind: "unserved",
    message: `no worker has the model ${model}; none came in ${milliseconds / 1000} second${milliseconds === 1000 ? "" : "s"}`,
    hint: "start a worker with this model, under the name that the server has for it",
  };
}
