import type { Job, JobEvent, NewJob, StoredPicture, SubmitOptions } from "../job.js";
import { jobText } from "../job-text.js";
import {
  type JobCounts,
  type JobHandler,
  type Jobs,
  type JobsOptions,
  type JobWorker,
  KeyReusedError,
  type ListOptions,
  QueueClosedError,
  QueueFullError,
  type WorkOptions,
} from "../jobs.js";
import type { RunEnd } from "../run-job-handler.js";
import { closeDatabase, type Database, openDatabase } from "./database.js";
import { Feed, stateEvent } from "./feed.js";
import { JobTable, type Recorded } from "./job-table.js";
import { type SlotQueue, Slots } from "./slots.js";

const DAY_MS = 86_400_000;

/** How often what is too old is looked for when no job ends. */
const PRUNE_MS = 600_000;

/**
 * Opens the queue in a file, or makes it. One process has it at a time; jobs that the last one ran wait again, before all others.
 * @throws QueueFileError if the file is in use, of a newer version, or no queue
 */
export async function openEmbeddedJobs(path: string, options: JobsOptions = {}): Promise<Jobs> {
  const database = await openDatabase(path);
  try {
    return new EmbeddedJobs(database, options);
  } catch (error) {
    closeDatabase(database);
    throw error;
  }
}

/**
 * The queue of one process, in SQLite. What changes a job is on record before anybody hears of it; steps and previews are in memory only.
 */
