import { randomUUID } from "node:crypto";
import type { Redis } from "ioredis";
import type { StoreIdentity } from "../../results/result-store.js";
import type { Job, JobError, JobEvent, JobResult, JobState, NewJob, Progress, StoredPicture, SubmitOptions } from "../job.js";
import { jobText, parseJobText, toJson } from "../job-text.js";
import { countJobs, type JobCounts, KeyReusedError, type ListOptions, QueueFullError } from "../jobs.js";
import type { RunEnd } from "../run-job-handler.js";
import { Scripts } from "./scripts.js";

/** The latest preview is kept for those who come late. */
const PREVIEW_SECONDS = 60;

/** The largest preview that is sent, as its JSON. */
const MOST_PREVIEW_BYTES = 64 * 1024;

/** Why a run has no end on record. */
const LOST = "its worker stopped without a word, or lost touch with Redis";

/** A worker that has not been heard of for this time takes no jobs. */
const PRESENCE_MS = 20_000;

/** No model has this name. */
const ALL_MODELS = "";

/** One run of a job; its token is also that of BullMQ's lock. */
export interface RunKey {
  readonly id: string;
  readonly token: string;
}

/** A job, and the events that tell how it stands. */
export interface Recorded {
  readonly job: Job;
  /** The number of its last event. */
  readonly event: number;
  readonly standing: readonly JobEvent[];
}

/** A job for BullMQ: waits in its model's queue. */
export interface Ticket {
  readonly id: string;
  readonly model: string;
  /** Lower runs first; 0 before all others. */
  readonly priority: number;
}

type Reply = readonly [fields: readonly string[], place: number | null, preview?: string | null, pictures?: string | null];

/** The jobs on record in Redis. BullMQ has their ids only. */
export class JobStore {
  readonly #redis: Redis;
  readonly #scripts: Scripts;
  readonly prefix: string;

  constructor(redis: Redis, prefix: string) {
    this.#redis = redis;
    this.prefix = prefix;
    this.#scripts = new Scripts(redis, prefix);
  }

