import type { Job } from "../../jobs/job.js";
import { HttpError } from "../http-error.js";
import type { AppContext, ServerContext } from "../server-context.js";

/** A job, by default the one in the path, if the caller may know of it. @throws HttpError */
export async function callersJob(c: AppContext, { jobs, access }: ServerContext, id = c.req.param("id") ?? ""): Promise<Job> {
  const job = await jobs.get(id);
  if (job && (!access.needsKey || job.owner === c.get("owner"))) return job;
  throw noSuchJob();
}

export function noSuchJob(): HttpError {
  return new HttpError(404, "there is no such job", { code: "job_not_found" });
}
