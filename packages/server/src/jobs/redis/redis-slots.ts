import { randomUUID } from "node:crypto";
import type { Job, JobEvent, Progress } from "../job.js";
import { JobCancelled, JobHandedBack, type JobHandler, type JobRun, type JobWorker, type WorkOptions } from "../jobs.js";
import { type RunEnd, runJobHandler } from "../run-job-handler.js";
import type { RunKey } from "./job-store.js";
import { Repeated } from "./repeated.js";
import type { Taken } from "./tickets.js";

/** Jobs are looked for so often when no message tells of one, and after an error. So often a worker says that it is there. */
const LOOK_MS = 5000;

type PreviewBody = Pick<Extract<JobEvent, { type: "preview" }>, "picture" | "image">;

/** A job that this process runs. */
export interface TakenRun extends RunKey {
  readonly job: Job;
  readonly taken: Taken;
}

/** The queue as slots need it. */
export interface SlotQueue {
  /** Takes the next job, which then counts as running. */
  take(models: readonly string[] | undefined, token: string): Promise<TakenRun | undefined>;
  /** Says for a time that a worker takes jobs. */
  announce(worker: string, slots: number, models: readonly string[] | undefined): Promise<void>;
  /** The worker takes no more jobs. */
  withdraw(worker: string, slots: number, models: readonly string[] | undefined): Promise<void>;
  renew(run: TakenRun): Promise<"held" | "cancelled" | "lost">;
  progress(run: RunKey, progress: Progress): Promise<void>;
  preview(run: RunKey, preview: PreviewBody): Promise<void>;
  end(run: TakenRun, end: RunEnd): Promise<void>;
  onError(error: unknown): void;
}

interface Run extends TakenRun {
  readonly abort: AbortController;
  readonly ended: Promise<void>;
}

/** Runs jobs, so many at a time. */
export class RedisSlots implements JobWorker {
  readonly slots: number;
  readonly #id = randomUUID();
  readonly #queue: SlotQueue;
  readonly #handler: JobHandler;
  readonly #models: readonly string[] | undefined;
  readonly #running = new Map<string, Run>();
  readonly #looking: NodeJS.Timeout;
  readonly #renewing: NodeJS.Timeout;
  readonly #onClosed: () => void;
  readonly #filling: Repeated;
  /** Set when it takes no more jobs. */
  #leaving: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(
    queue: SlotQueue,
    handler: JobHandler,
    { slots, models, renewEvery, onClosed }: WorkOptions & { readonly renewEvery: number; readonly onClosed: () => void },
  ) {
    this.#queue = queue;
    this.#handler = handler;
    this.slots = slots;
    this.#models = models;
    this.#onClosed = onClosed;
    this.#filling = new Repeated(
      () => this.#fill(),
      (error) => queue.onError(error),
    );
    this.#announce();
    this.#looking = setInterval(() => {
      this.#announce();
      this.wake();
    }, LOOK_MS).unref();
    this.#renewing = setInterval(() => this.#renew(), renewEvery).unref();
  }

  /** There may be jobs to take. */
  wake(): void {
    if (this.#leaving === undefined) this.#filling.ask();
  }

  /** Stops the run of a job that was cancelled. */
  cancel(id: string): void {
    this.#running.get(id)?.abort.abort(new JobCancelled("the job was cancelled"));
  }

  async drain(): Promise<void> {
    const left = this.#leave();
    // A job that is being taken runs, too.
    await this.#filling.done();
    await Promise.all([left, ...[...this.#running.values()].map(({ ended }) => ended)]);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    void this.#leave();
    clearInterval(this.#looking);
    this.#handBack();
    await this.#filling.done();
    this.#handBack();
    await this.drain();
    clearInterval(this.#renewing);
    this.#onClosed();
  }

  #announce(): void {
    if (this.#leaving === undefined) this.#queue.announce(this.#id, this.slots, this.#models).catch((error) => this.#queue.onError(error));
  }

  #leave(): Promise<void> {
    this.#leaving ??= this.#queue.withdraw(this.#id, this.slots, this.#models).catch((error) => this.#queue.onError(error));
    return this.#leaving;
  }

  #handBack(): void {
    // BullMQ puts each before the others: the oldest must come last. Most end their runs in the order in which they hear of it.
    const newestFirst = [...this.#running.values()].sort((a, b) => b.job.createdAt - a.job.createdAt);
    for (const { abort } of newestFirst) abort.abort(new JobHandedBack("the worker closes"));
  }

  async #fill(): Promise<void> {
    while (this.#leaving === undefined && this.#running.size < this.slots) {
      const taken = await this.#queue.take(this.#models, randomUUID());
      if (taken === undefined) return;
      const abort = new AbortController();
      this.#running.set(taken.id, { ...taken, abort, ended: this.#run(taken, abort.signal) });
    }
  }

  async #run(taken: TakenRun, signal: AbortSignal): Promise<void> {
    const reports = new Reports(this.#queue, taken, signal);
    const run: JobRun = {
      signal,
      progress: (step) => reports.progress(step),
      preview: (...preview) => reports.preview(...preview),
    };
    const end = await runJobHandler(this.#handler, taken.job, run, (error) => this.#queue.onError(error));
    await reports.close();
    try {
      await this.#queue.end(taken, end);
    } catch (error) {
      // The run is lost when its lock ends: it counts as a crash.
      this.#queue.onError(error);
    }
    this.#running.delete(taken.id);
    this.wake();
  }

  #renew(): void {
    for (const run of this.#running.values()) {
      this.#queue.renew(run).then(
        (state) => {
          if (state === "cancelled") this.cancel(run.id);
          // Another worker has the job, or will: what this run ends with is not put on record.
          if (state === "lost") run.abort.abort(new JobHandedBack("this worker has lost the job"));
        },
        (error) => this.#queue.onError(error),
      );
    }
  }
}

/** Sends a run's progress and previews one after the other; of those that come meanwhile, the last. */
class Reports {
  readonly #queue: SlotQueue;
  readonly #run: RunKey;
  readonly #signal: AbortSignal;
  readonly #waiting = new Map<"progress" | "preview", () => Promise<void>>();
  readonly #sending: Repeated;
  #isClosed = false;

  constructor(queue: SlotQueue, run: RunKey, signal: AbortSignal) {
    this.#queue = queue;
    this.#run = run;
    this.#signal = signal;
    this.#sending = new Repeated(
      () => this.#send(),
      (error) => queue.onError(error),
    );
  }

  progress(progress: Progress): void {
    this.#report("progress", () => this.#queue.progress(this.#run, progress));
  }

  preview(picture: number, image: PreviewBody["image"]): void {
    this.#report("preview", () => this.#queue.preview(this.#run, { picture, image }));
  }

  /** Nothing is sent after it. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#waiting.clear();
    await this.#sending.done();
  }

  #report(name: "progress" | "preview", send: () => Promise<void>): void {
    if (this.#isClosed || this.#signal.aborted) return;
    this.#waiting.delete(name);
    this.#waiting.set(name, send);
    this.#sending.ask();
  }

  async #send(): Promise<void> {
    for (let [next] = this.#waiting; next !== undefined; [next] = this.#waiting) {
      this.#waiting.delete(next[0]);
      await next[1]();
    }
  }
}
