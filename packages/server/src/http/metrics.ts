import type { Hono } from "hono";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Job } from "../jobs/job.js";
import type { Jobs } from "../jobs/jobs.js";
import type { AppEnv, ServerContext } from "./server-context.js";

/** Memory of the processes that have models. */
export interface ModelMemory {
  readonly models: readonly string[];
  readonly bytes: number;
}

const WAITING_SECONDS = [0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600];
const STEP_SECONDS = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const JOB_SECONDS = [0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 180, 600, 1800];

const STATES = ["waiting", "running"] as const;

/** Stands for all models that the server does not offer, so that there are never more values than it has models. */
const OTHER = "other models";

/** Numbers about jobs, for Prometheus. */
export class Metrics {
  readonly registry = new Registry();
  private readonly waiting = this.histogram("darkroom_job_waiting_seconds", "Time from a job's submission to its start", WAITING_SECONDS);
  private readonly steps = this.histogram("darkroom_step_seconds", "Time of a denoising step", STEP_SECONDS);
  private readonly running = this.histogram("darkroom_job_running_seconds", "Time from a job's start to its end", JOB_SECONDS);
  private readonly ended = new Counter({
    name: "darkroom_jobs_ended_total",
    help: "Jobs that ended",
    labelNames: ["model", "door", "state"] as const,
    registers: [this.registry],
  });
  private readonly pictures = new Counter({
    name: "darkroom_pictures_total",
    help: "Pictures that were made",
    labelNames: ["model"] as const,
    registers: [this.registry],
  });
  private readonly watched = new Set<string>();

  constructor(
    private readonly jobs: Jobs,
    modelNames: readonly string[],
    modelMemory: () => readonly ModelMemory[],
  ) {
    collectDefaultMetrics({ register: this.registry });
    new Gauge({
      name: "darkroom_jobs",
      help: "Jobs in the queue",
      labelNames: ["model", "state"] as const,
      registers: [this.registry],
      async collect() {
        const { models } = await jobs.count();
        this.reset();
        for (const model of modelNames) for (const state of STATES) this.set({ model, state }, 0);
        // A queue can have jobs for models that this server does not offer, or offers no longer.
        for (const [model, counts] of models) {
          for (const state of STATES) this.inc({ model: modelNames.includes(model) ? model : OTHER, state }, counts[state]);
        }
      },
    });
    new Gauge({
      name: "darkroom_slots",
      help: "Jobs that can run at a time, on all machines",
      labelNames: ["model"] as const,
      registers: [this.registry],
      async collect() {
        for (const [model, slots] of await jobs.slots(modelNames)) this.set({ model }, slots);
      },
    });
    new Gauge({
      name: "darkroom_model_memory_bytes",
      help: "Memory of the processes that have a model open, shared by the models of a process",
      labelNames: ["model"] as const,
      registers: [this.registry],
      collect() {
        this.reset();
        for (const { models, bytes } of modelMemory()) for (const model of models) this.inc({ model }, bytes / models.length);
      },
    });
  }

  /** Follows a job to its end. */
  watch(job: Pick<Job, "id" | "model" | "door" | "createdAt">): void {
    // The same Idempotency-Key gives the same job again.
    if (this.watched.has(job.id)) return;
    this.watched.add(job.id);
    this.follow(job)
      // The queue's errors are told by the queue.
      .catch(() => undefined)
      .finally(() => this.watched.delete(job.id));
  }

  private async follow({ id, model, door, createdAt }: Pick<Job, "id" | "model" | "door" | "createdAt">): Promise<void> {
    let startedAt: number | undefined;
    let last: { readonly picture: number; readonly step: number; readonly at: number } | undefined;
    for await (const event of this.jobs.events(id)) {
      const now = Date.now();
      if (event.type === "running") {
        startedAt = now;
        this.waiting.observe({ model }, (now - createdAt) / 1000);
      } else if (event.type === "step") {
        // The time before a picture's first step is that of encoding and loading. A slow reader misses steps.
        const steps = last?.picture === event.picture ? event.step - last.step : 0;
        if (last && steps > 0) this.steps.observe({ model }, (now - last.at) / 1000 / steps);
        last = { picture: event.picture, step: event.step, at: now };
      } else if (event.type === "done" || event.type === "failed" || event.type === "cancelled") {
        this.ended.inc({ model, door, state: event.type });
        if (startedAt !== undefined) this.running.observe({ model }, (now - startedAt) / 1000);
        if (event.type === "done") this.pictures.inc({ model }, event.result.pictures.length);
      }
    }
  }

  private histogram(name: string, help: string, buckets: number[]): Histogram<"model"> {
    return new Histogram({ name, help, buckets, labelNames: ["model"] as const, registers: [this.registry] });
  }
}

/** The numbers in Prometheus's format. */
export function addMetrics(app: Hono<AppEnv>, { metrics }: ServerContext): void {
  app.get("/metrics", async (c) => c.body(await metrics.registry.metrics(), 200, { "content-type": metrics.registry.contentType }));
}
