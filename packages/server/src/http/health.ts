import type { Hono } from "hono";
import { isDiskFull } from "../disk-full.js";
import { type Jobs, QueueClosedError } from "../jobs/jobs.js";
import type { ResultStore } from "../results/result-store.js";
import type { AppEnv, ServerContext } from "./server-context.js";

/** For probes: whether the process answers, and whether it takes jobs. */
export function addHealth(app: Hono<AppEnv>, { jobs, results, shutdown }: ServerContext): void {
  app.get("/health", (c) => c.json({ status: "ok" }));
  app.get("/ready", async (c) => {
    const reason = shutdown.draining.aborted ? "shutting_down" : await problemOf(jobs, results);
    return reason === undefined ? c.json({ status: "ready" }) : c.json({ status: "not ready", reason }, 503);
  });
}

/** Why no job can be taken. */
export const NOT_READY = ["shutting_down", "disk_full", "storage_failed"] as const;

/** What keeps jobs from being recorded, or pictures from being stored. */
async function problemOf(jobs: Jobs, results: ResultStore): Promise<(typeof NOT_READY)[number] | undefined> {
  try {
    // It knows at once that Redis is away; other calls wait a while for it.
    await jobs.check?.();
    await jobs.count();
    await results.check?.();
    return undefined;
  } catch (error) {
    if (error instanceof QueueClosedError) return "shutting_down";
    return isDiskFull(error) ? "disk_full" : "storage_failed";
  }
}
