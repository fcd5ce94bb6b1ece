import { mistypedName } from "darkroom/generate";
import type { Hono } from "hono";
import { JOB_STATES, type JobState } from "../../jobs/job.js";
import { readJson } from "../body.js";
import { HttpError } from "../http-error.js";
import type { AppContext, AppEnv, ServerContext } from "../server-context.js";
import { submitJob } from "../submit-job.js";
import { callersJob, noSuchJob } from "./callers-job.js";
import { addJobEvents } from "./job-events.js";
import { jobRequest } from "./job-request.js";
import { jobView } from "./job-view.js";

/** Jobs of one list. */
export const MOST_LISTED = 1000;

/** Our own API: jobs outlive connections, and are asked about by their ids. */
export function addJobsApi(app: Hono<AppEnv>, server: ServerContext): void {
  const { jobs } = server;

  app.post("/api/jobs", async (c) => {
    const key = idempotencyKey(c);
    const request = await jobRequest(server, await readJson(c, server.limits));
    const job = await submitJob(server, request, { owner: c.get("owner"), key });
    return c.json(jobView(c, job), 202, { location: `/api/jobs/${job.id}` });
  });

  app.get("/api/jobs", async (c) => {
    // Without keys, all callers are on this machine, and are one.
    const owner = server.access.needsKey ? c.get("owner") : undefined;
    const found = await jobs.list({ owner, ...listQuery(c) });
    return c.json({ jobs: found.map((job) => jobView(c, job)) });
  });

  app.get("/api/jobs/:id", async (c) => c.json(jobView(c, await callersJob(c, server))));

  app.delete("/api/jobs/:id", async (c) => {
    const { id } = await callersJob(c, server);
    const job = await jobs.cancel(id);
    if (!job) throw noSuchJob();
    return c.json(jobView(c, job));
  });

  addJobEvents(app, server);
}

function idempotencyKey(c: AppContext): string | undefined {
  const key = c.req.header("idempotency-key");
  if (key === undefined || (key.length > 0 && key.length <= 255)) return key;
  throw new HttpError(400, "the Idempotency-Key must have 1 to 255 characters", { code: "invalid_idempotency_key" });
}

const QUERY_FIELDS = ["state", "limit", "before"];

function listQuery(c: AppContext) {
  const { state, limit, before, ...others } = c.req.query();
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) {
    const meant = mistypedName(unknown, QUERY_FIELDS);
    throw wrongQuery(
      unknown,
      `not a field of this list; ${meant === undefined ? `it has ${QUERY_FIELDS.join(", ")}` : `did you mean ${meant}?`}`,
    );
  }
  const states = state?.split(",").map((each) => JOB_STATES.find((known) => known === each) ?? each);
  const isStates = (given: readonly string[]): given is JobState[] => given.every((each) => JOB_STATES.some((known) => known === each));
  if (states && !isStates(states)) throw wrongQuery("state", `expected ${JOB_STATES.join(", ")}, or several with commas`);
  const number = limit === undefined ? undefined : Number(limit);
  if (number !== undefined && !(Number.isInteger(number) && number >= 1 && number <= MOST_LISTED)) {
    throw wrongQuery("limit", `expected a whole number from 1 to ${MOST_LISTED}`);
  }
  return { states, limit: number, before };
}

function wrongQuery(param: string, problem: string): HttpError {
  return new HttpError(400, `${param}: ${problem}`, { code: `invalid_${param}`, param });
}
