import { fork } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadImage, type Picture, readPictureSettings } from "darkroom";
import { generate } from "darkroom/generate";
import { afterAll, describe, expect, it, vi } from "vitest";
import type { Job, JobResult } from "../../src/jobs/job.js";
import { JobCancelled, JobCrashed, JobFailed, JobHandedBack } from "../../src/jobs/jobs.js";
import { offerOf } from "../../src/models/offer.js";
import type { ModelHandler } from "../../src/worker/supervisor.js";
import type { MemoryStore } from "../memory-store.js";
import { FakeRun, jobOf, longJob } from "./doubles.js";
import { child, createTestHandler, gone, handlerOf, isAlive, LOADER } from "./helpers.js";

async function picturesOf({ pictures }: JobResult, results: MemoryStore): Promise<Picture[]> {
  return Promise.all(pictures.map(async ({ hash }) => loadImage((await results.get(hash)) ?? new Uint8Array())));
}

async function failureOf(handler: ModelHandler, job: Job, run = new FakeRun()): Promise<unknown> {
  return handler(job, run).then(
    () => "it was done",
    (error: unknown) => error,
  );
}

function pidOf(handler: ModelHandler, slot = 0): number {
  return handler.status()[slot]?.pid ?? 0;
}

describe("a job in another process", () => {
  const { handler, results } = createTestHandler();
  afterAll(() => handler.close());

  it("makes the pictures that generate makes here, with steps, previews and settings", async () => {
    const request = { prompt: "a fox", seed: 7, numInferenceSteps: 4, numImagesPerPrompt: 2, negativePrompt: "a dog" };
    const run = new FakeRun();
    const result = await handler(jobOf(request, { previewEvery: 2 }), run);

    const expected = await generate({ ...request, device: "cpu" });
    expect((await picturesOf(result, results)).map(({ data }) => data)).toEqual(expected.pictures.map(({ image }) => image.data));
    expect(result.pictures.map(({ seed, type, width, height }) => ({ seed, type, width, height }))).toEqual([
      { seed: "7", type: "image/png", width: 128, height: 128 },
      { seed: "8", type: "image/png", width: 128, height: 128 },
    ]);
    expect(result.pictures.map(({ parameters }) => parameters)).toEqual(expected.pictures.map(({ text }) => text.parameters));
    expect(result.settings).toMatchObject({ model: "emoji-128", seeds: ["7", "8"], numInferenceSteps: 4, guidanceScale: 4, device: "cpu" });
    expect(JSON.parse(JSON.stringify(result))).toEqual(result);
    expect(run.steps.map(({ picture, step }) => `${picture}.${step}`)).toEqual(["0.1", "0.2", "0.3", "0.4", "1.1", "1.2", "1.3", "1.4"]);
    expect(run.steps[0]).toEqual({ picture: 0, pictures: 2, step: 1, steps: 4 });
    expect(run.previews.map(({ picture, image }) => `${picture} ${image.type}`)).toEqual(["0 image/jpeg", "1 image/jpeg"]);
  });

  it("finds its model open if the job before it had the same", async () => {
    const [first, second] = [await handler(jobOf(), new FakeRun()), await handler(jobOf(), new FakeRun())];
    expect(second.seconds.load).toBe(0);
    expect(second.pictures[0]?.hash).toBe(first.pictures[0]?.hash);
    expect(second.pictures[0]?.id).not.toBe(first.pictures[0]?.id);
  });

  it("encodes the pictures as it is told, with the settings in the file", async () => {
    const { pictures } = await handler(jobOf({}, { output: { format: "webp", quality: 40 } }), new FakeRun());
    expect(pictures[0]?.type).toBe("image/webp");
    const file = (await results.get(pictures[0]?.hash ?? "")) ?? new Uint8Array();
    expect((await readPictureSettings(file))?.prompt).toBe("a fox");
  });

  it("brings its warnings", async () => {
    const { warnings } = await handler(jobOf({ prompt: "a fox and a dog ".repeat(40) }), new FakeRun());
    expect(warnings).toEqual([expect.stringContaining("the prompt is longer than 32 tokens")]);
  });

  it.each([
    [{ width: 63 }, "emoji-128", { kind: "argument", argument: "width" }],
    [{ scheduler: "eulr" }, "emoji-128", { kind: "argument", argument: "scheduler" }],
    [{ model: "/etc" }, "emoji-128", { kind: "argument", argument: "model" }],
    [{}, "dog", { kind: "argument", argument: "model" }],
  ])("that makes no sense fails with the argument: %o of %s", async (request, model, error) => {
    expect(await failureOf(handler, jobOf(request, { model }))).toMatchObject({ name: "JobFailed", error });
  });

  it("stops at a step when it is cancelled, and its process does the next one", async () => {
    const run = new FakeRun();
    const stored = results.files.size;
    const failure = failureOf(handler, longJob(), run);
    await run.step();
    const pid = pidOf(handler);
    const reason = new JobCancelled("not wanted");
    run.controller.abort(reason);
    expect(await failure).toBe(reason);
    expect(run.steps.length).toBeLessThan(900);
    expect(results.files.size).toBe(stored);
    await handler(jobOf(), new FakeRun());
    expect(pidOf(handler)).toBe(pid);
  });
});

