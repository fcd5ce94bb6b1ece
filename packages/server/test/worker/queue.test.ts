import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openEmbeddedJobs } from "../../src/jobs/embedded/embedded-jobs.js";
import type { Job, JobEvent } from "../../src/jobs/job.js";
import type { Jobs } from "../../src/jobs/jobs.js";
import { jobOf, longJob } from "./doubles.js";
import { child, createTestHandler } from "./helpers.js";

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

  it("cancels a job that runs, and does the next one in the same process", async () => {
    const pid = handler.status()[0]?.pid;
    const id = await submit(longJob());
    for await (const { type } of jobs.events(id)) {
      if (type === "step") await jobs.cancel(id);
    }
    expect((await jobs.get(id))?.state).toBe("cancelled");
    expect((await eventsOf(await submit(jobOf()))).at(-1)?.type).toBe("done");
    expect(handler.status()[0]?.pid).toBe(pid);
  });

  it("fails a job that ended two processes, and goes on", async () => {
    const id = await submit(jobOf({ prompt: "poison" }));
    const next = await submit(jobOf());
    await eventsOf(id);
    expect(await jobs.get(id)).toMatchObject({ state: "failed", crashes: 2, error: { kind: "crashed" } });
    expect((await eventsOf(next)).at(-1)?.type).toBe("done");
  });
});
