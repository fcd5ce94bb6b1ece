import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Jobs, QueueFullError } from "../../src/index.js";
import { EmbeddedStorage } from "./embedded-storage.js";
import { HandWork, NEW_JOB } from "./hand-work.js";

describe("turns of the embedded queue", () => {
  let storage: EmbeddedStorage;
  let jobs: Jobs;
  beforeEach(async () => {
    storage = await EmbeddedStorage.make();
    jobs = await storage.open();
  });
  afterEach(() => storage.dispose());

  async function submit(...owners: readonly string[]): Promise<void> {
    for (const owner of owners) await jobs.submit(NEW_JOB, { owner });
  }

  /** Owners in the order in which their next jobs run. */
  async function run(count: number): Promise<string> {
    const work = new HandWork();
    const worker = jobs.work(work.handler, { slots: 1 });
    const owners: string[] = [];
    for (let i = 0; i < count; i++) {
      const { job, finish } = await work.next();
      owners.push(job.owner);
      finish();
    }
    await worker.close();
    return owners.join(" ");
  }

  it("go round the owners, so that a batch of one starves nobody", async () => {
    await submit(...Array<string>(100).fill("ann"), "bob", "cat", "bob");
    expect(await run(7)).toBe("ann bob cat ann bob ann ann");
  });

  it("begin with who waits longest for a turn, also after a restart", async () => {
    await submit("ann", "ann", "ann", "bob", "bob", "cat");
    expect(await run(2)).toBe("ann bob");
    await jobs.close();
    jobs = await storage.open();
    await submit("dan");
    expect(await run(5)).toBe("cat dan ann bob ann");
  });

  it("are what places in the queue tell", async () => {
    await submit("ann", "ann", "ann", "bob", "cat", "cat", "bob", "ann");
    expect(await run(2)).toBe("ann bob");
    await submit("dan", "dan");
    const places = (await jobs.list({ states: ["waiting"] })).toSorted((a, b) => (a.position ?? 0) - (b.position ?? 0));
    expect(places.map(({ position }) => position)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(await run(8)).toBe(places.map(({ owner }) => owner).join(" "));
  });

  it("tell who is refused to come back when the next job starts, by the time of the last runs", async () => {
    await jobs.close();
    jobs = await storage.open({ maxWaiting: 1 });
    await submit("ann");
    await expect(submit("ann")).rejects.toMatchObject({ retryAfterSeconds: 10 });
    expect(await run(1)).toBe("ann");
    await submit("ann");
    const { retryAfterSeconds } = (await submit("ann").catch((error: unknown) => error)) as QueueFullError;
    expect(retryAfterSeconds).toBeGreaterThanOrEqual(1);
    expect(retryAfterSeconds).toBeLessThan(10);
  });
});