describe("a job that is cancelled", () => {
  it("while its process does not listen is ended with the process", async () => {
    const { handler } = handlerOf({ entry: child("deaf"), killAfter: 1 });
    const run = new FakeRun();
    const failure = failureOf(handler, jobOf(), run);
    await run.step();
    const pid = pidOf(handler);
    const reason = new JobHandedBack("the server closes");
    run.controller.abort(reason);
    expect(await failure).toBe(reason);
    await gone(pid);
    expect(handler.status()[0]).toMatchObject({ state: "empty", crashes: 0 });
  });

  it("before it starts costs nothing", async () => {
    const { handler } = handlerOf();
    const run = new FakeRun();
    run.controller.abort(new JobCancelled("not wanted"));
    expect(await failureOf(handler, jobOf(), run)).toBeInstanceOf(JobCancelled);
    expect(handler.status()[0]?.state).toBe("empty");
  });

  it("while it waits for a slot leaves the queue of slots", async () => {
    const { handler } = handlerOf({ entry: child("deaf"), killAfter: 1 });
    const [first, second] = [new FakeRun(), new FakeRun()];
    const running = failureOf(handler, jobOf(), first);
    await first.step();
    const waiting = failureOf(handler, jobOf(), second);
    second.controller.abort(new JobCancelled("not wanted"));
    expect(await waiting).toBeInstanceOf(JobCancelled);
    first.controller.abort(new JobCancelled("not wanted"));
    await running;
  });
});

describe("a process that ends in the middle of a job", () => {
  it("makes the job a crash that says how far it was and how much memory it had; the next job gets another process", async () => {
    const { handler, results } = handlerOf();
    const run = new FakeRun();
    const failure = failureOf(handler, longJob(), run);
    await run.step();
    process.kill(pidOf(handler), "SIGKILL");
    const error = await failure;
    expect(error).toBeInstanceOf(JobCrashed);
    expect(String(error)).toMatch(/in step \d+ of 900 of picture 1: it was killed \(SIGKILL\).*; it had \d+ MiB of memory/);
    expect(handler.status()[0]).toMatchObject({ state: "empty", crashes: 1 });
    expect((await picturesOf(await handler(jobOf(), new FakeRun()), results)).length).toBe(1);
  });

  it("leaves no temporary file behind, even with weights that were converted for it", async () => {
    const folder = await mkdtemp(join(tmpdir(), "darkroom-left-"));
    vi.stubEnv("TMPDIR", folder);
    const { handler } = handlerOf({ offer: offerOf({ runtime: { device: "cpu", precision: "fast" } }) });
    const run = new FakeRun();
    const failure = failureOf(handler, longJob(), run);
    await run.step();
    process.kill(pidOf(handler), "SIGKILL");
    await failure;
    vi.unstubAllEnvs();
    // The loader of the sources has a cache there.
    expect((await readdir(folder)).filter((name) => !name.startsWith("tsx"))).toEqual([]);
    await rm(folder, { recursive: true });
  });

  it("by an abort in native code leaves this one alone", async () => {
    const { handler } = handlerOf({ entry: child("poisoned") });
    expect(await failureOf(handler, jobOf({ prompt: "poison" }))).toBeInstanceOf(JobCrashed);
    expect((await handler(jobOf(), new FakeRun())).pictures.length).toBe(1);
    expect(handler.status()[0]).toMatchObject({ state: "idle", crashes: 1 });
  });

  it("between two jobs is replaced", async () => {
    const { handler } = handlerOf();
    await handler(jobOf(), new FakeRun());
    const pid = pidOf(handler);
    process.kill(pid, "SIGKILL");
    await gone(pid);
    await handler(jobOf(), new FakeRun());
    expect(pidOf(handler)).not.toBe(pid);
  });
});

