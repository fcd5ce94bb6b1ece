import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { type JobEvent, type Jobs, openRedisJobs } from "../../src/index.js";
import { NEW_JOB } from "./hand-work.js";
import { HAS_REDIS, RedisServer } from "./redis-server.js";
import { LEASE } from "./redis-storage.js";

const PROGRAM = fileURLToPath(new URL("redis-program.ts", import.meta.url));

/** A worker in a process of its own: see redis-program.ts. */
class WorkerProcess {
  readonly lines: string[] = [];
  readonly #child: ChildProcess;
  readonly ended: Promise<unknown>;

  constructor(address: string, prefix: string) {
    const child = spawn(process.execPath, ["--import", "tsx", PROGRAM, address, prefix], { stdio: ["ignore", "pipe", "inherit"] });
    createInterface(child.stdout).on("line", (line) => this.lines.push(line));
    this.#child = child;
    this.ended = once(child, "close");
  }

  async line(start: string): Promise<void> {
    await vi.waitFor(() => expect(this.lines.some((line) => line.startsWith(start))).toBe(true), { timeout: 50_000 });
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    this.#child.kill(signal);
    await this.ended;
  }
}

describe.skipIf(!HAS_REDIS)("workers in processes of their own", () => {
  let server: RedisServer;
  let jobs: Jobs;
  let prefix: string;
  let workers: WorkerProcess[];
  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server.dispose());
  beforeEach(async () => {
    prefix = randomUUID();
    workers = [];
    jobs = await openRedisJobs(server.address, { prefix, ...LEASE, onError: () => {} });
  });
  afterEach(async () => {
    await Promise.all(workers.map((worker) => worker.kill()));
    await jobs.close();
  });

  async function worker(): Promise<WorkerProcess> {
    const started = new WorkerProcess(server.address, prefix);
    workers.push(started);
    await started.line("open");
    return started;
  }

  async function submit(prompt: string): Promise<string> {
    return (await jobs.submit({ ...NEW_JOB, request: { prompt } }, { owner: "ann" })).id;
  }

  async function ended(id: string): Promise<JobEvent[]> {
    const events: JobEvent[] = [];
    for await (const event of jobs.events(id)) events.push(event);
    return events;
  }

  it("finish what one of them was killed in the middle of", async () => {
    const first = await worker();
    const id = await submit("long at first");
    const events = ended(id);
    await first.line(`started ${id} 0`);
    const second = await worker();
    await first.kill();
    await second.line(`started ${id} 1`);
    const told = await events;
    expect(told.at(-1)).toMatchObject({ type: "done" });
    const numbers = told.map((event) => event.id);
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
    expect(await jobs.get(id)).toMatchObject({ state: "done", crashes: 1 });
  });

  it("tell their progress, and stop when a job is cancelled elsewhere", async () => {
    const one = await worker();
    const id = await submit("long");
    const next = await submit("a panda");
    const types: string[] = [];
    for await (const event of jobs.events(id)) {
      types.push(event.type);
      if (event.type === "step") expect(await jobs.cancel(id)).toMatchObject({ state: "cancelled", crashes: 0 });
    }
    expect(types.at(-1)).toBe("cancelled");
    await one.line(`started ${next} 0`);
    expect((await ended(next)).at(-1)).toMatchObject({ type: "done" });
  });

  it("fail a job that killed two of them, and go on with the next", async () => {
    const [first, second] = [await worker(), await worker()];
    const id = await submit("poison");
    const next = await submit("a panda");
    expect((await ended(id)).at(-1)).toMatchObject({ type: "failed", error: { kind: "crashed" } });
    expect(await jobs.get(id)).toMatchObject({ state: "failed", crashes: 2 });
    await Promise.all([first.ended, second.ended]);
    await worker();
    expect((await ended(next)).at(-1)).toMatchObject({ type: "done" });
  });

  it("hand a job back when they are told to end", async () => {
    const first = await worker();
    const id = await submit("long");
    await first.line(`started ${id} 0`);
    await first.kill("SIGTERM");
    expect(first.lines).toContain("closed");
    expect(await jobs.get(id)).toMatchObject({ state: "waiting", crashes: 0 });
    await (await worker()).line(`started ${id} 0`);
  });

  it("lose nothing when Redis is killed and started again", async () => {
    const one = await worker();
    const running = await submit("long");
    const waiting = [await submit("a panda"), await submit("a fox")];
    const events = ended(running);
    await one.line(`started ${running} 0`);
    await server.kill();
    await server.start();
    expect(await jobs.cancel(running)).toMatchObject({ state: "cancelled" });
    expect((await events).at(-1)).toMatchObject({ type: "cancelled" });
    for (const id of waiting) expect((await ended(id)).at(-1)).toMatchObject({ type: "done" });
    const later = await submit("a panda");
    expect((await ended(later)).at(-1)).toMatchObject({ type: "done" });
  });
});