  /** Adds a job, or finds the one that its owner sent with this key; its ticket is undefined then. */
  async add(
    job: NewJob,
    { owner, key }: SubmitOptions,
    { maxWaiting, slots, bullKey }: { readonly maxWaiting: number; readonly slots: number; readonly bullKey: (id: string) => string },
  ): Promise<{ readonly id: string; readonly ticket: Ticket | undefined }> {
    const text = jobText(job);
    const id = randomUUID();
    const [outcome, found = "", more = ""] = await this.#scripts.run<readonly string[]>(
      "add",
      ...[id, owner, key === undefined ? "" : JSON.stringify([owner, key]), text.fingerprint, job.model, text.job],
      ...[text.pictures ?? "", maxWaiting, Date.now(), bullKey(id)],
    );
    if (outcome === "reused" && key !== undefined) throw new KeyReusedError(key);
    if (outcome === "full") throw new QueueFullError(Number(found), secondsToAPlace(more === "" ? 10_000 : Number(more), slots));
    return { id: found, ticket: outcome === "added" ? { id, model: job.model, priority: Number(more) } : undefined };
  }

  async get(id: string): Promise<Recorded | undefined> {
    return toRecorded(await this.#scripts.run<Reply>("read", id));
  }

  async list({ owner = "", states, limit = 100, before = "" }: ListOptions): Promise<Job[]> {
    const replies = await this.#scripts.run<readonly Reply[]>(
      "list",
      owner,
      states === undefined ? "" : JSON.stringify(states),
      limit,
      before,
    );
    return replies.flatMap((reply) => toRecorded(reply)?.job ?? []);
  }

  async picture(id: string): Promise<StoredPicture | undefined> {
    const text = await this.#redis.hget(`${this.prefix}pictures`, id);
    return text === null ? undefined : (JSON.parse(text) as StoredPicture);
  }

  async count(): Promise<JobCounts> {
    const [waiting, running] = await this.#scripts.run<readonly [readonly string[], readonly string[]]>("live");
    return countJobs([
      ...waiting.map((model) => [model, "waiting", 1] as const),
      ...running.map((model) => [model, "running", 1] as const),
    ]);
  }

  /** Writes something that is gone in a minute. @throws Redis's error, such as that of a full disk or memory */
  async check(): Promise<void> {
    await this.#redis.set(`${this.prefix}check`, "", "EX", 60);
  }

  /** Where the servers of the queue keep pictures, as the last one to start has said. */
  async results(): Promise<StoreIdentity | undefined> {
    const text = await this.#redis.get(`${this.prefix}results`);
    return text === null ? undefined : (JSON.parse(text) as StoreIdentity);
  }

  async setResults(identity: StoreIdentity): Promise<void> {
    await this.#redis.set(`${this.prefix}results`, JSON.stringify(identity));
  }

  async cancel(id: string): Promise<Recorded | undefined> {
    return toRecorded(await this.#scripts.run<Reply>("cancel", id, Date.now()));
  }

  /** Models that jobs wait for, in the order of the queue. */
  models(): Promise<readonly string[]> {
    return this.#scripts.run("models");
  }

  /** Puts on record that a job runs, before it does. @returns undefined if it is not live any longer */
  async start({ id, token }: RunKey): Promise<Job | undefined> {
    const reply = await this.#scripts.run<Reply | null>("start", id, token, Date.now(), LOST);
    return reply === null ? undefined : toRecorded(reply)?.job;
  }

  /** Keeps BullMQ's lock of a run. */
  renew({ id, token }: RunKey, milliseconds: number, stalledKey: string): Promise<"held" | "cancelled" | "lost"> {
    return this.#scripts.run("renew", id, token, milliseconds, stalledKey);
  }

  async progress({ id, token }: RunKey, progress: Progress): Promise<void> {
    const { picture, pictures, step, steps } = progress;
    await this.#scripts.run("progress", id, token, JSON.stringify({ picture, pictures, step, steps }));
  }

  /** Those that are too large are left out: they go to every reader. */
  async preview({ id, token }: RunKey, preview: Pick<Extract<JobEvent, { type: "preview" }>, "picture" | "image">): Promise<void> {
    const text = JSON.stringify(preview);
    if (Buffer.byteLength(text) <= MOST_PREVIEW_BYTES) await this.#scripts.run("preview", id, token, text, PREVIEW_SECONDS);
  }

  /** @returns whether the job waits again */
  async end({ id, token }: RunKey, end: RunEnd): Promise<boolean> {
    if (end.state === "handed back") return (await this.#scripts.run("handBack", id, token)) === 1;
    if (end.state === "crashed") return (await this.#scripts.run("crash", id, token, end.reason, Date.now())) === 1;
    const outcome = end.state === "done" ? toJson(end.result) : end.state === "failed" ? toJson(end.error) : "";
    const pictures = end.state === "done" ? end.result.pictures.map((picture) => [picture.id, picture.hash, toJson(picture)]) : [];
    await this.#scripts.run("finish", id, token, end.state, outcome, Date.now(), JSON.stringify(pictures));
    return false;
  }

  /** Tells readers of these jobs' events the new places of those that wait. */
  async tellPlaces(ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await this.#scripts.run("places", ...ids);
  }

  /** Ends the runs whose lock is gone: their workers are. */
  async recover(): Promise<readonly (Ticket & { readonly waitsAgain: boolean })[]> {
    const lost = await this.#scripts.run<readonly (readonly [string, string, number])[]>("recover", Date.now(), LOST);
    return lost.map(([id, model, waitsAgain]) => ({ id, model, priority: 0, waitsAgain: waitsAgain === 1 }));
  }

  /** Waiting jobs that BullMQ does not have. */
  async missing(): Promise<readonly Ticket[]> {
    const missing = await this.#scripts.run<readonly (readonly [string, string, string])[]>("missing");
    return missing.map(([id, model, priority]) => ({ id, model, priority: Number(priority) }));
  }

  /** Says for a time that a worker takes jobs, of all models if none is given. */
  async announce(worker: string, slots: number, models: readonly string[] = [ALL_MODELS]): Promise<void> {
    await this.#scripts.run("announce", PRESENCE_MS, ...presence(worker, slots, models));
  }

  /** The worker takes no more jobs. */
  async withdraw(worker: string, slots: number, models: readonly string[] = [ALL_MODELS]): Promise<void> {
    await this.#redis.zrem(`${this.prefix}workers`, ...presence(worker, slots, models));
  }

  /** Slots that take jobs of these models, by model. */
  async slots(models: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const present = (await this.#scripts.run<readonly string[]>("workers")).map((text) => {
      const [slots, , ...model] = text.split(":");
      return { slots: Number(slots), model: model.join(":") };
    });
    const slotsFor = (name: string) =>
      present.reduce((sum, { slots, model }) => sum + (model === ALL_MODELS || model === name ? slots : 0), 0);
    return new Map(models.map((model) => [model, slotsFor(model)]));
  }

  /** Fails the jobs of a model that have waited since a time or before. @returns their ids */
  failWaiting(model: string, error: JobError, since: number): Promise<readonly string[]> {
    return this.#scripts.run("failWaiting", model, toJson(error), since, Date.now());
  }

  /** Deletes the final jobs that are not kept. */
  async prune({ jobs, since }: { readonly jobs: number; readonly since: number }): Promise<void> {
    await this.#scripts.run("prune", jobs, since, Date.now());
  }

  /** Hashes of pictures that no job has had since a time, and that are not {@link forget | forgotten} yet. */
  expired(since: number): Promise<string[]> {
    return this.#redis.zrangebyscore(`${this.prefix}expired`, "-inf", since);
  }

  async forget(hashes: readonly string[]): Promise<void> {
    await this.#redis.zrem(`${this.prefix}expired`, ...hashes);
  }

  /** There may be jobs to take. */
  async wakeWorkers(): Promise<void> {
    await this.#redis.publish(`${this.prefix}work`, "");
  }
}

function presence(worker: string, slots: number, models: readonly string[]): string[] {
  return models.map((model) => `${slots}:${worker}:${model}`);
}

function secondsToAPlace(milliseconds: number, slots: number): number {
  return Math.min(Math.max(Math.ceil(milliseconds / 1000 / Math.max(slots, 1)), 1), 600);
}

function toRecorded([list, place, preview = null, pictures = null]: Reply): Recorded | undefined {
  const fields = new Map<string, string>();
  for (let at = 0; at + 1 < list.length; at += 2) fields.set(list[at] ?? "", list[at + 1] ?? "");
  if (!fields.has("number")) return undefined;
  const text = (name: string) => fields.get(name) ?? "";
  const number = (name: string) => (fields.has(name) ? Number(fields.get(name)) : undefined);
  const state = text("state") as JobState;
  const progress = fields.has("progress") ? (JSON.parse(text("progress")) as Progress) : undefined;
  const job: Job = {
    ...parseJobText(text("text"), pictures),
    id: text("id"),
    owner: text("owner"),
    state,
    position: state === "running" ? 0 : place === null ? undefined : place + 1,
    createdAt: Number(text("createdAt")),
    startedAt: number("startedAt"),
    endedAt: number("endedAt"),
    progress,
    // A run on record is one that could still crash.
    crashes: Number(text("crashes")) - (state === "running" ? 1 : 0),
    result: state === "done" ? (JSON.parse(text("outcome")) as JobResult) : undefined,
    error: state === "failed" ? (JSON.parse(text("outcome")) as JobError) : undefined,
  };
  const standing: JobEvent[] = [stateEvent(job, Number(text("stateEvent")))];
  if (progress !== undefined) standing.push({ id: Number(text("progressEvent")), type: "step", ...progress });
  if (preview !== null) standing.push(JSON.parse(preview) as JobEvent);
  return { job, event: Number(text("event")), standing: standing.sort((a, b) => a.id - b.id) };
}

function stateEvent({ state, position, result, error }: Job, id: number): JobEvent {
  if (state === "waiting") return { id, type: state, position: position ?? 1 };
  if (state === "done" && result !== undefined) return { id, type: state, result };
  if (state === "failed" && error !== undefined) return { id, type: state, error };
  return state === "running" ? { id, type: state } : { id, type: "cancelled" };
}
