import type { Job, JobError, JobEvent, JobResult, JobState, NewJob, Preview, Progress, StoredPicture, SubmitOptions } from "./job.js";

/** What every queue of jobs can be told. */
export interface JobsOptions {
  /** Jobs that wait, at most; 1000 by default. */
  readonly maxWaiting?: number | undefined;
  /** Final jobs that are kept, those that ended last; 1000 by default. */
  readonly keepJobs?: number | undefined;
  /** Days that final jobs are kept; as long as `keepJobs` allows by default. */
  readonly keepDays?: number | undefined;
  /**
   * Seconds that pictures are kept after the last job that had them; 600 by default. A job that runs may have made the same one, which is
   * stored already.
   */
  readonly keepPicturesSeconds?: number | undefined;
  /**
   * Told the hashes of pictures that no job has had for that time, for the result store to delete.
   * Until its promise resolves, the hashes stay on record: after a restart it is told again.
   */
  readonly onPicturesExpired?: ((hashes: readonly string[]) => Promise<void>) | undefined;
  /** Told what clients are not: the error behind an "internal" one, and errors of the queue's own storage. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** Which jobs are listed, newest first. */
export interface ListOptions {
  readonly owner?: string | undefined;
  readonly states?: readonly JobState[] | undefined;
  /** 100 by default. */
  readonly limit?: number | undefined;
  /** Only jobs older than this one. */
  readonly before?: string | undefined;
}

/** Numbers of live jobs. */
export type LiveCount = Readonly<Record<"waiting" | "running", number>>;

/** Numbers of live jobs, of all and by their models. Only models with live jobs are there. */
export interface JobCounts extends LiveCount {
  readonly models: ReadonlyMap<string, LiveCount>;
}

/** The counts of jobs in whatever order. */
export function countJobs(jobs: Iterable<readonly [model: string, state: "waiting" | "running", number: number]>): JobCounts {
  const total = { waiting: 0, running: 0 };
  const models = new Map<string, { waiting: number; running: number }>();
  for (const [model, state, number] of jobs) {
    const own = models.get(model) ?? { waiting: 0, running: 0 };
    models.set(model, own);
    own[state] += number;
    total[state] += number;
  }
  return { ...total, models };
}

/** The jobs of a server, or of several that share them. Two implementations have this interface, and one suite of tests. */
export interface Jobs {
  /**
   * Adds a job at the end of its owner's queue. It is durable when the promise resolves.
   * @throws QueueFullError
   * @throws KeyReusedError
   */
  submit(job: NewJob, options: SubmitOptions): Promise<Job>;
  get(id: string): Promise<Job | undefined>;
  list(options?: ListOptions): Promise<readonly Job[]>;
  /** A picture of a finished job by its random name. */
  picture(id: string): Promise<StoredPicture | undefined>;
  /**
   * Cancels a live job, running or waiting; a final one stays as it is. The promise resolves when that is on record, not when the work has
   * stopped.
   */
  cancel(id: string): Promise<Job | undefined>;
  /**
   * What happens to a job from event `after` + 1 on, until its final event. A caller that comes late gets the last state first, not each
   * step that was; one that reads slowly misses steps, too, never the end. Numbers grow, over restarts too, and have gaps; an `after` that
   * was never given counts as 0. Ends without a final event when `signal` aborts, when the queue closes, and for an unknown job.
   */
  events(id: string, options?: { readonly after?: number | undefined; readonly signal?: AbortSignal | undefined }): AsyncIterable<JobEvent>;
  /** Takes jobs, one at a time for each slot, as long as it is not closed. */
  work(handler: JobHandler, options: WorkOptions): JobWorker;
  /** Slots, in all processes, that take jobs of these models at this time, by model. */
  slots(models: readonly string[]): Promise<ReadonlyMap<string, number>>;
  /**
   * Whether changes of jobs can be put on record. It rejects with the storage's error for as long as writing fails, and resolves when it
   * works again.
   */
  check?(): Promise<void>;
  /** How many jobs are live, for limits and metrics. */
  count(): Promise<JobCounts>;
  /** Stops taking jobs. Those that run are handed back to the queue. Later calls throw {@link QueueClosedError}. */
  close(): Promise<void>;
}

/**
 * Does one job. It resolves with the result; what it throws is the job's end: {@link JobFailed} with an error of its own,
 * {@link JobCrashed} tries it once more, the signal's reason when it stopped for that. Anything else is an "internal" error.
 */
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
  /** Takes no more jobs, and lets those that run end by themselves. Resolves when none runs any more. */
  drain(): Promise<void>;
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

/** The queue is closed: the server is going down. */
export class QueueClosedError extends Error {
  override readonly name = "QueueClosedError";
  constructor() {
    super("the queue is closed; the server is shutting down");
  }
}

/** The queue's storage, which is on another machine, does not answer. */
export class QueueUnreachableError extends Error {
  override readonly name = "QueueUnreachableError";
  constructor() {
    super("the server cannot reach its queue");
  }
}

/** The owner sent another request with an Idempotency-Key that a job has already. */
export class KeyReusedError extends Error {
  override readonly name = "KeyReusedError";
  constructor(readonly key: string) {
    super(`the Idempotency-Key ${JSON.stringify(key)} was used for another request; a new request needs a new key`);
  }
}

/** A handler's error that has a place in the job. */
export class JobFailed extends Error {
  override readonly name = "JobFailed";
  constructor(readonly error: JobError) {
    super(error.message);
  }
}
