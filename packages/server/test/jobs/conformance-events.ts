import { describe, expect, it } from "vitest";
import type { JobEvent } from "../../src/index.js";
import type { TestQueue } from "./conformance.js";
import { HandWork, resultOf } from "./hand-work.js";

const STEP = { picture: 0, pictures: 1, step: 1, steps: 4 };
const PREVIEW = { type: "image/jpeg", base64: "AAAA" } as const;

/** Reads events one by one. */
class Reader {
  readonly #events: AsyncIterator<JobEvent>;

  constructor(events: AsyncIterable<JobEvent>) {
    this.#events = events[Symbol.asyncIterator]();
  }

  async next(): Promise<JobEvent | undefined> {
    const { done, value } = await this.#events.next();
    return done ? undefined : value;
  }

  /** The next event of this type; those before it are skipped. */
  async until(type: JobEvent["type"]): Promise<JobEvent> {
    for (;;) {
      const event = await this.next();
      if (event === undefined) throw new Error(`the events ended before "${type}"`);
      if (event.type === type) return event;
    }
  }

  async rest(): Promise<JobEvent[]> {
    const rest: JobEvent[] = [];
    for (let event = await this.next(); event !== undefined; event = await this.next()) rest.push(event);
    return rest;
  }
}

export function eventTests(queue: TestQueue): void {
  const read = (id: string, after?: number) => new Reader(queue.jobs.events(id, { after }));

  describe("events", () => {
    it("tell what happens to a job in order, with growing numbers, until its end", async () => {
      const { id } = await queue.submit();
      const reader = read(id);
      const events = [await reader.next()];
      const work = new HandWork();
      queue.jobs.work(work.handler, { slots: 1 });
      const { run, finish } = await work.next();
      events.push(await reader.next());
      run.progress(STEP);
      events.push(await reader.next());
      expect(await queue.jobs.get(id)).toMatchObject({ progress: STEP });
      run.preview(0, PREVIEW);
      events.push(await reader.next());
      finish(resultOf());
      events.push(...(await reader.rest()));
      expect(events).toMatchObject([
        { type: "waiting", position: 1 },
        { type: "running" },
        { type: "step", ...STEP },
        { type: "preview", picture: 0, image: PREVIEW },
        { type: "done", result: resultOf() },
      ]);
      const numbers = events.map((event) => event?.id ?? 0);
      expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
      expect(numbers[0]).toBeGreaterThan(0);
    });

    it("tell everyone who reads the same", async () => {
      const { id } = await queue.submit();
      const readers = [read(id), read(id)];
      for (const reader of readers) await reader.next();
      await queue.jobs.cancel(id);
      const [a, b] = await Promise.all(readers.map((reader) => reader.rest()));
      expect(a).toMatchObject([{ type: "cancelled" }]);
      expect(a).toEqual(b);
    });

    it("tell the new place when the queue moves", async () => {
      const [first = "", , third = ""] = await queue.submitMany(3);
      const reader = read(third);
      expect(await reader.next()).toMatchObject({ type: "waiting", position: 3 });
      await queue.jobs.cancel(first);
      expect(await reader.next()).toMatchObject({ type: "waiting", position: 2 });
    });

    it("give a late reader the last state first, not each step", async () => {
      const { id } = await queue.submit();
      const work = new HandWork();
      queue.jobs.work(work.handler, { slots: 1 });
      const { run } = await work.next();
      const early = read(id);
      for (const step of [1, 2, 3]) run.progress({ ...STEP, step });
      run.preview(0, PREVIEW);
      await early.until("preview");
      const late = read(id);
      expect([await late.next(), await late.next(), await late.next()]).toMatchObject([
        { type: "running" },
        { type: "step", step: 3 },
        { type: "preview", image: PREVIEW },
      ]);
    });

    it("go on after the last one that a reader had", async () => {
      const { id } = await queue.submit();
      const work = new HandWork();
      queue.jobs.work(work.handler, { slots: 1 });
      const { run, finish } = await work.next();
      const running = await read(id).until("running");
      const reader = read(id, running.id);
      run.progress(STEP);
      const step = await reader.next();
      expect(step).toMatchObject({ type: "step", step: 1 });
      run.progress({ ...STEP, step: 2 });
      expect(await read(id, step?.id).next()).toMatchObject({ type: "step", step: 2 });
      finish();
      expect((await reader.rest()).at(-1)).toMatchObject({ type: "done" });
    });

    it("of a final job are its end, and nothing for who has that", async () => {
      const { id } = await queue.submit();
      await queue.jobs.cancel(id);
      const events = await read(id).rest();
      expect(events).toMatchObject([{ type: "cancelled" }]);
      expect(await read(id, events[0]?.id).rest()).toEqual([]);
      await queue.reopen();
      expect(await read(id).rest()).toEqual(events);
      expect(await read(id, events[0]?.id).rest()).toEqual([]);
    });

    it("go on over a kill: numbers stay above those that were given", async () => {
      const { id } = await queue.submit();
      const work = new HandWork();
      queue.jobs.work(work.handler, { slots: 1 });
      const { run } = await work.next();
      const reader = read(id);
      for (let step = 0; step < 50; step++) run.progress({ ...STEP, step });
      let last = await reader.until("step");
      while (last.type === "step" && last.step < 49) last = await reader.until("step");
      await queue.killAndReopen();
      const again = read(id, last.id);
      expect(await again.next()).toMatchObject({ type: "waiting", position: 1 });
      const nextWork = new HandWork();
      queue.jobs.work(nextWork.handler, { slots: 1 });
      (await nextWork.next()).finish();
      expect((await again.rest()).at(-1)).toMatchObject({ type: "done" });
      const end = await read(id, last.id).rest();
      expect(end).toMatchObject([{ type: "done" }]);
      expect(end[0]?.id).toBeGreaterThan(last.id);
    });

    it("start from the beginning after a number that was never given", async () => {
      const { id } = await queue.submit();
      const reader = read(id, 1e12);
      expect(await reader.next()).toMatchObject({ type: "waiting" });
      await queue.jobs.cancel(id);
      expect(await read(id, 1e12).rest()).toMatchObject([{ type: "cancelled" }]);
    });

    it("end without a final event when the signal aborts, when the queue closes, and for an unknown job", async () => {
      const { id } = await queue.submit();
      const abort = new AbortController();
      const aborted = new Reader(queue.jobs.events(id, { signal: abort.signal }));
      const open = read(id);
      await aborted.next();
      await open.next();
      abort.abort();
      expect(await aborted.rest()).toEqual([]);
      expect(await new Reader(queue.jobs.events(id, { signal: AbortSignal.abort() })).rest()).toEqual([]);
      expect(await read("nobody").rest()).toEqual([]);
      const rest = open.rest();
      await queue.jobs.close();
      expect(await rest).toEqual([]);
    });

    it("reach a slow reader's end, though not with each step", async () => {
      const { id } = await queue.submit();
      const work = new HandWork();
      queue.jobs.work(work.handler, { slots: 1 });
      const { run, finish } = await work.next();
      const reader = read(id);
      await reader.until("running");
      for (let step = 0; step < 5000; step++) run.progress({ ...STEP, step });
      finish();
      await queue.ended(id);
      const events = await reader.rest();
      expect(events.at(-1)).toMatchObject({ type: "done" });
      expect(events.length).toBeLessThan(1000);
    });
  });
}
