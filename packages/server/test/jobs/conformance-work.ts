import { describe, expect, it, vi } from "vitest";
import { JobCrashed, JobFailed, JobHandedBack } from "../../src/index.js";
import type { TestQueue } from "./conformance.js";
import { HandWork, resultOf, storedPicture } from "./hand-work.js";

export function workTests(queue: TestQueue): void {
  describe("work", () => {
    it("runs jobs in order, and keeps their results", async () => {
      const work = new HandWork();
      const [first = "", second = ""] = await queue.submitMany(2);
      queue.jobs.work(work.handler, { slots: 1 });
      const run = await work.next();
      expect(run.job).toMatchObject({ id: first, state: "running", position: 0, crashes: 0 });
      expect(await queue.jobs.get(first)).toMatchObject({ state: "running", position: 0, crashes: 0, startedAt: expect.any(Number) });
      expect(await queue.jobs.get(second)).toMatchObject({ state: "waiting", position: 1 });
      const picture = storedPicture("one");
      run.finish(resultOf(picture));
      expect((await work.next()).job.id).toBe(second);
      const done = await queue.jobs.get(first);
      expect(done).toMatchObject({
        state: "done",
        position: undefined,
        crashes: 0,
        result: resultOf(picture),
        endedAt: expect.any(Number),
      });
      expect(await queue.jobs.picture(picture.id)).toEqual(picture);
      await queue.reopen();
      expect(await queue.jobs.get(first)).toEqual(done);
      expect(await queue.jobs.picture(picture.id)).toEqual(picture);
    });

    it("takes jobs that come later", async () => {
      const work = new HandWork();
      queue.jobs.work(work.handler, { slots: 1 });
      const { id } = await queue.submit();
      expect((await work.next()).job.id).toBe(id);
    });

    it("counts live jobs by their models, and no others", async () => {
      expect(await queue.jobs.count()).toEqual({ waiting: 0, running: 0, models: new Map() });
      const work = new HandWork();
      queue.jobs.work(work.handler, { slots: 1, models: ["a"] });
      await queue.submit({ model: "b" });
      await queue.submit({ model: "a" });
      const first = await work.next();
      await queue.submit({ model: "a" });
      const { id } = await queue.submit({ model: "__proto__" });
      const expected = {
        waiting: 3,
        running: 1,
        models: new Map([
          ["a", { waiting: 1, running: 1 }],
          ["b", { waiting: 1, running: 0 }],
          ["__proto__", { waiting: 1, running: 0 }],
        ]),
      };
      expect(await queue.jobs.count()).toEqual(expected);
      await queue.jobs.cancel(id);
      first.finish();
      await queue.ended(first.job.id);
      (await work.next()).finish();
      await expect.poll(() => queue.jobs.count()).toEqual({ waiting: 1, running: 0, models: new Map([["b", { waiting: 1, running: 0 }]]) });
    });

    it("runs as many jobs at a time as it has slots", async () => {
      const work = new HandWork();
      queue.jobs.work(work.handler, { slots: 2 });
      const ids = await queue.submitMany(4);
      const runs = [await work.next(), await work.next()];
      expect(new Set(runs.map(({ job }) => job.id))).toEqual(new Set(ids.slice(0, 2)));
      expect(await queue.jobs.count()).toMatchObject({ waiting: 2, running: 2 });
      expect(work.unseen).toBe(0);
      runs[1]?.finish();
      expect((await work.next()).job.id).toBe(ids[2]);
      expect(work.unseen).toBe(0);
    });

    it("takes jobs of its models only", async () => {
      const work = new HandWork();
      const other = await queue.submit({ model: "other" });
      const mine = await queue.submit();
      queue.jobs.work(work.handler, { slots: 2, models: ["emoji-128", "third"] });
      expect((await work.next()).job.id).toBe(mine.id);
      expect(await queue.state(other.id)).toBe("waiting");
      const otherWork = new HandWork();
      queue.jobs.work(otherWork.handler, { slots: 1, models: ["other"] });
      expect((await otherWork.next()).job.id).toBe(other.id);
    });

    it("gives the pictures of requests to handlers only, also at the second try", async () => {
      const work = new HandWork();
      queue.jobs.work(work.handler, { slots: 1 });
      const request = { prompt: "a fox", image: "AAAA", maskImage: "BBBB", controlImage: ["CCCC"], strength: 0.5 };
      const { id, ...job } = await queue.submit({ request });
      expect(job.request).toEqual({ prompt: "a fox", strength: 0.5 });
      const run = await work.next();
      expect(run.job.request).toEqual(request);
      run.fail(new JobCrashed("out of memory"));
      const again = await work.next();
      expect(again.job.request).toEqual(request);
      again.finish();
      await queue.ended(id);
      expect((await queue.jobs.get(id))?.request).toEqual({ prompt: "a fox", strength: 0.5 });
      expect((await queue.jobs.list())[0]?.request).toEqual({ prompt: "a fox", strength: 0.5 });
    });

    it("keeps settings that JSON has no numbers for as digits", async () => {
      queue.jobs.work(async () => ({ ...resultOf(), settings: { seed: 18446744073709551615n } }), { slots: 1 });
      const { id } = await queue.submit();
      await queue.ended(id);
      expect((await queue.jobs.get(id))?.result?.settings).toEqual({ seed: "18446744073709551615" });
    });

    it("keeps the error of a job that failed", async () => {
      const work = new HandWork();
      queue.jobs.work(work.handler, { slots: 1 });
      const { id } = await queue.submit();
      const error = { kind: "argument", message: "width is 63", hint: "use 64", argument: "width" } as const;
      (await work.next()).fail(new JobFailed(error));
      expect(await queue.ended(id)).toMatchObject({ type: "failed", error });
      expect(await queue.jobs.get(id)).toMatchObject({ state: "failed", error, result: undefined, crashes: 0 });
      expect(queue.errors).toEqual([]);
    });

    it("tells clients nothing of other errors, and the server everything", async () => {
      const work = new HandWork();
      queue.jobs.work(work.handler, { slots: 1 });
      const { id } = await queue.submit();
      const bug = new TypeError("/secret/path is undefined");
      (await work.next()).fail(bug);
      const event = await queue.ended(id);
      expect(event).toMatchObject({ type: "failed", error: { kind: "internal" } });
      expect(JSON.stringify(event)).not.toMatch(/secret|at /);
      expect(queue.errors).toEqual([bug]);
    });

    it("fails a job whose handler throws at once or gives no JSON", async () => {
      const worker = queue.jobs.work(
        () => {
          throw new Error("at once");
        },
        { slots: 1 },
      );
      const first = await queue.submit();
      expect(await queue.ended(first.id)).toMatchObject({ type: "failed", error: { kind: "internal" } });
      await worker.close();
      const circle: Record<string, unknown> = {};
      circle.itself = circle;
      queue.jobs.work(async () => ({ ...resultOf(), settings: circle }), { slots: 1 });
      const second = await queue.submit();
      expect(await queue.ended(second.id)).toMatchObject({ type: "failed", error: { kind: "internal" } });
    });

    it("takes no more jobs when it drains, and lets those that run end", async () => {
      const work = new HandWork();
      const worker = queue.jobs.work(work.handler, { slots: 2 });
      const ids = await queue.submitMany(3);
      const runs = [await work.next(), await work.next()];
      let isDrained = false;
      const drained = worker.drain().then(() => {
        isDrained = true;
      });
      for (const { run, finish } of runs) {
        expect([isDrained, run.signal.aborted]).toEqual([false, false]);
        finish();
      }
      await drained;
      const jobs = await Promise.all(ids.map((id) => queue.jobs.get(id)));
      expect(jobs.map((job) => job?.state)).toEqual(["done", "done", "waiting"]);
      expect(work.unseen).toBe(0);
    });

    it("hands back what still runs when it closes while it drains", async () => {
      const work = new HandWork();
      const worker = queue.jobs.work(work.handler, { slots: 1 });
      const { id } = await queue.submit();
      await work.next();
      const drained = worker.drain();
      await worker.close();
      await drained;
      expect(await queue.jobs.get(id)).toMatchObject({ state: "waiting", crashes: 0 });
    });

    it("counts as slots for its models as long as it takes jobs", async () => {
      const slots = async () => Object.fromEntries(await queue.jobs.slots(["emoji-128", "other"]));
      const work = new HandWork();
      expect(await slots()).toEqual({ "emoji-128": 0, other: 0 });
      const all = queue.jobs.work(work.handler, { slots: 2 });
      const some = queue.jobs.work(work.handler, { slots: 3, models: ["other"] });
      await vi.waitFor(async () => expect(await slots()).toEqual({ "emoji-128": 2, other: 5 }), 20_000);
      await all.drain();
      expect(await slots()).toEqual({ "emoji-128": 0, other: 3 });
      await some.close();
      expect(await slots()).toEqual({ "emoji-128": 0, other: 0 });
    });

    it("hands running jobs back when it closes: they wait before all others, and that is no crash", async () => {
      const work = new HandWork();
      const worker = queue.jobs.work(work.handler, { slots: 1 });
      const [first = "", second = ""] = await queue.submitMany(2);
      const run = await work.next();
      run.run.progress({ picture: 0, pictures: 1, step: 1, steps: 4 });
      expect(await queue.jobs.get(second)).toMatchObject({ position: 1 });
      await worker.close();
      expect(await queue.jobs.get(second)).toMatchObject({ position: 2 });
      expect(run.run.signal.reason).toBeInstanceOf(JobHandedBack);
      expect(await queue.jobs.get(first)).toMatchObject({
        state: "waiting",
        position: 1,
        crashes: 0,
        startedAt: undefined,
        progress: undefined,
      });
      const next = new HandWork();
      queue.jobs.work(next.handler, { slots: 1 });
      expect((await next.next()).job.id).toBe(first);
    });

    it("keeps the result of a job that is finished while its worker closes", async () => {
      const work = new HandWork({ stopsAtOnce: false });
      const worker = queue.jobs.work(work.handler, { slots: 1 });
      const { id } = await queue.submit();
      const run = await work.next();
      const closed = worker.close();
      run.finish();
      await closed;
      expect(await queue.state(id)).toBe("done");
    });

    it("hands back a job whose process ended because its worker closes", async () => {
      const work = new HandWork({ stopsAtOnce: false });
      const worker = queue.jobs.work(work.handler, { slots: 1 });
      const { id } = await queue.submit();
      const run = await work.next();
      const closed = worker.close();
      run.fail(new JobCrashed("killed"));
      await closed;
      expect(await queue.jobs.get(id)).toMatchObject({ state: "waiting", crashes: 0 });
    });

    it("hands back running jobs when the queue closes", async () => {
      const work = new HandWork();
      queue.jobs.work(work.handler, { slots: 2 });
      const ids = await queue.submitMany(3);
      await work.next();
      await work.next();
      await queue.reopen();
      const jobs = await Promise.all(ids.map((id) => queue.jobs.get(id)));
      expect(jobs.map((job) => [job?.state, job?.position, job?.crashes])).toEqual([
        ["waiting", 1, 0],
        ["waiting", 2, 0],
        ["waiting", 3, 0],
      ]);
    });
  });

  describe("a job that brings its process down", () => {
    it("is tried once more before all others, then fails with the reason", async () => {
      const work = new HandWork();
      queue.jobs.work(work.handler, { slots: 1 });
      const [poisoned = "", other = ""] = await queue.submitMany(2);
      (await work.next()).fail(new JobCrashed("out of memory"));
      const again = await work.next();
      expect(again.job).toMatchObject({ id: poisoned, crashes: 1 });
      again.fail(new JobCrashed("out of memory"));
      expect((await work.next()).job.id).toBe(other);
      const job = await queue.jobs.get(poisoned);
      expect(job).toMatchObject({ state: "failed", crashes: 2, error: { kind: "crashed" } });
      expect(job?.error?.message).toContain("out of memory");
    });

    it("runs again after a restart, before all others, and fails after the second (InvokeAI #4753: poisoned at every start)", async () => {
      const [poisoned = "", other = ""] = await queue.submitMany(2);
      for (const crashes of [0, 1]) {
        const work = new HandWork();
        queue.jobs.work(work.handler, { slots: 1 });
        expect((await work.next()).job).toMatchObject({ id: poisoned, crashes });
        await queue.killAndReopen();
      }
      expect(await queue.jobs.get(poisoned)).toMatchObject({ state: "failed", crashes: 2, error: { kind: "crashed" } });
      const work = new HandWork();
      queue.jobs.work(work.handler, { slots: 1 });
      expect((await work.next()).job).toMatchObject({ id: other, crashes: 0 });
      expect(await queue.ended(poisoned)).toMatchObject({ type: "failed" });
    });

    it("can be done at its second try", async () => {
      const work = new HandWork();
      queue.jobs.work(work.handler, { slots: 1 });
      const { id } = await queue.submit();
      (await work.next()).fail(new JobCrashed("out of memory"));
      (await work.next()).finish();
      await queue.ended(id);
      expect(await queue.jobs.get(id)).toMatchObject({ state: "done", crashes: 1 });
    });
  });
}
