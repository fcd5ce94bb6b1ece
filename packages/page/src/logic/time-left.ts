import type { Job, Progress } from "../api/types.js";

/** Two moments in a job's run, and the steps that were done by then. */
export interface Pace {
  readonly first: Moment;
  readonly last: Moment;
}

interface Moment {
  /** Milliseconds. */
  readonly at: number;
  readonly done: number;
}

/** The pace after a step. A job that starts again has a new one. */
export function observe(pace: Pace | undefined, progress: Progress, now: number): Pace {
  const moment = { at: now, done: progress.picture * progress.steps + progress.step };
  if (!pace || moment.done < pace.last.done) return { first: moment, last: moment };
  return { first: pace.first, last: moment.done > pace.last.done ? moment : pace.last };
}

/** Seconds until a running job is done, by its measured steps; undefined before two of them. */
export function secondsLeft(progress: Progress, pace: Pace | undefined, now: number): number | undefined {
  if (!pace || pace.last.done === pace.first.done) return undefined;
  const msPerStep = (pace.last.at - pace.first.at) / (pace.last.done - pace.first.done);
  const left = progress.pictures * progress.steps - pace.last.done;
  return Math.max(0, left * msPerStep - (now - pace.last.at)) / 1000;
}

/** Seconds that a job may take, by the newest finished job of its model with pictures of about its size; undefined without one. */
export function secondsExpected(job: Job, ended: readonly Job[], defaultSteps: number | undefined): number | undefined {
  const { width, height } = job.request;
  const pixels = width !== undefined && height !== undefined ? width * height : undefined;
  for (const { model, result } of ended) {
    const [picture] = result?.pictures ?? [];
    const steps = result?.settings.numInferenceSteps;
    if (model !== job.model || !result || !picture || typeof steps !== "number") continue;
    const ratio = pixels === undefined ? 1 : pixels / (picture.width * picture.height);
    if (ratio < 0.5 || ratio > 2) continue;
    const secondsPerStep = result.seconds.generate / (steps * result.pictures.length);
    return secondsPerStep * (job.request.numInferenceSteps ?? defaultSteps ?? steps) * (job.request.numImagesPerPrompt ?? 1);
  }
  return undefined;
}

/** "12 s", "3 min", "1 h 5 min": as exact as a guess can be. */
export function durationText(seconds: number): string {
  const whole = Math.max(1, Math.round(seconds));
  if (whole < 60) return `${whole < 10 ? whole : Math.round(whole / 5) * 5} s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  const rest = minutes % 60;
  return rest === 0 ? `${minutes / 60} h` : `${Math.floor(minutes / 60)} h ${rest} min`;
}

/** How much of a job is done, 0 to 1. */
export function shareDone({ picture, pictures, step, steps }: Progress): number {
  return Math.min(1, (picture * steps + step) / Math.max(1, pictures * steps));
}
