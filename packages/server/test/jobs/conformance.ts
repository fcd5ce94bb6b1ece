import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Job, JobEvent, Jobs, JobsOptions, NewJob } from "../../src/index.js";
import { cancelTests } from "./conformance-cancel.js";
import { eventTests } from "./conformance-events.js";
import { retentionTests } from "./conformance-retention.js";
import { submitTests } from "./conformance-submit.js";
import { workTests } from "./conformance-work.js";
import { NEW_JOB } from "./hand-work.js";

/** The storage of one queue: a file, a server's database. */
export interface JobsStorage {
  /** Opens the queue as it was left. One at a time is open. */
  open(options?: JobsOptions): Promise<Jobs>;
  /**
   * Takes the storage away from the open queue in the middle of whatever it does, as `kill -9` of its process would. `open` then finds what
   * was on record.
   */
  kill(): Promise<void>;
  /** Removes the storage. */
  dispose(): Promise<void>;
}

/** What every implementation of `Jobs` must do. */
export function testJobs(name: string, makeStorage: () => Promise<JobsStorage>): void {
  describe(name, () => {
    const queue = new TestQueue();
    beforeEach(async () => queue.start(await makeStorage()));
    afterEach(() => queue.end());
    submitTests(queue);
    workTests(queue);
    cancelTests(queue);
    eventTests(queue);
    retentionTests(queue);
    it("refuses every call when it is closed", async () => {
      const { jobs } = queue;
      await jobs.close();
      await jobs.close();
      await expect(jobs.submit(NEW_JOB, { owner: "ann" })).rejects.toMatchObject({ name: "QueueClosedError" });
      await expect(jobs.get("x")).rejects.toMatchObject({ name: "QueueClosedError" });
    });
  });
}

/** The queue of one test. */
export class TestQueue {
  #storage: JobsStorage | undefined;
  #jobs: Jobs | undefined;
  readonly errors: unknown[] = [];

  get jobs(): Jobs {
    if (this.#jobs === undefined) throw new Error("the queue is not open");
    return this.#jobs;
  }

  async start(storage: JobsStorage): Promise<void> {
    this.#storage = storage;
    this.errors.length = 0;
    await this.#open({});
  }

  async end(): Promise<void> {
    await this.#jobs?.close();
    await this.#storage?.dispose();
  }

  submit(job: Partial<NewJob> = {}, owner = "ann", key?: string): Promise<Job> {
    return this.jobs.submit({ ...NEW_JOB, ...job }, { owner, key });
  }

  async submitMany(count: number, owner = "ann"): Promise<string[]> {
    const ids: string[] = [];
    for (let i = 0; i < count; i++) ids.push((await this.submit({}, owner)).id);
    return ids;
  }

  async state(id: string): Promise<string | undefined> {
    return (await this.jobs.get(id))?.state;
  }

  /** Resolves with the final event. */
  async ended(id: string): Promise<JobEvent> {
    let last: JobEvent | undefined;
    for await (const event of this.jobs.events(id)) last = event;
    if (last === undefined) throw new Error(`job ${id} has no events`);
    return last;
  }

  /** Closes the queue in good order and opens it again. */
  async reopen(options: JobsOptions = {}): Promise<void> {
    await this.jobs.close();
    await this.#open(options);
  }

  /** Ends the queue as `kill -9` would and opens it again. */
  async killAndReopen(options: JobsOptions = {}): Promise<void> {
    await this.#storage?.kill();
    await this.#open(options);
  }

  async #open(options: JobsOptions): Promise<void> {
    this.#jobs = await this.#storage?.open({ onError: (error) => this.errors.push(error), ...options });
  }
}
