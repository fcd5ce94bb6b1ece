import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { openRedisJobs } from "../../src/index.js";
import { FolderStore } from "../../src/results/folder-store.js";
import { NEW_JOB } from "./hand-work.js";
import { HAS_REDIS, RedisServer } from "./redis-server.js";

describe("a queue on Redis", () => {
  afterEach(() => vi.doUnmock("bullmq"));

  it("says how its packages are installed where they are missing", async () => {
    vi.doMock("bullmq", () => {
      throw new Error("Cannot find package 'bullmq'");
    });
    await expect(openRedisJobs("redis://127.0.0.1:1")).rejects.toMatchObject({
      name: "RedisQueueError",
      hint: "npm install bullmq ioredis",
    });
  });

  it("says which server cannot be reached, without its password", async () => {
    const error = await openRedisJobs("redis://ann:secret@127.0.0.1:1/2").catch((error: unknown) => error);
    expect(error).toMatchObject({
      name: "RedisQueueError",
      message: expect.stringMatching(/^Redis at 127\.0\.0\.1:1\/2 cannot be reached: .*ECONNREFUSED/),
    });
    expect(String(error)).not.toContain("secret");
  });

  it.each(["abc", "1x", "-1", "0/1"])("refuses the database %s before it connects", async (database) => {
    await expect(openRedisJobs(`redis://127.0.0.1:1/${database}`)).rejects.toMatchObject({
      name: "RedisQueueError",
      message: `Redis at 127.0.0.1:1/${database}: the database is "${database}"; expected a number`,
    });
  });
});

describe.skipIf(!HAS_REDIS)("a queue on a Redis that is there", () => {
  let server: RedisServer;
  beforeEach(async () => {
    server = await RedisServer.start();
  });
  afterEach(() => server.dispose());

  it("is refused for a database that Redis does not have", async () => {
    await expect(openRedisJobs(`${server.address}/99`)).rejects.toMatchObject({
      name: "RedisQueueError",
      message: `Redis at 127.0.0.1:${server.port}/99 has no database 99`,
    });
    await (await openRedisJobs(`${server.address}/3`)).close();
  });

  it("answers in bounded time while Redis is away: at once whether it is ready, a job after 5 seconds; and goes on when it is back", async () => {
    const jobs = await openRedisJobs(server.address, { onError: () => undefined });
    const { id } = await jobs.submit(NEW_JOB, { owner: "ann" });
    await server.kill();
    await new Promise((resolve) => setTimeout(resolve, 100));
    let start = performance.now();
    await expect(jobs.check?.()).rejects.toMatchObject({ name: "QueueUnreachableError" });
    expect(performance.now() - start).toBeLessThan(500);
    start = performance.now();
    const calls = [jobs.submit(NEW_JOB, { owner: "bob" }), jobs.get(id), jobs.list(), jobs.cancel(id), jobs.count(), jobs.slots(["x"])];
    for (const { status, reason } of (await Promise.allSettled(calls)) as PromiseRejectedResult[]) {
      expect([status, reason.name]).toEqual(["rejected", "QueueUnreachableError"]);
    }
    expect(performance.now() - start).toBeLessThan(8000);
    const early = jobs.get(id);
    await server.start();
    expect(await early).toMatchObject({ id, state: "waiting" });
    await expect(jobs.check?.()).resolves.toBeUndefined();
    // Nothing was made that nobody was told of.
    expect(await jobs.list()).toMatchObject([{ id }]);
    await jobs.close();
  }, 30_000);

  it("refuses a worker whose pictures would go elsewhere, and takes one that has the server's folder by another path", async () => {
    const folder = await mkdtemp(join(tmpdir(), "darkroom-places-"));
    const shared = await FolderStore.open(join(folder, "server"));
    const typo = await FolderStore.open(join(folder, "sevrer"));
    await symlink(join(folder, "server"), join(folder, "mounted"));
    const mounted = await FolderStore.open(join(folder, "mounted"));
    const open = async (store: FolderStore, isServer: boolean) => {
      const jobs = await openRedisJobs(server.address, { results: { ...(await store.identity()), isServer } });
      await jobs.close();
    };
    await open(typo, false);
    await open(shared, true);
    await open(mounted, false);
    await expect(open(typo, false)).rejects.toMatchObject({
      name: "RedisQueueError",
      message: `pictures would go to the folder ${folder}/sevrer, but the servers of this queue look for them in the folder ${folder}/server`,
    });
    expect(await shared.identity()).toEqual(await (await FolderStore.open(join(folder, "server"))).identity());
    await rm(folder, { recursive: true });
  });
});
