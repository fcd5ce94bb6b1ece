import { computed, signal } from "@preact/signals";
import { ApiError } from "../api/client.js";
import { type FollowedEvent, jobEvents } from "../api/job-events.js";
import type { Job, Picture } from "../api/types.js";
import { applyEvent, applyListed, isLive, type LiveJob } from "../logic/live-job.js";
import { client } from "./server.js";
import { read, write } from "./storage.js";
import { inStreamPlace } from "./stream-places.js";

/** Jobs that the page's stream tells of. The others are asked for now and then. */
const MOST_FOLLOWED = 20;

/** Jobs of one page of the gallery. */
const PAGE = 60;

/** Jobs that are asked for at a time, at most. */
const MOST_LISTED = 1000;

/** Jobs that are hidden, at most. The server keeps so many by default. */
const MOST_HIDDEN = 1000;

/** Jobs that wait or run, in the order in which they run. */
export const live = signal<readonly LiveJob[]>([]);

/** Jobs that have ended, the newest first; undefined while they are loaded. */
export const ended = signal<readonly Job[] | undefined>(undefined);

/** Whether the server may have older ones. */
export const hasOlder = signal(false);

/** Jobs that are not shown, by their ids. */
const hidden = signal<ReadonlySet<string>>(new Set((read("hidden") ?? "").split(" ").filter(Boolean)));

/** A finished picture with its job. */
export interface Made {
  readonly job: Job;
  readonly picture: Picture;
  /** Its place among the job's pictures. */
  readonly index: number;
}

const shown = computed(() => (ended.value ?? []).filter(({ id }) => !hidden.value.has(id)));

/** The pictures that were made, the newest first. */
export const made = computed<readonly Made[]>(() =>
  shown.value.flatMap((job) => (job.result?.pictures ?? []).map((picture, index) => ({ job, picture, index }))),
);

/** Jobs that ended without a picture. */
export const fruitless = computed(() => shown.value.filter(({ state }) => state !== "done"));

export const hiddenCount = computed(() => (ended.value ?? []).length - shown.value.length);

/** The page's stream: its jobs that have not ended, with the numbers of their last events. */
let stream: { readonly last: Map<string, number>; readonly controller: AbortController; isOpen: boolean } | undefined;
let oldestListed: string | undefined;

/** Takes a job from an answer of the server. */
export function addJob(job: Job): void {
  const known = live.value.find((each) => each.job.id === job.id);
  if (isLive(job)) setLive([...live.value.filter((each) => each !== known), applyListed(known, job, Date.now())]);
  else addEnded([job]);
}

/** Asks for the jobs that wait or run. @throws ApiError @throws ConnectionLost */
export async function refreshLive(): Promise<void> {
  const listed = await client.jobs({ states: ["waiting", "running"], limit: MOST_LISTED });
  const known = new Map(live.value.map((each) => [each.job.id, each]));
  const over = new Set((ended.value ?? []).map(({ id }) => id));
  const now = Date.now();
  // A stream knows more than a list, which may be older.
  const next = listed
    .filter(({ id }) => !over.has(id))
    .map((job) => (stream?.isOpen && stream.last.has(job.id) && known.get(job.id)) || applyListed(known.get(job.id), job, now));
  const missing = live.value.filter(({ job }) => !listed.some(({ id }) => id === job.id));
  setLive([...next, ...missing]);
  for (const { job } of missing) await refreshJob(job.id);
}

/** Asks for the jobs that ended last. @throws ApiError @throws ConnectionLost */
export async function refreshEnded(): Promise<void> {
  const listed = await client.jobs({ states: ["done", "failed", "cancelled"], limit: PAGE });
  if (oldestListed === undefined) {
    oldestListed = listed.at(-1)?.id;
    hasOlder.value = listed.length === PAGE;
  }
  addEnded(listed);
}

/** Asks for the next page of the gallery. @throws ApiError @throws ConnectionLost */
export async function loadOlder(): Promise<void> {
  const listed = await client.jobs({ states: ["done", "failed", "cancelled"], limit: PAGE, before: oldestListed });
  oldestListed = listed.at(-1)?.id ?? oldestListed;
  hasOlder.value = listed.length === PAGE;
  addEnded(listed);
}

/** @throws ApiError @throws ConnectionLost */
export async function cancel(id: string): Promise<void> {
  addJob(await client.cancel(id));
  removeLive(id);
}

/** Takes jobs out of sight, on this machine only. */
export function hide(ids: readonly string[]): void {
  hidden.value = new Set([...hidden.value, ...ids]);
  write("hidden", [...hidden.value].slice(-MOST_HIDDEN).join(" "));
}

export function showHidden(): void {
  hidden.value = new Set();
  write("hidden", undefined);
}

/** Forgets all jobs: they are those of another caller. */
export function forgetJobs(): void {
  closeStream();
  live.value = [];
  ended.value = undefined;
  oldestListed = undefined;
}

/** Opens a stream of events if one is needed, or closes it: a page that nobody sees leaves its connection to others. */
export function adjustStream(): void {
  const wanted = document.hidden ? [] : live.value.slice(0, MOST_FOLLOWED).map(({ job }) => job.id);
  if (wanted.length > 0 && wanted.every((id) => stream?.last.has(id))) return;
  const known = stream?.last;
  closeStream();
  if (wanted.length > 0) void follow(new Map(wanted.map((id) => [id, known?.get(id) ?? 0])));
}

function closeStream(): void {
  stream?.controller.abort();
  stream = undefined;
}

async function follow(last: Map<string, number>): Promise<void> {
  const own = { last, controller: new AbortController(), isOpen: false };
  stream = own;
  try {
    await inStreamPlace(async () => {
      own.isOpen = true;
      for await (const event of jobEvents(client, last, own.controller.signal)) take(event);
    });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
  } finally {
    own.controller.abort();
    if (stream === own) stream = undefined;
  }
}

function take({ job: id, ...event }: FollowedEvent): void {
  const current = live.value.find(({ job }) => job.id === id);
  if (!current) return;
  if (event.type === "unknown") {
    removeLive(id);
    return;
  }
  const next = applyEvent(current, event, Date.now());
  if (isLive(next.job)) setLive(live.value.map((each) => (each === current ? next : each)));
  else addEnded([next.job]);
}

async function refreshJob(id: string): Promise<void> {
  try {
    addJob(await client.job(id));
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 404)) throw error;
    removeLive(id);
  }
}

function setLive(jobs: readonly LiveJob[]): void {
  live.value = jobs.toSorted((a, b) => place(a) - place(b) || a.job.createdAt - b.job.createdAt);
  adjustStream();
}

function removeLive(id: string): void {
  if (live.value.some(({ job }) => job.id === id)) setLive(live.value.filter(({ job }) => job.id !== id));
}

function addEnded(jobs: readonly Job[]): void {
  const byId = new Map([...(ended.value ?? []), ...jobs].map((job) => [job.id, job]));
  ended.value = [...byId.values()].sort((a, b) => (b.endedAt ?? b.createdAt) - (a.endedAt ?? a.createdAt));
  for (const { id } of jobs) removeLive(id);
}

function place({ job }: LiveJob): number {
  return job.state === "running" ? 0 : (job.position ?? Number.MAX_SAFE_INTEGER);
}
