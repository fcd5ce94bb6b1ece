import type { Job as BullJob, Queue, Worker } from "bullmq";
import type { Redis } from "ioredis";
import type { RedisModules } from "./connect.js";
import type { Ticket } from "./job-store.js";

/** How long a silent worker has its jobs. */
export interface LeaseOptions {
  /** Milliseconds after which a run without a sign of life has ended; 30,000 by default. */
  readonly lockDuration: number;
  /** Milliseconds between two looks for such runs; 15,000 by default. */
  readonly stalledInterval: number;
}

/** A lost run is given once more. */
const MOST_STALLED = 1;

/** A job that BullMQ gave to this process. */
export type Taken = BullJob<null, null>;

/**
 * BullMQ gives jobs to workers: a queue for each model has the ids of its jobs, with the turn of their owner as priority. Which worker has
 * a job is a lock of BullMQ's, and a job whose lock is gone waits again. Everything else about a job is in the job store.
 */
export class Tickets {
  readonly #bullmq: RedisModules["bullmq"];
  readonly #redis: Redis;
  readonly #prefix: string;
  readonly #lease: LeaseOptions;
  readonly #onError: (error: unknown) => void;
  readonly #onStalled: () => void;
  readonly #queues = new Map<string, Queue<null, null>>();
  readonly #workers = new Map<string, Worker<null, null>>();

  constructor(
    { bullmq }: RedisModules,
    redis: Redis,
    {
      prefix,
      lease,
      onError,
      onStalled,
    }: {
      readonly prefix: string;
      readonly lease: LeaseOptions;
      readonly onError: (error: unknown) => void;
      readonly onStalled: () => void;
    },
  ) {
    this.#bullmq = bullmq;
    this.#redis = redis;
    this.#prefix = prefix;
    this.#lease = lease;
    this.#onError = onError;
    this.#onStalled = onStalled;
  }

  /** BullMQ's key of a job; its lock is at the same with ":lock". */
  key(model: string, id: string): string {
    return `${this.#prefix}:${queueName(model)}:${id}`;
  }

  /** BullMQ's set of jobs that it takes for lost if nobody renews their locks. */
  stalledKey(model: string): string {
    return `${this.#prefix}:${queueName(model)}:stalled`;
  }

  /** Adds a job; nothing happens if it is there already. */
  async add({ id, model, priority }: Ticket): Promise<void> {
    await this.#queue(model).add("job", null, { jobId: id, priority, attempts: 1, removeOnComplete: true, removeOnFail: true });
  }

  /** A waiting job is not given any more; one that a worker has stays until that is done with it. */
  async remove(model: string, id: string): Promise<void> {
    await this.#queue(model).remove(id);
  }

  /** The next job of a model; this process has its lock. */
  async take(model: string, token: string): Promise<Taken | undefined> {
    return (await this.#worker(model).getNextJob(token, { block: false })) ?? undefined;
  }

  /** The job waits again, before all others. */
  async putBack(job: Taken, token: string): Promise<void> {
    await job.changePriority({ priority: 0 });
    await job.moveToWait(token);
  }

  /** Nobody gets the job any more. */
  async settle(job: Taken, token: string): Promise<void> {
    await job.moveToCompleted(null, token, false);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#workers.values(), ...this.#queues.values()].map((part) => part.close()));
  }

  #queue(model: string): Queue<null, null> {
    const known = this.#queues.get(model);
    if (known !== undefined) return known;
    const queue = new this.#bullmq.Queue<null, null>(queueName(model), {
      connection: this.#redis,
      prefix: this.#prefix,
      streams: { events: { maxLen: 100 } },
    });
    queue.on("error", this.#onError);
    this.#queues.set(model, queue);
    return queue;
  }

  #worker(model: string): Worker<null, null> {
    const known = this.#workers.get(model);
    if (known !== undefined) return known;
    // Without a function it runs nothing: this process takes jobs when a slot is free, whatever their model.
    const worker = new this.#bullmq.Worker<null, null>(queueName(model), null, {
      connection: this.#redis,
      prefix: this.#prefix,
      autorun: false,
      maxStalledCount: MOST_STALLED,
      ...this.#lease,
    });
    worker.on("error", this.#onError);
    worker.on("stalled", this.#onStalled);
    worker.startStalledCheckTimer().catch(this.#onError);
    this.#workers.set(model, worker);
    return worker;
  }
}

/** BullMQ's names have no colon. */
function queueName(model: string): string {
  return `model-${encodeURIComponent(model)}`;
}
