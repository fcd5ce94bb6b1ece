import { median } from "../results.js";
import type { Client, JobView } from "./client.js";

/** How long the jobs of some clients waited. */
export interface Waiting {
  /** Jobs that started. */
  readonly jobs: number;
  /** Seconds from a job's submission to its last start. */
  readonly median: number;
  readonly longest: number;
}

/** How fair the turns were. */
export interface Fairness {
  /** Of the client with the batch, of all others, and of each client by its name. */
  readonly batch: Waiting;
  readonly others: Waiting;
  readonly clients: Readonly<Record<string, Waiting>>;
  /**
   * Jobs of the batch that started while a job of another client waited: the mean and the most. In the order of arrival, it would be all.
   */
  readonly batchJobsBefore: { readonly mean: number; readonly most: number };
}

/** @param jobs on record, by client; the first client sent the batch */
export function fairness(jobs: ReadonlyMap<Client, readonly JobView[]>): Fairness {
  const [[, batch] = [undefined, []], ...others] = jobs;
  const starts = batch.map(({ startedAt }) => startedAt).filter((time) => time !== undefined);
  const otherJobs = others.flatMap(([, own]) => own);
  const before = otherJobs.flatMap(({ createdAt, startedAt }) =>
    startedAt === undefined ? [] : [starts.filter((time) => time > createdAt && time < startedAt).length],
  );
  return {
    batch: waitingOf(batch),
    others: waitingOf(otherJobs),
    clients: Object.fromEntries([...jobs].map(([{ name }, own]) => [name, waitingOf(own)])),
    batchJobsBefore: { mean: before.reduce((sum, count) => sum + count, 0) / before.length, most: Math.max(...before) },
  };
}

function waitingOf(jobs: readonly JobView[]): Waiting {
  const seconds = jobs.flatMap(({ createdAt, startedAt }) => (startedAt === undefined ? [] : [(startedAt - createdAt) / 1000]));
  return { jobs: seconds.length, median: median(seconds), longest: Math.max(...seconds) };
}
