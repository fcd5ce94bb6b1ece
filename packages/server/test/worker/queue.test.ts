import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { openEmbeddedJobs } from "../../src/jobs/embedded/embedded-jobs.js";
import type { Job, JobEvent } from "../../src/jobs/job.js";
import type { Jobs } from "../../src/jobs/jobs.js";
import { jobOf, longJob } from "./doubles.js";
import { child, createTestHandler, handlerOf } from "./helpers.js";

describe("a queue whose jobs run in a process of models", () => {
  const { handler, results } = createTestHandler({ entry: child("poisoned") });
  let jobs: Jobs;

  beforeAll(async () => {
    jobs = await openEmbeddedJobs(":memory:");
    jobs.work(handler, { slots: 1 });
  });

  afterAll(async () => {
    await jobs.close();
    await handler.close();
  });

  async function submit({ door, model, request, output }: Job, previewEvery = 0): Promise<string> {
    return (await jobs.submit({ door, model, request, output, previewEvery }, { owner: "me" })).id;
  }

  async function eventsOf(id: string): Promise<JobEvent[]> {
    const events: JobEvent[] = [];
    for await (const event of jobs.events(id)) events.push(event);
    return events;
  }

  it("does a job: its steps and previews are events, its pictures are in the store", async () => {
    const id = await submit(jobOf(), 2);
    const types = (await eventsOf(id)).map(({ type }) => type);
    expect(types).toContain("step");
    expect(types).toContain("preview");
    expect(types.at(-1)).toBe("done");
    const [picture] = (await jobs.get(id))?.result?.pictures ?? [];
    expect(await jobs.picture(picture?.id ?? "")).toEqual(picture);
    expect(await results.get(picture?.hash ?? "")).toHaveLength(picture?.bytes ?? 0);
  });

  it("cancels a job at any moment, and does the next one in the same process (stable-diffusion.cpp #1682)", async () => {
    const pid = handler.status()[0]?.pid;
    for (const moment of ["waiting", "running", 1, 2, 3]) {
      const id = await submit(longJob());
      for await (const event of jobs.events(id)) {
        if (event.type === moment || (event.type === "step" && event.step >= Number(moment))) await jobs.cancel(id);
      }
      expect((await jobs.get(id))?.state).toBe("cancelled");
    }
    expect((await eventsOf(await submit(jobOf()))).at(-1)?.type).toBe("done");
    expect(handler.status()[0]?.pid).toBe(pid);
  });

  it("fails a job that ended two processes, and goes on (InvokeAI #4753)", async () => {
    const id = await submit(jobOf({ prompt: "poison" }));
    const next = await submit(jobOf());
    await eventsOf(id);
    expect(await jobs.get(id)).toMatchObject({ state: "failed", crashes: 2, error: { kind: "crashed" } });
    expect((await eventsOf(next)).at(-1)?.type).toBe("done");
  });
});

it("a job that takes all memory fails, and the next ones are done (AUTOMATIC1111 #10656, #13871)", async () => {
  vi.stubEnv("NODE_OPTIONS", "--max-old-space-size=64");
  onTestFinished(() => void vi.unstubAllEnvs());
  const { handler, log } = handlerOf({ entry: child("hungry") });
  const jobs = await openEmbeddedJobs(":memory:");
  onTestFinished(() => jobs.close());
  jobs.work(handler, { slots: 1 });
  const submit = async (prompt: string) => {
    const { door, model, request, output } = jobOf({ prompt });
    return (await jobs.submit({ door, model, request, output, previewEvery: 0 }, { owner: "me" })).id;
  };
  const ids = [await submit("a fox"), await submit("hungry"), await submit("a panda"), await submit("a cat")];
  const ends: (string | undefined)[] = [];
  for (const id of ids) {
    for await (const _ of jobs.events(id));
    ends.push((await jobs.get(id))?.state);
  }
  expect(ends).toEqual(["done", "failed", "done", "done"]);
  expect(await jobs.get(ids[1] ?? "")).toMatchObject({ crashes: 2, error: { kind: "crashed" } });
  expect(log.join("")).toContain("heap out of memory");
});
