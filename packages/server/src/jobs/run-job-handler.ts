import { isDiskFull } from "../disk-full.js";
import type { Job, JobError, JobResult } from "./job.js";
import { toJson } from "./job-text.js";
import { JobCancelled, JobCrashed, JobFailed, JobHandedBack, type JobHandler, type JobRun } from "./jobs.js";

/** How a run ended for good, or what ended a waiting job. */
export type FinalEnd =
  | { readonly state: "done"; readonly result: JobResult }
  | { readonly state: "failed"; readonly error: JobError }
  | { readonly state: "cancelled" };

/** How a run ended. */
export type RunEnd =
  | FinalEnd
  | { readonly state: "handed back" }
  /** Its process ended. */
  | { readonly state: "crashed"; readonly reason: string };

/** Runs the handler of a job, and says how the run ended. It never throws: an unexpected error goes to `onError`. */
export async function runJobHandler(handler: JobHandler, job: Job, run: JobRun, onError: (error: unknown) => void): Promise<RunEnd> {
  try {
    const result = await handler(job, run);
    // It must go on record: what it cannot hold is the handler's mistake, not the storage's.
    toJson(result);
    return { state: "done", result };
  } catch (error) {
    if (error instanceof JobFailed) return { state: "failed", error: error.error };
    // A run that is stopped ends with any error, or with its process.
    const cause = run.signal.aborted ? run.signal.reason : error;
    if (cause instanceof JobHandedBack) return { state: "handed back" };
    if (cause instanceof JobCancelled) return { state: "cancelled" };
    if (cause instanceof JobCrashed) return { state: "crashed", reason: cause.message };
    onError(error);
    const message = isDiskFull(error)
      ? "the server's disk is full: the pictures could not be stored"
      : "an error of the server ended this job; the server's log has it";
    return { state: "failed", error: { kind: "internal", message } };
  }
}
