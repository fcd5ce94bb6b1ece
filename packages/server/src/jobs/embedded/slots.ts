import type { Job, Preview, Progress } from "../job.js";
import { JobCancelled, JobHandedBack, type JobHandler, type JobRun, type JobWorker, type WorkOptions } from "../jobs.js";
import { type RunEnd, runJobHandler } from "../run-job-handler.js";

/** Storage that failed, such as a full disk, is tried again after this time. */
const RETRY_MS = 1000;

/** The queue as slots need it. A call that throws is made again later. */
export interface SlotQueue {
  /** Takes the next job, which then counts as running. */
  take(models: readonly string[] | undefined): Job | undefined;
  progress(id: string, progress: Progress): void;
  preview(id: string, picture: number, image: Preview): void;
  end(id: string, end: RunEnd): void;
  onError(error: unknown): void;
}

interface Run {
  readonly abort: AbortController;
  readonly ended: Promise<void>;
}

/** Runs jobs, so many at a time. */
export class Slots implements JobWorker {
  readonly slots: number;
  readonly #queue: SlotQueue;
  readonly #handler: JobHandler;
  readonly #models: readonly string[] | undefined;
  readonly #running = new Map<string, Run>();
  readonly #onClosed: () => void;
  #isWoken = false;
  #isDraining = false;
  #isClosed = false;

  constructor(queue: SlotQueue, handler: JobHandler, { slots, models }: WorkOptions, onClosed: () => void) {
    this.#queue = queue;
    this.#handler = handler;
    this.slots = slots;
    this.#models = models;
    this.#onClosed = onClosed;
  }

  /** There may be jobs to take. */
  wake(): void {
    if (this.#isWoken || this.#isDraining) return;
    this.#isWoken = true;
    setImmediate(() => {
      this.#isWoken = false;
      this.#fill();
    });
  }

  /** Stops the run of a job that was cancelled. */
  cancel(id: string): void {
    this.#running.get(id)?.abort.abort(new JobCancelled("the job was cancelled"));
  }

  /** Whether it takes jobs of a model. */
  takes(model: string): boolean {
    return !this.#isDraining && (this.#models?.includes(model) ?? true);
  }

  async drain(): Promise<void> {
    this.#isDraining = true;
    await Promise.all([...this.#running.values()].map(({ ended }) => ended));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { abort } of this.#running.values()) abort.abort(new JobHandedBack("the worker closes"));
    await this.drain();
    this.#onClosed();
  }

  #fill(): void {
    while (!this.#isDraining && this.#running.size < this.slots) {
      let job: Job | undefined;
      try {
        job = this.#queue.take(this.#models);
      } catch (error) {
        this.#queue.onError(error);
        setTimeout(() => this.wake(), RETRY_MS).unref();
        return;
      }
      if (job === undefined) return;
      const abort = new AbortController();
      this.#running.set(job.id, { abort, ended: this.#run(job, abort.signal) });
    }
  }

  async #run(job: Job, signal: AbortSignal): Promise<void> {
    let isRunning = true;
    const run: JobRun = {
      signal,
      progress: (progress) => isRunning && !signal.aborted && this.#queue.progress(job.id, progress),
      preview: (picture, image) => isRunning && !signal.aborted && this.#queue.preview(job.id, picture, image),
    };
    const end = await runJobHandler(this.#handler, job, run, (error) => this.#queue.onError(error));
    isRunning = false;
    while (!this.#hasEnded(job.id, end)) {
      // On record it runs. Closing leaves it so: the next start takes it for a crash.
      if (this.#isClosed) break;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
    this.#running.delete(job.id);
    this.wake();
  }

  #hasEnded(id: string, end: RunEnd): boolean {
    try {
      this.#queue.end(id, end);
      return true;
    } catch (error) {
      this.#queue.onError(error);
      return false;
    }
  }
}
