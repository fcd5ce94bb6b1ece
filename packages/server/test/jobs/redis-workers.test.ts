import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type JobEvent, type Jobs, openRedisJobs } from "../../src/index.js";
import { HandWork, NEW_JOB } from "./hand-work.js";
import { HAS_REDIS, RedisServer } from "./redis-server.js";
import { LEASE } from "./redis-storage.js";

describe.skipIf(!HAS_REDIS)("a queue on Redis whose server waits for workers", () => {
  let server: RedisServer;
  let prefix: string;
  let jobs: Jobs;
  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server.dispose());
  beforeEach(async () => {
    prefix = randomUUID();
    jobs = await openRedisJobs(server.address, { prefix, ...LEASE, workerTimeout: 1000 });
  });
  afterEach(() => jobs.close());

  async function lastEvent(id: string): Promise<JobEvent | undefined> {
    let last: JobEvent | undefined;
    for await (const event of jobs.events(id)) last = event;
    return last;
  }

  it("fails jobs of a model that no worker has, and leaves those of others alone", async () => {
    const elsewhere = await openRedisJobs(server.address, { prefix, ...LEASE });
    const work = new HandWork();
    elsewhere.work(work.handler, { slots: 1, models: ["other"] });
    const orphan = await jobs.submit(NEW_JOB, { owner: "ann" });
    const running = await jobs.submit({ ...NEW_JOB, model: "other" }, { owner: "ann" });
    const waiting = await jobs.submit({ ...NEW_JOB, model: "other" }, { owner: "ann" });
    expect(await lastEvent(orphan.id)).toMatchObject({
      type: "failed",
      error: { kind: "unserved", message: expect.stringContaining("no worker has the model emoji-128") },
    });
    expect(await jobs.get(running.id)).toMatchObject({ state: "running" });
    expect(await jobs.get(waiting.id)).toMatchObject({ state: "waiting" });
    await elsewhere.close();
  });

  it("fails them soon after the time that it was given, however seldom it looks after lost runs", async () => {
    const other = await openRedisJobs(server.address, { prefix: randomUUID(), workerTimeout: 1000 });
    const { id } = await other.submit(NEW_JOB, { owner: "ann" });
    const start = performance.now();
    for await (const event of other.events(id)) if (event.type === "failed") expect(event.error.message).toContain("none came in 1 second");
    expect(performance.now() - start).toBeLessThan(4000);
    await other.close();
  });

  it("does the jobs of a worker that comes late, but in time", async () => {
    const { id } = await jobs.submit(NEW_JOB, { owner: "ann" });
    await new Promise((resolve) => setTimeout(resolve, 300));
    const work = new HandWork();
    const late = await openRedisJobs(server.address, { prefix, ...LEASE });
    late.work(work.handler, { slots: 1, models: [NEW_JOB.model] });
    (await work.next()).finish();
    expect(await lastEvent(id)).toMatchObject({ type: "done" });
    await late.close();
  });
});
