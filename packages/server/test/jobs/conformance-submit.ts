import { describe, expect, it } from "vitest";
import { type NewJob, QueueFullError } from "../../src/index.js";
import type { TestQueue } from "./conformance.js";
import { NEW_JOB } from "./hand-work.js";

export function submitTests(queue: TestQueue): void {
  describe("submit", () => {
    it("gives a job that waits, with the request as it was sent", async () => {
      const before = Date.now();
      const job = await queue.submit();
      expect(job).toMatchObject({ ...NEW_JOB, owner: "ann", state: "waiting", position: 1, crashes: 0 });
      expect(job.createdAt).toBeGreaterThanOrEqual(before);
      expect(job).toMatchObject({ startedAt: undefined, endedAt: undefined, progress: undefined, result: undefined, error: undefined });
      expect(await queue.jobs.get(job.id)).toEqual(job);
    });

    it("knows no job by another id", async () => {
      expect(await queue.jobs.get("nobody")).toBeUndefined();
      expect(await queue.jobs.picture("nothing")).toBeUndefined();
    });

    it("keeps seeds that JSON has no numbers for", async () => {
      const job = await queue.submit({ request: { prompt: "a panda", seed: 18446744073709551615n } });
      expect(job.request.seed).toBe("18446744073709551615");
    });

    it("has jobs on record when it resolves", async () => {
      const ids = await queue.submitMany(3);
      await queue.killAndReopen();
      expect((await queue.jobs.list()).map(({ id }) => id)).toEqual([...ids].reverse());
      expect(await queue.jobs.get(ids[0] ?? "")).toMatchObject({ ...NEW_JOB, state: "waiting", position: 1 });
    });

    it("tells the places in the queue, and counts jobs", async () => {
      const ids = await queue.submitMany(3);
      const jobs = await Promise.all(ids.map((id) => queue.jobs.get(id)));
      expect(jobs.map((job) => job?.position)).toEqual([1, 2, 3]);
      expect(await queue.jobs.count()).toMatchObject({ waiting: 3, running: 0 });
    });

    it("refuses a job when as many wait as may, and says when to try again", async () => {
      await queue.reopen({ maxWaiting: 2 });
      const [first = ""] = await queue.submitMany(2);
      const error = await queue.submit().catch((error: unknown) => error);
      expect(error).toBeInstanceOf(QueueFullError);
      expect(error).toMatchObject({ waiting: 2 });
      expect((error as QueueFullError).retryAfterSeconds).toBeGreaterThanOrEqual(1);
      await queue.jobs.cancel(first);
      expect((await queue.submit()).state).toBe("waiting");
    });
  });

  describe("an Idempotency-Key", () => {
    it("gives its owner the same job again, also after a restart and when the queue is full", async () => {
      const { id } = await queue.submit({}, "ann", "k1");
      expect((await queue.submit({}, "ann", "k1")).id).toBe(id);
      await queue.reopen({ maxWaiting: 1 });
      expect((await queue.submit({}, "ann", "k1")).id).toBe(id);
      await queue.jobs.cancel(id);
      expect(await queue.submit({}, "ann", "k1")).toMatchObject({ id, state: "cancelled" });
    });

    it("is its owner's alone", async () => {
      const { id } = await queue.submit({}, "ann", "k1");
      expect((await queue.submit({}, "bob", "k1")).id).not.toBe(id);
      expect((await queue.submit({}, "ann", "k2")).id).not.toBe(id);
    });

    it("is refused for another request, and knows the same request by its values", async () => {
      const request = { prompt: "a fox", image: "AAAA", seed: 1 };
      const { id } = await queue.submit({ request }, "ann", "k1");
      expect((await queue.submit({ request: { seed: 1, image: "AAAA", prompt: "a fox" } }, "ann", "k1")).id).toBe(id);
      const others: readonly Partial<NewJob>[] = [
        { request: { ...request, seed: 2 } },
        { request: { ...request, image: "AAAB" } },
        { request, model: "other" },
        { request, output: { format: "jpeg" } },
      ];
      for (const other of others)
        await expect(queue.submit(other, "ann", "k1")).rejects.toMatchObject({ name: "KeyReusedError", key: "k1" });
    });

    it("gives one job to two requests at the same time", async () => {
      const [a, b] = await Promise.all([queue.submit({}, "ann", "k1"), queue.submit({}, "ann", "k1")]);
      expect(a.id).toBe(b.id);
      expect(await queue.jobs.count()).toMatchObject({ waiting: 1, running: 0 });
    });
  });

  describe("list", () => {
    it("has the newest first, by owner and state, in pages", async () => {
      const ann = await queue.submitMany(3, "ann");
      const [bob = ""] = await queue.submitMany(1, "bob");
      await queue.jobs.cancel(ann[1] ?? "");
      const ids = async (options: Parameters<typeof queue.jobs.list>[0]) => (await queue.jobs.list(options)).map(({ id }) => id);
      expect(await ids({})).toEqual([bob, ann[2], ann[1], ann[0]]);
      expect(await ids({ owner: "ann" })).toEqual([ann[2], ann[1], ann[0]]);
      expect(await ids({ states: ["waiting"] })).toEqual([bob, ann[2], ann[0]]);
      expect(await ids({ states: ["cancelled", "done"], owner: "ann" })).toEqual([ann[1]]);
      expect(await ids({ states: [] })).toEqual([]);
      expect(await ids({ limit: 2 })).toEqual([bob, ann[2]]);
      expect(await ids({ limit: 2, before: ann[2] })).toEqual([ann[1], ann[0]]);
      expect((await queue.jobs.list({ owner: "ann" })).map(({ position }) => position)).toEqual([3, undefined, 1]);
    });
  });
}
