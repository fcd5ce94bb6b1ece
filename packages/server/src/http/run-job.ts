import type { JobEvent, JobResult, NewJob, StoredPicture } from "../jobs/job.js";
import { JobFailed, QueueClosedError } from "../jobs/jobs.js";
import { HttpError } from "./http-error.js";
import type { ServerContext } from "./server-context.js";
import { submitJob } from "./submit-job.js";

/** What {@link runJob} needs beside the job. */
export interface RunJobOptions {
  readonly owner: string;
  /** Aborts when the client is gone: its job is cancelled. */
  readonly signal: AbortSignal;
  /** Told the job's id as soon as it has one. */
  readonly onSubmit?: ((id: string) => void) | undefined;
  readonly onEvent?: ((event: JobEvent) => void) | undefined;
}

type RunsJobs = Pick<ServerContext, "jobs" | "results"> & Partial<Pick<ServerContext, "metrics" | "shutdown">>;

/** A picture with its bytes. */
export interface FinishedPicture extends StoredPicture {
  readonly data: Uint8Array<ArrayBuffer>;
}

/** A job that is done, with its pictures' bytes. */
export interface FinishedJob {
  readonly id: string;
  readonly result: JobResult;
  readonly pictures: readonly FinishedPicture[];
}

/** The client has closed its connection: nobody reads the answer. */
export class ClientGone extends Error {
  override readonly name = "ClientGone";
}

/** A job in the queue whose client waits for it. */
export interface StartedJob {
  readonly id: string;
  /** Waits for the pictures. To be called once, at once: the client's going cancels the job only in here. */
  finish(onEvent?: (event: JobEvent) => void): Promise<FinishedJob>;
}

/**
 * Submits a job and waits for its pictures. Whatever else happens, the client's going first of all, cancels the job: nobody could get its
 * pictures.
 * @throws JobFailed
 * @throws ClientGone
 * @throws HttpError if somebody cancelled the job
 */
export async function runJob(server: RunsJobs, job: NewJob, options: RunJobOptions): Promise<FinishedJob> {
  const { id, finish } = await startJob(server, job, options);
  options.onSubmit?.(id);
  return finish(options.onEvent);
}

/** The first half of {@link runJob}, for replies that begin when the job is in the queue. */
export async function startJob(
  server: RunsJobs,
  job: NewJob,
  { owner, signal }: Pick<RunJobOptions, "owner" | "signal">,
): Promise<StartedJob> {
  if (signal.aborted) throw new ClientGone();
  const { id } = await submitJob(server, job, { owner });
  const finish = (onEvent?: (event: JobEvent) => void) => finished(server, id, signal, onEvent);
  return { id, finish: (onEvent) => server.shutdown?.follow(finish(onEvent)) ?? finish(onEvent) };
}

async function finished(
  server: RunsJobs,
  id: string,
  signal: AbortSignal,
  onEvent: ((event: JobEvent) => void) | undefined,
): Promise<FinishedJob> {
  const { jobs, shutdown } = server;
  let [isRunning, isLive] = [false, true];
  const leave = new AbortController();
  const leaveIfWaiting = () => isRunning || leave.abort();
  shutdown?.draining.addEventListener("abort", leaveIfWaiting, { once: true });
  try {
    if (shutdown?.draining.aborted) leaveIfWaiting();
    const stop = AbortSignal.any([signal, leave.signal, ...(shutdown ? [shutdown.closing] : [])]);
    for await (const event of jobs.events(id, { signal: stop })) {
      isRunning = event.type !== "waiting";
      if (event.type === "done" || event.type === "failed" || event.type === "cancelled") isLive = false;
      onEvent?.(event);
      if (event.type === "done") return { id, result: event.result, pictures: await finishedPictures(server, event.result) };
      if (event.type === "failed") throw new JobFailed(event.error);
      if (event.type === "cancelled") throw new HttpError(409, "the job was cancelled", { code: "cancelled" });
    }
    throw signal.aborted ? new ClientGone() : new QueueClosedError();
  } finally {
    shutdown?.draining.removeEventListener("abort", leaveIfWaiting);
    if (isLive) await jobs.cancel(id).catch(() => undefined);
  }
}

/** The bytes of a result's pictures. */
async function finishedPictures({ results }: Pick<ServerContext, "results">, { pictures }: JobResult): Promise<FinishedPicture[]> {
  return Promise.all(
    pictures.map(async (picture) => {
      const data = await results.get(picture.hash);
      if (data) return { ...picture, data };
      throw new HttpError(500, "a finished picture is missing from the result store", { code: "picture_missing" });
    }),
  );
}
