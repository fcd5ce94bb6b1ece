import { describe, expect, it } from "vitest";
import type { JobEvent } from "../../src/api/types.js";
import { applyEvent, applyListed, type LiveJob } from "../../src/logic/live-job.js";
import { doneJob, job } from "./samples.js";

const step = (done: number): JobEvent => ({ type: "step", picture: 0, pictures: 1, step: done, steps: 10 });
const preview: JobEvent = { type: "preview", picture: 0, image: { type: "image/jpeg", base64: "AAAA" } };

function after(events: readonly JobEvent[], from: LiveJob = { job: job() }): LiveJob {
  return events.reduce((live, event, i) => applyEvent(live, event, 1_000 * (i + 1)), from);
}

describe("a job that is followed", () => {
  it("goes from the queue through its steps to its pictures", () => {
    const waiting = after([{ type: "waiting", position: 3 }]);
    expect(waiting.job).toMatchObject({ state: "waiting", position: 3 });
    const running = after([{ type: "running" }, step(1), preview, step(2)], waiting);
    expect(running.job).toMatchObject({ state: "running", position: 0, progress: { step: 2, steps: 10 } });
    expect(running.preview).toBe("data:image/jpeg;base64,AAAA");
    expect(running.pace).toEqual({ first: { at: 2_000, done: 1 }, last: { at: 4_000, done: 2 } });
    const { result } = doneJob();
    if (!result) throw new Error("the sample has a result");
    expect(after([{ type: "done", result }], running)).toEqual({
      job: expect.objectContaining({ state: "done", position: undefined, result, endedAt: 1_000 }),
    });
  });

  it("ends with its error, or cancelled", () => {
    const error = { kind: "device", message: "out of memory" };
    expect(after([{ type: "running" }, { type: "failed", error }]).job).toMatchObject({ state: "failed", error });
    expect(after([{ type: "running" }, { type: "cancelled" }]).job.state).toBe("cancelled");
  });

  it("forgets its steps and its preview when it waits again, as after a restart of the server", () => {
    const again = after([{ type: "running" }, step(5), preview, { type: "waiting", position: 1 }]);
    expect(again.job).toMatchObject({ state: "waiting", progress: undefined });
    expect(again.preview).toBeUndefined();
    expect(again.pace).toBeUndefined();
  });

  it("runs, by its first step, even if the event before was missed", () => {
    expect(after([step(1)]).job).toMatchObject({ state: "running", position: 0 });
  });
});

describe("a job in a list", () => {
  const progress = (done: number) => ({ picture: 0, pictures: 1, step: done, steps: 10 });

  it("moves an old one on, and keeps its preview", () => {
    const known = after([{ type: "running" }, step(2), preview]);
    const listed = applyListed(known, job({ state: "running", position: 0, progress: progress(4) }), 9_000);
    expect(listed.job.progress?.step).toBe(4);
    expect(listed.preview).toBe(known.preview);
    expect(listed.pace?.last).toEqual({ at: 9_000, done: 4 });
  });

  it("does not take steps back that were heard of meanwhile", () => {
    const known = after([{ type: "running" }, step(6)]);
    expect(applyListed(known, job({ state: "running", position: 0, progress: progress(4) }), 9_000).job.progress?.step).toBe(6);
    expect(applyListed(known, job({ state: "running", position: 0 }), 9_000).job.progress?.step).toBe(6);
  });

  it("is taken as it is when it is new or in another state", () => {
    const running = job({ state: "running", position: 0, progress: progress(4) });
    expect(applyListed(undefined, running, 0)).toEqual({ job: running });
    expect(applyListed({ job: job() }, running, 0)).toEqual({ job: running });
  });
});
