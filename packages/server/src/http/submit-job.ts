import type { Job, NewJob, SubmitOptions } from "../jobs/job.js";
import { QueueClosedError } from "../jobs/jobs.js";
import type { ServerContext } from "./server-context.js";

/** Puts a job into the queue, and counts it. @throws QueueClosedError as soon as the server shuts down @throws QueueFullError */
export async function submitJob(
  { jobs, metrics, shutdown }: Pick<ServerContext, "jobs"> & Partial<Pick<ServerContext, "metrics" | "shutdown">>,
  job: NewJob,
  options: SubmitOptions,
): Promise<Job> {
  if (shutdown?.draining.aborted) throw new QueueClosedError();
  const submitted = await jobs.submit(job, options);
  metrics?.watch(submitted);
  return submitted;
}