describe("a process that ends before it is ready", () => {
  it("is started again a few times, then the job fails and says why", async () => {
    const { handler, log } = handlerOf({ entry: child("broken") });
    const error = await failureOf(handler, jobOf());
    expect(error).toBeInstanceOf(JobFailed);
    expect(error).toMatchObject({
      error: { kind: "internal", message: expect.stringContaining("3 times one after another; it ended before it was ready: exit code 3") },
    });
    expect(handler.status()[0]).toMatchObject({ state: "empty", crashes: 3 });
    expect(log.join("")).toContain("a library is missing");
  });

  it("is killed if it is not ready in time", async () => {
    const { handler } = handlerOf({ entry: child("silent"), startTimeout: 1 });
    expect(String(await failureOf(handler, jobOf()))).toContain("it was not ready after 0.001 seconds");
  });

  it("since it is of another version is not used", async () => {
    const { handler } = handlerOf({ entry: child("other-version") });
    expect(String(await failureOf(handler, jobOf()))).toContain("restart the server");
  });

  it("keeps no cancelled job waiting", async () => {
    const { handler } = handlerOf({ entry: child("broken"), backoff: { first: 1e6, longest: 1e6 } });
    const run = new FakeRun();
    const failure = failureOf(handler, jobOf(), run);
    run.controller.abort(new JobCancelled("not wanted"));
    expect(await failure).toBeInstanceOf(JobCancelled);
  });
});

describe("a process whose device failed", () => {
  it("fails the job and is replaced (AUTOMATIC1111 #10656, #13871: stuck after out of memory)", async () => {
    const { handler } = handlerOf({ entry: child("fake") });
    await handler(jobOf(), new FakeRun());
    const pid = pidOf(handler);
    const error = { kind: "device", message: "the GPU was lost" };
    expect(await failureOf(handler, jobOf({ prompt: "break the device" }))).toMatchObject({ name: "JobFailed", error });
    expect(handler.status()[0]).toMatchObject({ state: "empty", recycled: 1, crashes: 0 });
    await handler(jobOf(), new FakeRun());
    expect(pidOf(handler)).not.toBe(pid);
  });
});

describe("memory", () => {
  it("above the limit replaces the process after the job (AUTOMATIC1111 #7262: memory climbs)", async () => {
    const { handler } = handlerOf({ recycleAbove: 1 });
    const run = new FakeRun();
    const done = handler(jobOf(), run);
    await run.step();
    const pid = pidOf(handler);
    await done;
    expect(handler.status()[0]).toMatchObject({ state: "empty", recycled: 1, crashes: 0 });
    await handler(jobOf(), new FakeRun());
    expect(isAlive(pid)).toBe(false);
    expect(handler.status()[0]?.recycled).toBe(2);
  });

  it("above the budget closes the model that was used before", async () => {
    const mini = fileURLToPath(new URL("../../../../test/checkpoints/sd1-mini", import.meta.url));
    const models = [...offerOf({}).models, { name: "mini", source: mini }];
    const { handler } = handlerOf({ offer: offerOf({ models, runtime: { device: "cpu" } }), memoryBudget: 1 });
    for (const model of ["emoji-128", "mini"]) {
      await handler(jobOf({}, { model }), new FakeRun());
      expect(handler.status()[0]?.models).toEqual([model]);
    }
  });
});

describe("slots", () => {
  it("do two jobs at once", async () => {
    const { handler } = handlerOf({ slots: 2 });
    const runs = [new FakeRun(), new FakeRun()];
    const steps = runs.map((run) => run.step());
    const failures = runs.map((run) => failureOf(handler, longJob(), run));
    await Promise.all(steps);
    expect(handler.status().map(({ state }) => state)).toEqual(["busy", "busy"]);
    for (const run of runs) run.controller.abort(new JobCancelled("not wanted"));
    await Promise.all(failures);
    const pids = [0, 1].map((slot) => pidOf(handler, slot));
    await handler.close();
    expect(pids.filter(isAlive)).toEqual([]);
  });

  it("get the jobs for the model that they have open, and models are spread over them", async () => {
    const { handler } = handlerOf({ entry: child("fake"), slots: 2 });
    for (const model of ["a", "b", "b", "a", "a"]) await handler(jobOf({}, { model }), new FakeRun());
    expect(handler.status().map(({ models }) => models)).toEqual([["a"], ["b"]]);
  });

  it("are handed back with their jobs when the handler closes", async () => {
    const { handler } = handlerOf();
    const [first, second] = [new FakeRun(), new FakeRun()];
    const failures = [failureOf(handler, longJob(), first), failureOf(handler, jobOf(), second)];
    await first.step();
    const pid = pidOf(handler);
    await handler.close();
    for (const failure of failures) expect(await failure).toBeInstanceOf(JobHandedBack);
    expect(isAlive(pid)).toBe(false);
    expect(await failureOf(handler, jobOf())).toBeInstanceOf(JobHandedBack);
  });

  it("leave no process alive when the server is killed", async () => {
    const parent = fork(child("parent"), [], { execArgv: LOADER });
    const pid = await new Promise<number>((resolve) => parent.once("message", (message) => resolve(Number(message))));
    expect(isAlive(pid)).toBe(true);
    parent.kill("SIGKILL");
    await gone(pid);
  });
});