class EmbeddedJobs implements Jobs {
  readonly #database: Database;
  readonly #table: JobTable;
  readonly #options: JobsOptions;
  /** Of the live jobs, as far as anybody asked. */
  readonly #feeds = new Map<string, Feed>();
  readonly #workers = new Set<Slots>();
  readonly #pruning: NodeJS.Timeout;
  /** Jobs whose end could not be recorded yet: their slots go on trying. */
  readonly #unrecorded = new Set<string>();
  /** The error of the last change that failed. */
  #failure: unknown;
  #expiring: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(database: Database, options: JobsOptions) {
    this.#database = database;
    this.#options = options;
    this.#table = new JobTable(database);
    this.#pruning = setInterval(() => this.#prune(), PRUNE_MS).unref();
    this.#prune();
  }

  async submit(job: NewJob, options: SubmitOptions): Promise<Job> {
    this.#checkOpen();
    const slots = [...this.#workers].reduce((sum, worker) => sum + worker.slots, 0);
    const text = jobText(job);
    const id = this.#recording(() => this.#table.add(text, job.model, options, { maxWaiting: this.#options.maxWaiting ?? 1000, slots }));
    this.#queueChanged();
    for (const worker of this.#workers) worker.wake();
    return this.#withProgress(this.#recorded(id).job);
  }

  async get(id: string): Promise<Job | undefined> {
    this.#checkOpen();
    const recorded = this.#table.get(id);
    return recorded && this.#withProgress(recorded.job);
  }

  async list(options: ListOptions = {}): Promise<readonly Job[]> {
    this.#checkOpen();
    return this.#table.list(options).map((job) => this.#withProgress(job));
  }

  async picture(id: string): Promise<StoredPicture | undefined> {
    this.#checkOpen();
    return this.#table.picture(id);
  }

  async cancel(id: string): Promise<Job | undefined> {
    this.#checkOpen();
    const cancelled = this.#recording(() => this.#end(id, { state: "cancelled" }));
    for (const worker of this.#workers) worker.cancel(id);
    return cancelled ?? this.#table.get(id)?.job;
  }

  async *events(
    id: string,
    { after = 0, signal }: { readonly after?: number | undefined; readonly signal?: AbortSignal | undefined } = {},
  ): AsyncGenerator<JobEvent, void, undefined> {
    this.#checkOpen();
    const feed = this.#feed(id);
    if (feed === undefined) return;
    publishPosition(feed, this.#table.positions().get(id));
    yield* feed.read(after, signal);
  }

  work(handler: JobHandler, options: WorkOptions): JobWorker {
    this.#checkOpen();
    const worker = new Slots(this.#slotQueue, handler, options, () => this.#workers.delete(worker));
    this.#workers.add(worker);
    worker.wake();
    return worker;
  }

  async slots(models: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const slotsFor = (model: string) => [...this.#workers].reduce((sum, worker) => sum + (worker.takes(model) ? worker.slots : 0), 0);
    return new Map(models.map((model) => [model, slotsFor(model)]));
  }

  async count(): Promise<JobCounts> {
    this.#checkOpen();
    return this.#table.count();
  }

  async check(): Promise<void> {
    this.#checkOpen();
    if (this.#failure === undefined) return;
    if (this.#unrecorded.size > 0) throw this.#failure;
    this.#recording(() => this.#table.touch());
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    clearInterval(this.#pruning);
    await Promise.all([...this.#workers].map((worker) => worker.close()));
    for (const feed of this.#feeds.values()) feed.close();
    await this.#expiring;
    closeDatabase(this.#database);
  }

  readonly #slotQueue: SlotQueue = {
    take: (models) => this.#recording(() => this.#take(models)),
    progress: (id, progress) => this.#feeds.get(id)?.publish({ type: "step", ...progress }),
    preview: (id, picture, image) => this.#feeds.get(id)?.publish({ type: "preview", picture, image }),
    end: (id, end) => {
      this.#unrecorded.add(id);
      this.#recording(() => this.#end(id, end));
      this.#unrecorded.delete(id);
    },
    onError: (error) => this.#onError(error),
  };

  #take(models: readonly string[] | undefined): Job | undefined {
    const id = this.#table.next(models);
    if (id === undefined) return undefined;
    const feed = this.#feed(id);
    const request = this.#table.request(id);
    this.#table.start(id, feed?.next ?? 1);
    feed?.publish({ type: "running" });
    this.#queueChanged();
    const { job } = this.#recorded(id);
    return { ...job, request: request ?? job.request };
  }

  /** @returns the job as it is then; undefined if it was not live any longer */
  #end(id: string, end: RunEnd): Job | undefined {
    const feed = this.#feed(id);
    let job: Job | undefined;
    if (this.#recordEnd(id, feed?.next ?? 1, end)) {
      job = this.#recorded(id).job;
      feed?.publish(stateEvent(job));
      if (job.position === undefined) this.#feeds.delete(id);
      this.#queueChanged();
    }
    this.#prune();
    return job;
  }

  /** @returns false if the job was not live any longer */
  #recordEnd(id: string, event: number, end: RunEnd): boolean {
    if (end.state === "handed back") return this.#table.handBack(id, event);
    if (end.state === "crashed") return this.#table.crash(id, event, end.reason);
    return this.#table.end(id, event, end);
  }

  /** The events of a job; those of a final one are not kept. */
  #feed(id: string): Feed | undefined {
    const known = this.#feeds.get(id);
    if (known !== undefined) return known;
    const recorded = this.#table.get(id);
    if (recorded === undefined) return undefined;
    const feed = new Feed(recorded.job, recorded.event);
    if (!feed.isFinal) this.#feeds.set(id, feed);
    return feed;
  }

  /** Tells those who read the events of waiting jobs their new places. */
  #queueChanged(): void {
    const read = [...this.#feeds].filter(([, feed]) => feed.isRead && feed.standing("waiting"));
    if (read.length === 0) return;
    const positions = this.#table.positions();
    for (const [id, feed] of read) publishPosition(feed, positions.get(id));
  }

  /** Deletes old jobs, and has their pictures deleted. */
  #prune(): void {
    const { keepJobs = 1000, keepDays = Number.POSITIVE_INFINITY } = this.#options;
    try {
      this.#table.prune({ jobs: keepJobs, since: Math.max(Date.now() - keepDays * DAY_MS, 0) });
    } catch (error) {
      this.#onError(error);
    }
    this.#expiring ??= this.#expire().finally(() => {
      this.#expiring = undefined;
    });
  }

  async #expire(): Promise<void> {
    const { keepPicturesSeconds = 600 } = this.#options;
    const expired = () => this.#table.expired(Date.now() - keepPicturesSeconds * 1000);
    try {
      for (let hashes = expired(); hashes.length > 0; hashes = expired()) {
        await this.#options.onPicturesExpired?.(hashes);
        this.#table.forget(hashes);
      }
    } catch (error) {
      this.#onError(error);
    }
  }

  #withProgress(job: Job): Job {
    const step = this.#feeds.get(job.id)?.standing("step");
    if (step === undefined) return job;
    const { id: _, type: __, ...progress } = step;
    return { ...job, progress };
  }

  #recorded(id: string): Recorded {
    const recorded = this.#table.get(id);
    if (recorded === undefined) throw new Error(`job ${id} is not on record`);
    return recorded;
  }

  /** Does what changes the record, and remembers whether that works. */
  #recording<T>(change: () => T): T {
    try {
      const result = change();
      this.#failure = undefined;
      return result;
    } catch (error) {
      // The queue's own refusals are on no disk.
      if (!(error instanceof QueueFullError || error instanceof KeyReusedError)) this.#failure = error;
      throw error;
    }
  }

  #onError(error: unknown): void {
    (this.#options.onError ?? console.error)(error);
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new QueueClosedError();
  }
}

function publishPosition(feed: Feed, position: number | undefined): void {
  if (position !== undefined && feed.standing("waiting")?.position !== position) feed.publish({ type: "waiting", position });
}
