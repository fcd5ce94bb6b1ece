import { describe, expect, it } from "vitest";
import { serve, temporaryFolder } from "./darkroom-process.js";

/** A job of many steps. */
const LONG = { prompt: "a panda", numInferenceSteps: 900, numImagesPerPrompt: 100 };
const SHORT = { prompt: "a fox", numInferenceSteps: 2 };

type Server = Awaited<ReturnType<typeof serve>>;

async function state({ job }: Server, id: string, expected: string): Promise<void> {
  while ((await job(id)).state !== expected) await new Promise((resolve) => setTimeout(resolve, 20));
}

describe("darkroom serve, told to end", () => {
  it("finishes what runs, and leaves what waits to the next server", async () => {
    const folder = await temporaryFolder();
    const first = await serve(folder, ["--grace", "50"]);
    const running = await first.submit({ ...SHORT, numInferenceSteps: 100 });
    const waiting = await first.submit(SHORT);
    await state(first, running, "running");
    expect(await first.kill("SIGTERM")).toBe(0);
    const second = await serve(folder);
    expect((await second.job(running)).state).toBe("done");
    await state(second, waiting, "done");
  });

  it("hands back what does not end in time, which is no crash", async () => {
    const folder = await temporaryFolder();
    const first = await serve(folder, ["--grace", "0.2"]);
    const id = await first.submit(LONG);
    await state(first, id, "running");
    expect(await first.kill("SIGTERM")).toBe(0);
    const second = await serve(folder);
    await state(second, id, "running");
    expect((await second.job(id)).crashes).toBe(0);
    expect(await second.kill("SIGKILL")).toBe("SIGKILL");
  });

  it("ends at once when it is told twice", async () => {
    const folder = await temporaryFolder();
    const server = await serve(folder, ["--grace", "1000"]);
    const id = await server.submit(LONG);
    await state(server, id, "running");
    const ended = server.kill("SIGINT");
    await server.call("/ready").catch(() => undefined);
    while ((await server.call("/ready")).status !== 503);
    server.kill("SIGINT");
    expect(await ended).toBe("SIGINT");
  });
});

describe("darkroom serve, killed", () => {
  it("has lost nothing when it starts again: jobs that ran and waited are done, once each", async () => {
    const folder = await temporaryFolder();
    let server = await serve(folder, ["--slots", "2"]);
    const ids: string[] = [];
    for (let round = 0; round < 4; round++) {
      ids.push(...(await Promise.all(Array.from({ length: 6 }, () => server.submit({ ...SHORT, numInferenceSteps: 5 })))));
      // Each kill meets jobs in other moments of their lives; none is killed twice in the middle of a run, which would fail it.
      const [done = ""] = ids.slice(-6);
      await state(server, done, "done");
      await server.kill("SIGKILL");
      server = await serve(folder, ["--slots", "2"]);
    }
    const files = new Set<string>();
    for (const id of ids) {
      while (["waiting", "running"].includes((await server.job(id)).state)) await new Promise((resolve) => setTimeout(resolve, 50));
      const { state: end, result } = await server.job(id);
      expect(end).toBe("done");
      expect(result?.pictures).toHaveLength(1);
      const url = result?.pictures[0]?.url ?? "";
      files.add(url);
      expect((await fetch(new URL(new URL(url).pathname, server.address))).status).toBe(200);
    }
    expect(files.size).toBe(ids.length);
    expect((await server.call("/api/jobs?limit=1000")).body.jobs).toHaveLength(ids.length);
  }, 300_000);
});
