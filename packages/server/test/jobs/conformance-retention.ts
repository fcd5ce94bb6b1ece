import { describe, expect, it, vi } from "vitest";
import type { JobsOptions, StoredPicture } from "../../src/index.js";
import type { TestQueue } from "./conformance.js";
import { HandWork, resultOf, storedPicture } from "./hand-work.js";

/** Waits for as long as a busy machine may take. */
const soon = (check: () => unknown) => vi.waitFor(check, { timeout: 30_000 });

export function retentionTests(queue: TestQueue): void {
  /** Makes a picture in a job of its own. */
  async function make(work: HandWork, ...pictures: readonly StoredPicture[]): Promise<string> {
    const { id } = await queue.submit();
    (await work.next()).finish(resultOf(...pictures));
    await queue.ended(id);
    return id;
  }

  function start(): HandWork {
    const work = new HandWork();
    queue.jobs.work(work.handler, { slots: 1 });
    return work;
  }

  describe("final jobs", () => {
    it("are kept up to a number, the newest ones, and live ones always", async () => {
      await queue.reopen({ keepJobs: 2 });
      const work = start();
      const ids: string[] = [];
      for (const name of ["a", "b", "c", "d"]) ids.push(await make(work, storedPicture(name)));
      const waiting = await queue.submitMany(3);
      await soon(async () => expect((await queue.jobs.list()).map(({ id }) => id)).toEqual([...waiting.toReversed(), ids[3], ids[2]]));
      expect(await queue.jobs.get(ids[0] ?? "")).toBeUndefined();
    });

    it("take their pictures with them, those that no other job has", async () => {
      const expired: string[] = [];
      await queue.reopen({ keepJobs: 1, keepPicturesSeconds: 0, onPicturesExpired: async (hashes) => void expired.push(...hashes) });
      const work = start();
      const [alone, shared, sharedAgain] = [storedPicture("alone"), storedPicture("shared"), storedPicture("shared")];
      await make(work, alone, shared);
      await make(work, sharedAgain);
      await soon(() => expect(expired).toEqual([alone.hash]));
      expect(await queue.jobs.picture(alone.id)).toBeUndefined();
      expect(await queue.jobs.picture(sharedAgain.id)).toEqual(sharedAgain);
      await make(work);
      await soon(() => expect(expired).toEqual([alone.hash, shared.hash]));
    });

    it("have their pictures told again after a restart, until they are deleted", async () => {
      const options: JobsOptions = {
        keepJobs: 0,
        keepPicturesSeconds: 0,
        onPicturesExpired: () => Promise.reject(new Error("the store is away")),
      };
      await queue.reopen(options);
      const picture = storedPicture("a");
      const work = start();
      const { id } = await queue.submit();
      const ended = queue.ended(id);
      (await work.next()).finish(resultOf(picture));
      await ended;
      await soon(() => expect(queue.errors).toMatchObject([{ message: "the store is away" }]));
      const expired: string[] = [];
      await queue.killAndReopen({ keepPicturesSeconds: 0, onPicturesExpired: async (hashes) => void expired.push(...hashes) });
      await soon(() => expect(expired).toEqual([picture.hash]));
      await queue.reopen({ keepPicturesSeconds: 0, onPicturesExpired: async (hashes) => void expired.push(...hashes) });
      await make(start());
      expect(expired).toEqual([picture.hash]);
    });

    it("leave their pictures for a time, in which another job may have made the same", async () => {
      const expired: string[] = [];
      const options: JobsOptions = {
        keepJobs: 1,
        keepPicturesSeconds: 60,
        onPicturesExpired: async (hashes) => void expired.push(...hashes),
      };
      await queue.reopen(options);
      const work = start();
      const [alone, again] = [storedPicture("alone"), storedPicture("again")];
      await make(work, alone, again);
      await make(work);
      await soon(async () => expect(await queue.jobs.picture(again.id)).toBeUndefined());
      await make(work, storedPicture("again"));
      expect(expired).toEqual([]);
      vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 61_000 });
      try {
        await queue.reopen(options);
        await soon(() => expect(expired).toEqual([alone.hash]));
      } finally {
        vi.useRealTimers();
      }
    });

    it("that were cancelled leave no pictures behind that were made all the same", async () => {
      const expired: string[] = [];
      await queue.reopen({ keepPicturesSeconds: 0, onPicturesExpired: async (hashes) => void expired.push(...hashes) });
      const work = new HandWork({ stopsAtOnce: false });
      queue.jobs.work(work.handler, { slots: 1 });
      const { id } = await queue.submit();
      const run = await work.next();
      await queue.jobs.cancel(id);
      const picture = storedPicture("late");
      run.finish(resultOf(picture));
      await soon(() => expect(expired).toEqual([picture.hash]));
      expect(await queue.jobs.picture(picture.id)).toBeUndefined();
    });

    it("are kept for some days", async () => {
      const work = start();
      const id = await make(work, storedPicture("a"));
      await queue.reopen({ keepDays: 1 });
      expect(await queue.state(id)).toBe("done");
      vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 2 * 86_400_000 });
      try {
        await queue.reopen({ keepDays: 1 });
        expect(await queue.state(id)).toBeUndefined();
      } finally {
        vi.useRealTimers();
      }
    });
  });
}
