import { describe, expect, it } from "vitest";
import { JobCancelled, JobCrashed } from "../../src/index.js";
import type { TestQueue } from "./conformance.js";
import { HandWork } from "./hand-work.js";

export function cancelTests(queue: TestQueue): void {
  describe("cancel", () => {
    it("ends a job that waits, which never runs", async () => {
      const [first = "", second = ""] = await queue.submitMany(2);
      expect(await queue.jobs.cancel(first)).toMatchObject({
        id: first,
        state: "cancelled",
        position: undefined,
        endedAt: expect.any(Number),
      });
      const work = new HandWork();
      queue.jobs.work(work.handler, { slots: 2 });
      expect((await work.next()).job.id).toBe(second);
      expect(await queue.state(first)).toBe("cancelled");
    });

    it("stops a job that runs, and gives its slot to the next", async () => {
      const work = new HandWork();
      queue.jobs.work(work.handler, { slots: 1 });
      const [first = "", second = ""] = await queue.submitMany(2);
      const { run } = await work.next();
      expect(await queue.jobs.cancel(first)).toMatchObject({ state: "cancelled", crashes: 0 });
      expect((await work.next()).job.id).toBe(second);
      expect(run.signal.reason).toBeInstanceOf(JobCancelled);
      expect(await queue.ended(first)).toMatchObject({ type: "cancelled" });
    });

    it("is on record at once, and the slot is free when the work has stopped", async () => {
      const work = new HandWork({ stopsAtOnce: false });
      queue.jobs.work(work.handler, { slots: 1 });
      const [first = "", second = ""] = await queue.submitMany(2);
      const run = await work.next();
      await queue.jobs.cancel(first);
      expect(await queue.ended(first)).toMatchObject({ type: "cancelled" });
      expect(await queue.state(second)).toBe("waiting");
      run.fail(new JobCrashed("did not stop, so it was killed"));
      const next = await work.next();
      expect(next.job.id).toBe(second);
      expect(await queue.state(first)).toBe("cancelled");
      next.finish();
    });

    it("stays when the job is finished all the same", async () => {
      const work = new HandWork({ stopsAtOnce: false });
      queue.jobs.work(work.handler, { slots: 1 });
      const [first = ""] = await queue.submitMany(2);
      const run = await work.next();
      await queue.jobs.cancel(first);
      run.run.progress({ picture: 0, pictures: 1, step: 1, steps: 4 });
      run.finish();
      const next = await work.next();
      expect(await queue.jobs.get(first)).toMatchObject({ state: "cancelled", result: undefined, progress: undefined });
      next.finish();
    });

    it("does the same twice, and leaves a final job as it is", async () => {
      const work = new HandWork();
      queue.jobs.work(work.handler, { slots: 1 });
      const { id } = await queue.submit();
      const run = await work.next();
      const [once, twice] = await Promise.all([queue.jobs.cancel(id), queue.jobs.cancel(id)]);
      expect(once).toMatchObject({ state: "cancelled" });
      expect(twice).toEqual(once);
      run.finish();
      const done = await queue.submit();
      (await work.next()).finish();
      await queue.ended(done.id);
      expect(await queue.jobs.cancel(done.id)).toMatchObject({ state: "done" });
      expect(await queue.jobs.cancel("nobody")).toBeUndefined();
    });

    it("wins or loses against the start and the end, with one final state", async () => {
      const work = new HandWork();
      queue.jobs.work(work.handler, { slots: 1 });
      for (let round = 0; round < 20; round++) {
        const { id } = await queue.submit();
        // The start is under way: the job is cancelled before it, or while it runs.
        for (let turn = 0; turn < round % 4; turn++) await new Promise(setImmediate);
        await queue.jobs.cancel(id);
        expect(await queue.state(id)).toBe("cancelled");
        const { id: finished } = await queue.submit();
        let run = await work.next();
        while (run.job.id !== finished) run = await work.next();
        run.finish();
        for (let turn = 0; turn < round % 4; turn++) await new Promise(setImmediate);
        const job = await queue.jobs.cancel(finished);
        const event = await queue.ended(finished);
        expect(event.type).toBe(job?.state);
        expect(await queue.state(finished)).toBe(job?.state);
      }
    });

    it("is on record after a kill", async () => {
      const work = new HandWork({ stopsAtOnce: false });
      queue.jobs.work(work.handler, { slots: 1 });
      const [first = "", second = ""] = await queue.submitMany(2);
      const run = await work.next();
      await queue.jobs.cancel(first);
      await queue.jobs.cancel(second);
      run.finish();
      await queue.killAndReopen();
      expect([await queue.state(first), await queue.state(second)]).toEqual(["cancelled", "cancelled"]);
    });
  });
}
