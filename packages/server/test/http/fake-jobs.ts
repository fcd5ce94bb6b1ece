import { randomUUID } from "node:crypto";
import { EventEmitter, once } from "node:events";
import type { Job, JobEvent, JobEventBody, JobResult, JobState, NewJob, StoredPicture, SubmitOptions } from "../../src/jobs/job.js";
import {
  countJobs,
  JobCancelled,
  type JobCounts,
  JobFailed,
  type JobRun,
  type Jobs,
  type JobWorker,
  type ListOptions,
  QueueFullError,
} from "../../src/jobs/jobs.js";

/** Makes a job's result. */
export type Maker = (job: Job, run: JobRun) => Promise<JobResult>;

interface Entry {
  job: Job;
  readonly events: JobEvent[];
  readonly changed: EventEmitter;
  readonly stop: AbortController;
}

/** Jobs in memory that start at once. */
export class FakeJobs implements Jobs {
  readonly entries = new Map<string, Entry>();
  /** Jobs that may wait. */
  maxLive = Number.POSITIVE_INFINITY;

  constructor(private readonly make: Maker) {}

  get all(): Job[] {
    return [...this.entries.values()].map(({ job }) => job);
  }

  async submit(given: NewJob, { owner }: SubmitOptions): Promise<Job> {
    if (this.all.filter(({ state }) => state === "running").length >= this.maxLive) throw new QueueFullError(this.maxLive, 7);
    const job: Job = {
      ...given,
      id: randomUUID(),
      owner,
      state: "running",
      position: 0,
      createdAt: Date.now(),
      startedAt: Date.now(),
      endedAt: undefined,
      progress: undefined,
      crashes: 0,
      result: undefined,
      error: undefined,
    };
    const entry: Entry = { job, events: [], changed: new EventEmitter(), stop: new AbortController() };
    this.entries.set(job.id, entry);
    tell(entry, { type: "waiting", position: 1 });
    tell(entry, { type: "running" });
    void this.run(entry);
    return job;
  }

  private async run(entry: Entry): Promise<void> {
    try {
      const result = await this.make(entry.job, {
        signal: entry.stop.signal,
        progress: (progress) => tell(entry, { type: "step", ...progress }),
        preview: (picture, image) => tell(entry, { type: "preview", picture, image }),
      });
      end(entry, "done", { type: "done", result }, { result });
    } catch (error) {
      if (error instanceof JobCancelled) return;
      const failure = error instanceof JobFailed ? error.error : { kind: "internal" as const, message: String(error) };
      end(entry, "failed", { type: "failed", error: failure }, { error: failure });
    }
  }

  async get(id: string): Promise<Job | undefined> {
    return this.entries.get(id)?.job;
  }

  async list({ owner, states, limit = 100 }: ListOptions = {}): Promise<readonly Job[]> {
    return this.all
      .filter((job) => (owner === undefined || job.owner === owner) && (states?.includes(job.state) ?? true))
      .reverse()
      .slice(0, limit);
  }

  async picture(id: string): Promise<StoredPicture | undefined> {
    return this.all.flatMap(({ result }) => result?.pictures ?? []).find((picture) => picture.id === id);
  }

  async cancel(id: string): Promise<Job | undefined> {
    const entry = this.entries.get(id);
    if (entry?.job.state === "running") {
      end(entry, "cancelled", { type: "cancelled" }, {});
      entry.stop.abort(new JobCancelled());
    }
    return entry?.job;
  }

  async *events(id: string, { after = 0, signal }: { after?: number; signal?: AbortSignal } = {}): AsyncGenerator<JobEvent> {
    const entry = this.entries.get(id);
    if (!entry) return;
    for (let next = after; !signal?.aborted; ) {
      const event = entry.events[next];
      if (event) {
        next = event.id;
        yield event;
        if (["done", "failed", "cancelled"].includes(event.type)) return;
      } else if (entry.job.state !== "running") {
        return;
      } else {
        await once(entry.changed, "event", { signal }).catch(() => undefined);
      }
    }
  }

  work(): JobWorker {
    return { drain: async () => undefined, close: async () => undefined };
  }

  async slots(models: readonly string[]): Promise<ReadonlyMap<string, number>> {
    return new Map(models.map((model) => [model, 1]));
  }

  async count(): Promise<JobCounts> {
    return countJobs(this.all.filter(({ state }) => state === "running").map(({ model }) => [model, "running", 1]));
  }

  async close(): Promise<void> {}
}

function tell({ events, changed }: Entry, event: JobEventBody): void {
  events.push({ id: events.length + 1, ...event } as JobEvent);
  changed.emit("event");
}

function end(entry: Entry, state: JobState, event: JobEventBody, change: Partial<Job>): void {
  if (entry.job.state !== "running") return;
  entry.job = { ...entry.job, ...change, state, position: undefined, endedAt: Date.now() };
  tell(entry, event);
}
