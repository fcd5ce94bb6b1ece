import { randomUUID } from "node:crypto";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { type Jobs, openRedisJobs } from "../../src/index.js";
import { jobText } from "../../src/jobs/job-text.js";
import { JobStore } from "../../src/jobs/redis/job-store.js";
import { Scripts } from "../../src/jobs/redis/scripts.js";
import { HandWork, NEW_JOB, resultOf, storedPicture } from "./hand-work.js";
import { HAS_REDIS, RedisServer } from "./redis-server.js";
import { LEASE } from "./redis-storage.js";

describe.skipIf(!HAS_REDIS)("the queue on Redis", () => {
  let server: RedisServer;
  let redis: Redis;
  let jobs: Jobs;
  let prefix: string;
  beforeAll(async () => {
    server = await RedisServer.start();
    redis = new Redis(server.address);
  });
  afterAll(async () => {
    redis.disconnect();
    await server.dispose();
  });
  beforeEach(async () => {
    prefix = randomUUID();
    jobs = await openRedisJobs(server.address, { prefix, ...LEASE });
  });
  afterEach(() => jobs.close());

  async function submit(owner: string, model = "emoji-128"): Promise<string> {
    return (await jobs.submit({ ...NEW_JOB, model }, { owner })).id;
  }

  /** The next jobs that run, one at a time. */
  async function order(count: number): Promise<string[]> {
    const work = new HandWork();
    const worker = jobs.work(work.handler, { slots: 1 });
    const ids: string[] = [];
    for (let i = 0; i < count; i++) {
      const run = await work.next();
      ids.push(run.job.id);
      run.finish();
    }
    await worker.close();
    return ids;
  }

  it("goes round the owners, and tells the places so", async () => {
    const ann = [await submit("ann"), await submit("ann"), await submit("ann")];
    const bob = [await submit("bob"), await submit("bob")];
    const cid = await submit("cid");
    const expected = [ann[0], bob[0], cid, ann[1], bob[1], ann[2]];
    const places = await Promise.all(expected.map(async (id) => (await jobs.get(id ?? ""))?.position));
    expect(places).toEqual([1, 2, 3, 4, 5, 6]);
    expect(await order(6)).toEqual(expected);
  });

  it("lets who comes later in after one job of each other owner", async () => {
    const ann = [await submit("ann"), await submit("ann"), await submit("ann"), await submit("ann")];
    expect(await order(2)).toEqual(ann.slice(0, 2));
    const bob = await submit("bob");
    expect(await order(3)).toEqual([ann[2], bob, ann[3]]);
  });

  it("takes jobs of several models in one order", async () => {
    const ids = [await submit("ann", "a/b:c"), await submit("bob", "second"), await submit("cid", "a/b:c")];
    expect(await order(3)).toEqual(ids);
  });

  it("runs jobs that their submitter did not live to give to BullMQ", async () => {
    const id = await submit("ann");
    await redis.del(...(await redis.keys(`{${prefix}}:model-*`)));
    expect(await order(1)).toEqual([id]);
  });

  it("keeps a run whose lock ran out while Redis was away", async () => {
    const options = { prefix: randomUUID(), lockDuration: 600, stalledInterval: 600_000 };
    const patient = await openRedisJobs(server.address, options);
    const work = new HandWork();
    patient.work(work.handler, { slots: 1 });
    const { id } = await patient.submit(NEW_JOB, { owner: "ann" });
    const run = await work.next();
    const lock = `{${options.prefix}}:model-emoji-128:${id}:lock`;
    expect(await redis.del(lock)).toBe(1);
    await vi.waitFor(async () => expect(await redis.exists(lock)).toBe(1), { timeout: 50_000 });
    run.finish();
    for await (const event of patient.events(id)) expect(["running", "done"]).toContain(event.type);
    expect(await patient.get(id)).toMatchObject({ state: "done", crashes: 0 });
    await patient.close();
  });

  it("does a call once that is sent twice because the first reply was lost", async () => {
    const store = new JobStore(redis, `{${randomUUID()}}:jobs:`);
    const text = jobText(NEW_JOB);
    const scripts = new Scripts(redis, store.prefix);
    const add = () => scripts.run("add", ...["id", "ann", "", text.fingerprint, "m", text.job, "", 10, Date.now(), "bull"]);
    expect(await add()).toEqual(await add());
    expect(await store.count()).toMatchObject({ waiting: 1, running: 0 });
    const run = { id: "id", token: "token" };
    expect(await store.start(run)).toMatchObject({ state: "running", crashes: 0 });
    expect(await store.start(run)).toMatchObject({ state: "running", crashes: 0 });
    const picture = storedPicture("a");
    for (let sent = 0; sent < 2; sent++) await store.end(run, { state: "done", result: resultOf(picture) });
    expect(await store.picture(picture.id)).toEqual(picture);
    expect(await store.expired(Date.now())).toEqual([]);
  });

  it("sends no preview of more than 64 kB, and keeps the last one for a minute", async () => {
    const work = new HandWork();
    jobs.work(work.handler, { slots: 1 });
    const id = await submit("ann");
    const { run, finish } = await work.next();
    run.preview(0, { type: "image/jpeg", base64: "A".repeat(70_000) });
    run.preview(0, { type: "image/jpeg", base64: "AAAA" });
    const key = `{${prefix}}:jobs:preview:${id}`;
    for await (const event of jobs.events(id)) {
      if (event.type !== "preview") continue;
      expect(event.image.base64).toBe("AAAA");
      expect(await redis.ttl(key)).toBeGreaterThan(0);
      finish();
    }
    expect(await redis.exists(key)).toBe(0);
  });
});
