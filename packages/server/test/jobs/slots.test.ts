import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Job } from "../../src/index.js";
import { type SlotQueue, Slots } from "../../src/jobs/embedded/slots.js";
import type { RunEnd } from "../../src/jobs/run-job-handler.js";
import { HandWork, NEW_JOB } from "./hand-work.js";

const JOB: Job = {
  ...NEW_JOB,
  ...{ id: "1", owner: "ann", state: "running", position: 0, createdAt: 0, startedAt: 0, endedAt: undefined },
  ...{ progress: undefined, crashes: 0, result: undefined, error: undefined },
};

/** A queue with one job, on a disk that can be full. */
class FullDisk implements SlotQueue {
  isFull = true;
  readonly waiting = [JOB];
  readonly ends: RunEnd[] = [];
  readonly errors: unknown[] = [];

  take(): Job | undefined {
    this.#write();
    return this.waiting.shift();
  }

  end(_id: string, end: RunEnd): void {
    this.#write();
    this.ends.push(end);
  }

  progress(): void {}
  preview(): void {}
  onError(error: unknown): void {
    this.errors.push(error);
  }

  #write(): void {
    if (this.isFull) throw new Error("the disk is full");
  }
}

describe("slots, on a full disk", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "setImmediate"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("tell the server, and take jobs when there is room again", async () => {
    const queue = new FullDisk();
    const work = new HandWork();
    const slots = new Slots(queue, work.handler, { slots: 1 }, () => {});
    slots.wake();
    await vi.advanceTimersByTimeAsync(10);
    expect(queue.errors).toMatchObject([{ message: "the disk is full" }]);
    queue.isFull = false;
    await vi.advanceTimersByTimeAsync(2000);
    expect((await work.next()).job.id).toBe("1");
  });

  it("keep a run's end until it is on record, and the slot until then", async () => {
    const queue = new FullDisk();
    const work = new HandWork();
    const slots = new Slots(queue, work.handler, { slots: 1 }, () => {});
    queue.isFull = false;
    queue.waiting.push({ ...JOB, id: "2" });
    slots.wake();
    await vi.advanceTimersByTimeAsync(10);
    const run = await work.next();
    queue.isFull = true;
    run.finish();
    await vi.advanceTimersByTimeAsync(2500);
    expect(queue.errors).toHaveLength(3);
    expect([queue.ends, work.unseen]).toEqual([[], 0]);
    queue.isFull = false;
    await vi.advanceTimersByTimeAsync(2000);
    expect(queue.ends).toMatchObject([{ state: "done" }]);
    expect((await work.next()).job.id).toBe("2");
  });

  it("can be closed: the run stays as it is on record", async () => {
    const queue = new FullDisk();
    queue.isFull = false;
    const work = new HandWork();
    const slots = new Slots(queue, work.handler, { slots: 1 }, () => {});
    slots.wake();
    await vi.advanceTimersByTimeAsync(10);
    const { run } = await work.next();
    queue.isFull = true;
    await slots.close();
    expect(run.signal.aborted).toBe(true);
    expect(queue.ends).toEqual([]);
  });
});
