import type { Job, JobError, JobEvent, JobResult, JobState, NewJob, Preview, Progress, SubmitOptions } from "./job.js";

/** Which jobs are listed, newest first. */
export interface ListOptions {
  readonly owner?: string | undefined;
  readonly states?: readonly JobState[] | undefined;
  /** 100 by default. */
  readonly limit?: number | undefined;
  /** Only jobs older than this one. */
  readonly before?: string | undefined;
}

/** The jobs of a server, or of several that share them. Two implementations have this interface, and one suite of tests. */
export interface Jobs {
  /** Adds a job at the end of its owner's queue. It is durable when the promise resolves. @throws QueueFullError */
  submit(job: NewJob, options: SubmitOptions): Promise<Job>;
  get(id: string): Promise<Job | undefined>;
  list(options?: ListOptions): Promise<readonly Job[]>;
  /** Cancels a live job, running or waiting; a final one stays as it is. The promise resolves when that is on record, not when the work has stopped. */
  cancel(id: string): Promise<Job | undefined>;
  /**
   * What happens to a job from event `after` + 1 on, until its final event. A caller that comes late gets the last state first, not each step that was.
   * Ends when `signal` aborts.
   */
  events(id: string, options?: { readonly after?: number | undefined; readonly signal?: AbortSignal | undefined }): AsyncIterable<JobEvent>;
  /** Takes jobs, one at a time for each slot, as long as it is not closed. */
  work(handler: JobHandler, options: WorkOptions): JobWorker;
  /** Number of jobs by state, for limits and metrics. */
  count(): Promise<Readonly<Record<"waiting" | "running", number>>>;
  /** Stops taking jobs. Those that run are handed back to the queue. */
  close(): Promise<void>;
}

/** Does one job. It resolves with the result; what it throws is the job's end. */
export type JobHandler = (job: Job, run: JobRun) => Promise<JobResult>;

/** What a handler has of its job's run. */
export interface JobRun {
  /** Aborts when the job was cancelled (reason: {@link JobCancelled}) or must be handed back (reason: {@link JobHandedBack}). */
  readonly signal: AbortSignal;
  progress(progress: Progress): void;
  preview(picture: number, image: Preview): void;
}

export interface WorkOptions {
  /** Jobs at a time. */
  readonly slots: number;
  /** Only jobs for these models; all by default. */
  readonly models?: readonly string[] | undefined;
}

export interface JobWorker {
  /** Takes no more jobs; hands back those that run. Resolves when all have stopped. */
  close(): Promise<void>;
}

/** The error of a handler whose process ended. The job is tried once more; at its second crash it fails. */
export class JobCrashed extends Error {
  override readonly name = "JobCrashed";
}

/** The reason of a run's signal after `cancel`. */
export class JobCancelled extends Error {
  override readonly name = "JobCancelled";
}

/** The reason of a run's signal when its worker closes: the job waits again, at the front. */
export class JobHandedBack extends Error {
  override readonly name = "JobHandedBack";
}

/** The queue has as many waiting jobs as it may. */
export class QueueFullError extends Error {
  override readonly name = "QueueFullError";
  constructor(
    readonly waiting: number,
    /** When to try again. */
    readonly retryAfterSeconds: number,
  ) {
    super(`${waiting} jobs are waiting, as many as the server takes`);
  }
}

/** A handler's error that has a place in the job. */
export class JobFailed extends Error {
  override readonly name = "JobFailed";
  constructor(readonly error: JobError) {
    super(error.message);
  }
}
