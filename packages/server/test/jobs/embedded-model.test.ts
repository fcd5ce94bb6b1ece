import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { JobCrashed, JobFailed, type JobState } from "../../src/index.js";
import { EmbeddedStorage } from "./embedded-storage.js";
import { type HandRun, HandWork, NEW_JOB } from "./hand-work.js";

const SLOTS = 2;

interface ModelJob {
  readonly number: number;
  readonly owner: string;
  readonly key: string | undefined;
  state: JobState;
  crashes: number;
  /** It ran already, so it goes before all others. */
  isFront: boolean;
}

/** The queue in its simplest form. */
class Model {
  readonly jobs: ModelJob[] = [];
  /** Owners in the order of their last turns. */
  turns: string[] = [];

  in(state: JobState): ModelJob[] {
    return this.jobs.filter((job) => job.state === state);
  }

  submit(owner: string, key: string | undefined): ModelJob {
    const known = this.jobs.find((job) => key !== undefined && job.owner === owner && job.key === key);
    if (known) return known;
    const job: ModelJob = { number: this.jobs.length, owner, key, state: "waiting", crashes: 0, isFront: false };
    this.jobs.push(job);
    return job;
  }

  /** Starts jobs until the slots are full. */
  start(): ModelJob[] {
    const started: ModelJob[] = [];
    while (this.in("running").length < SLOTS) {
      const job = this.#next();
      if (job === undefined) break;
      job.state = "running";
      if (!job.isFront) this.turns = [...this.turns.filter((owner) => owner !== job.owner), job.owner];
      started.push(job);
    }
    return started;
  }

  back(job: ModelJob): void {
    job.state = "waiting";
    job.isFront = true;
  }

  crash(job: ModelJob): void {
    job.crashes++;
    if (job.crashes >= 2) job.state = "failed";
    else this.back(job);
  }

  /** The numbers of the waiting jobs in the order in which they would run. */
  order(): number[] {
    const copy = new Model();
    copy.jobs.push(...this.in("waiting").map((job) => ({ ...job })));
    copy.turns = this.turns;
    const order: number[] = [];
    for (let started = copy.start(); started.length > 0; started = copy.start()) {
      for (const job of started) {
        job.state = "done";
        order.push(job.number);
      }
    }
    return order;
  }

  #next(): ModelJob | undefined {
    const [front] = this.in("waiting").filter(({ isFront }) => isFront);
    if (front) return front;
    // The sort is stable: owners without a turn go by their oldest jobs.
    return this.in("waiting").sort((a, b) => this.turns.indexOf(a.owner) - this.turns.indexOf(b.owner))[0];
  }
}

/** `at` chooses a job, or one of those that run. */
type Command =
  | { readonly do: "submit"; readonly owner: string; readonly key: string | undefined }
  | { readonly do: "cancel" | "finish" | "fail" | "crash"; readonly at: number }
  | { readonly do: "new worker" }
  | { readonly do: "reopen" }
  | { readonly do: "kill" };

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant<"submit">("submit"),
      owner: fc.constantFrom("ann", "bob", "cat"),
      key: fc.option(fc.constantFrom("k", "l"), { nil: undefined }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant<"cancel">("cancel"), at: fc.nat(30) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom("finish", "fail", "crash"), at: fc.nat(SLOTS) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("new worker", "reopen", "kill") }) },
);

describe("the embedded queue", () => {
  it("does what a simple model does, in any sequence", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 40 }), async (commands) => {
        const storage = await EmbeddedStorage.make();
        try {
          await follow(commands, storage);
        } finally {
          await storage.dispose();
        }
      }),
      { numRuns: 60 },
    );
  });
});

async function follow(commands: readonly Command[], storage: EmbeddedStorage): Promise<void> {
  const model = new Model();
  const ids: string[] = [];
  const runs = new Map<number, HandRun>();
  let jobs = await storage.open();
  let work = new HandWork();
  const startWork = () => {
    work = new HandWork();
    runs.clear();
    return jobs.work(work.handler, { slots: SLOTS });
  };
  let worker = startWork();

  for (const step of commands) {
    if (step.do === "submit") {
      const expected = model.submit(step.owner, step.key);
      const { id } = await jobs.submit(NEW_JOB, { owner: step.owner, key: step.key });
      ids[expected.number] ??= id;
      expect(id).toBe(ids[expected.number]);
    } else if (step.do === "cancel") {
      const job = model.jobs[step.at];
      if (job) {
        if (job.state === "waiting" || job.state === "running") job.state = "cancelled";
        expect(await jobs.cancel(ids[job.number] ?? "")).toMatchObject({ state: job.state });
      }
    } else if (step.do === "new worker" || step.do === "reopen" || step.do === "kill") {
      if (step.do === "new worker") await worker.close();
      else {
        if (step.do === "reopen") await jobs.close();
        else await storage.kill();
        jobs = await storage.open();
      }
      for (const job of model.in("running")) {
        if (step.do === "kill") model.crash(job);
        else model.back(job);
      }
      worker = startWork();
    } else {
      const running = model.in("running");
      const job = running[step.at % Math.max(running.length, 1)];
      const run = job && runs.get(job.number);
      if (!job || !run) continue;
      if (step.do === "finish") {
        job.state = "done";
        run.finish();
      } else if (step.do === "fail") {
        job.state = "failed";
        run.fail(new JobFailed({ kind: "device", message: "no memory" }));
      } else {
        model.crash(job);
        run.fail(new JobCrashed("out of memory"));
      }
    }
    for (const job of model.start()) {
      const run = await work.next();
      expect(ids.indexOf(run.job.id)).toBe(job.number);
      expect(run.job.crashes).toBe(job.crashes);
      runs.set(job.number, run);
    }
    // What ended without a next job to start is on record soon.
    await new Promise(setImmediate);
    const list = (await jobs.list({ limit: 1000 })).toReversed();
    expect(list.map(({ state, crashes }) => ({ state, crashes }))).toEqual(model.jobs.map(({ state, crashes }) => ({ state, crashes })));
    const waiting = list.filter(({ state }) => state === "waiting").sort((a, b) => (a.position ?? 0) - (b.position ?? 0));
    expect(waiting.map(({ id }) => ids.indexOf(id))).toEqual(model.order());
    expect(work.unseen).toBe(0);
  }
}
