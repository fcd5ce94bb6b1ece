import type { Job, JobEvent } from "../api/types.js";
import { observe, type Pace } from "./time-left.js";

/** A job with what is known of it beside its record. */
export interface LiveJob {
  readonly job: Job;
  /** The last preview, as an address. */
  readonly preview?: string | undefined;
  readonly pace?: Pace | undefined;
}

/** A job after an event. `now` is this machine's time in milliseconds. */
export function applyEvent(live: LiveJob, event: JobEvent, now: number): LiveJob {
  const { job } = live;
  switch (event.type) {
    case "waiting":
      return { job: { ...job, state: "waiting", position: event.position, startedAt: undefined, progress: undefined } };
    case "running":
      return { job: { ...job, state: "running", position: 0, startedAt: job.startedAt ?? now, progress: undefined } };
    case "step": {
      const { type: _, ...progress } = event;
      return { ...live, job: { ...job, state: "running", position: 0, progress }, pace: observe(live.pace, progress, now) };
    }
    case "preview":
      return { ...live, preview: `data:${event.image.type};base64,${event.image.base64}` };
    case "done":
      return { job: { ...job, state: "done", position: undefined, endedAt: now, result: event.result } };
    case "failed":
      return { job: { ...job, state: "failed", position: undefined, endedAt: now, error: event.error } };
    case "cancelled":
      return { job: { ...job, state: "cancelled", position: undefined, endedAt: now } };
  }
}

/** A job after a list that the server made of its jobs. What a stream of events told meanwhile is kept. */
export function applyListed(live: LiveJob | undefined, job: Job, now: number): LiveJob {
  if (!live || live.job.state !== job.state || job.state !== "running") return { job };
  const { progress } = job;
  if (!progress || doneSteps(progress) <= doneSteps(live.job.progress)) return { ...live, job: { ...job, progress: live.job.progress } };
  return { ...live, job, pace: observe(live.pace, progress, now) };
}

export function isLive({ state }: Job): boolean {
  return state === "waiting" || state === "running";
}

function doneSteps(progress: Job["progress"]): number {
  return progress ? progress.picture * progress.steps + progress.step : -1;
}
