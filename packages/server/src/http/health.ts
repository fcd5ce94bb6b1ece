import type { Hono } from "hono";
import type { AppEnv, ServerContext } from "./server-context.js";

/** For probes: whether the process answers, and whether it takes jobs. */
export function addHealth(app: Hono<AppEnv>, { jobs, shutdown }: ServerContext): void {
  app.get("/health", (c) => c.json({ status: "ok" }));
  app.get("/ready", async (c) => {
    const queue = await jobs.count().catch(() => undefined);
    const ready = queue !== undefined && !shutdown.draining.aborted;
    return c.json({ status: ready ? "ready" : "not ready" }, ready ? 200 : 503);
  });
}
