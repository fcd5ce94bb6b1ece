/** A request that makes pictures: one job after another. */
export class Task {
  /** Stops everything. */
  readonly interruption = new AbortController();
  /** Stops the job that runs. */
  skipping = new AbortController();
  readonly startedAt = Date.now();
  /** The job that runs, from 0. */
  job = 0;
  /** Steps done of that job's pictures. */
  step = 0;
  steps = 0;
  /** The latest preview, base64. */
  preview: string | undefined;

  constructor(
    readonly owner: string,
    /** The web UI's name of its kind, or the client's own word for it. */
    readonly name: string,
    readonly jobs: number,
  ) {}

  get isInterrupted(): boolean {
    return this.interruption.signal.aborted;
  }

  get isSkipped(): boolean {
    return this.skipping.signal.aborted;
  }

  /** The next job begins. */
  begin(job: number): void {
    this.job = job;
    this.step = 0;
    this.steps = 0;
    this.skipping = new AbortController();
  }
}

/** How long a caller who asked for progress gets previews, which take time to make. */
const WATCHED_FOR = 10 * 60_000;

/** The requests that make pictures now, by caller: what progress, interrupt and skip are about. */
export class Tasks {
  private readonly running = new Set<Task>();
  private readonly watchedAt = new Map<string, number>();

  /** The caller's oldest. */
  current(owner: string): Task | undefined {
    for (const task of this.running) if (task.owner === owner) return task;
    return undefined;
  }

  /** Does the work, and forgets the task then. */
  async track<Result>(task: Task, work: () => Promise<Result>): Promise<Result> {
    this.running.add(task);
    try {
      return await work();
    } finally {
      this.running.delete(task);
    }
  }

  /** Ends all tasks of a caller. Those of others go on. */
  interrupt(owner: string): void {
    for (const task of this.running) if (task.owner === owner) task.interruption.abort();
  }

  /** Ends the running job of a caller's oldest task, which goes on with the next. */
  skip(owner: string): void {
    this.current(owner)?.skipping.abort();
  }

  /** The caller looks at previews. */
  watch(owner: string): void {
    this.watchedAt.delete(owner);
    this.watchedAt.set(owner, Date.now());
    const [oldest] = this.watchedAt.keys();
    if (this.watchedAt.size > 1000 && oldest !== undefined) this.watchedAt.delete(oldest);
  }

  isWatched(owner: string): boolean {
    return Date.now() - (this.watchedAt.get(owner) ?? 0) < WATCHED_FOR;
  }
}

/** The reply of `/sdapi/v1/progress`. Idle, all numbers are 0: clients wait for that. */
export function progressOf(task: Task | undefined, withPicture: boolean): Record<string, unknown> {
  const { job = 0, jobs = 0, step = 0, steps = 0, name = "" } = task ?? {};
  const done = jobs === 0 ? 0 : (job + (steps === 0 ? 0 : step / steps)) / jobs;
  // As the web UI: a task that waits is at one per cent.
  const progress = task ? Math.min(Math.max(done, 0.01), 1) : 0;
  const seconds = task ? (Date.now() - task.startedAt) / 1000 : 0;
  return {
    progress,
    eta_relative: task ? seconds / progress - seconds : 0,
    state: {
      skipped: task?.isSkipped ?? false,
      interrupted: task?.isInterrupted ?? false,
      stopping_generation: false,
      job: name,
      job_count: jobs,
      job_timestamp: task ? timestamp(task.startedAt) : "0",
      job_no: job,
      sampling_step: step,
      sampling_steps: steps,
    },
    current_image: (withPicture ? task?.preview : undefined) ?? null,
    textinfo: null,
    current_task: task?.name ?? null,
  };
}

/** Year to second, in digits. */
export function timestamp(time: number): string {
  return new Date(time).toISOString().replace(/\D/g, "").slice(0, 14);
}
