import { describe, expect, it } from "vitest";
import type { LoadTask, Task } from "../../../src/runtime/transport.js";
import { NetworkWorkers } from "../../../src/runtime/wasm/network-workers.js";
import { type FakeAnswers, FakeThread } from "../fake-host.js";

const OPTIONS = { executionProviders: ["wasm"], graphOptimizationLevel: "extended", extra: {} } as const satisfies LoadTask["options"];

/** The task to load a network of so many MB. */
function network(megabytes: number): LoadTask {
  const mount = { path: "weight0", file: { id: "f" }, offset: 0, length: megabytes * 2 ** 20, from: "float16", to: "float16" } as const;
  return { kind: "load", model: Uint8Array.of(1), options: OPTIONS, preparations: [], endsAfterRun: false, mounts: [mount] };
}

/** Workers that are all alike, in the order in which they were started. */
function workersOf(answers: (worker: number) => FakeAnswers & { readonly runs?: () => void } = () => ({})) {
  const started: FakeThread[] = [];
  const workers = new NetworkWorkers(() => {
    const given = answers(started.length);
    const thread = new (class extends FakeThread {
      override async ask(task: Task) {
        if (task.kind === "run") given.runs?.();
        return super.ask(task);
      }
    })(given);
    started.push(thread);
    return thread;
  });
  const load = async (megabytes: number) => (await workers.ask(network(megabytes))).session as number;
  const run = (session: number) => workers.ask({ kind: "run", session, feeds: {}, lent: [] });
  const release = (session: number) => workers.ask({ kind: "release", session });
  return { started, workers, load, run, release };
}

const FULL = "std::bad_alloc";

describe("the workers of networks in WebAssembly", () => {
  it("share a worker if they are small", async () => {
    const { started, load, run } = workersOf();
    for (const session of [await load(100), await load(200)]) await run(session);
    expect(started.map(({ kinds }) => kinds)).toEqual([["load", "load", "run", "run"]]);
  });

  it("are each alone if they are large", async () => {
    const { started, load, run } = workersOf();
    for (const session of [await load(200), await load(1700), await load(200)]) await run(session);
    expect(started.map(({ kinds }) => kinds)).toEqual([
      ["load", "load", "run", "run"],
      ["load", "run"],
    ]);
  });

  it("end with their last network, which gives its memory back", async () => {
    const { started, load, release } = workersOf();
    const sessions = [await load(100), await load(100)];
    await release(sessions[0] as number);
    expect(started[0]?.hasEnded).toBe(false);
    await release(sessions[1] as number);
    expect(started[0]?.hasEnded).toBe(true);
    await load(100);
    expect(started).toHaveLength(2);
  });

  it("are kept without networks while their heap is small", async () => {
    const { started, load, release } = workersOf();
    for (let i = 0; i < 9; i++) await release(await load(100));
    expect(started).toHaveLength(1);
    expect(started[0]?.hasEnded).toBe(false);
  });

  it("end after each run of a network with large intermediate results, which is alone in its worker", async () => {
    const { started, workers, load, run } = workersOf();
    await load(100);
    const { session = 0 } = await workers.ask({ ...network(100), endsAfterRun: true });
    await load(100);
    for (let i = 0; i < 2; i++) await run(session);
    expect(started.map(({ kinds }) => kinds)).toEqual([
      ["load", "load"],
      ["load", "run"],
      ["load", "run"],
    ]);
    expect(started.map(({ hasEnded }) => hasEnded)).toEqual([false, true, true]);
  });

  it("all end with the engine, which takes no more tasks", async () => {
    const { started, workers, load, run } = workersOf();
    const session = await load(600);
    await load(700);
    await workers.stop();
    expect(started.map(({ hasEnded }) => hasEnded)).toEqual([true, true]);
    expect(workers.hasEnded).toBe(true);
    await expect(run(session)).rejects.toThrow("disposed");
  });

  it("say what to lower if memory is full while a network is loaded", async () => {
    const { load } = workersOf(() => ({ refuses: () => FULL }));
    await expect(load(4000)).rejects.toMatchObject({ name: "DeviceError", hint: expect.stringContaining("lowMemory") });
  });

  it("are replaced if memory is full in a run, and their networks are loaded again when they run", async () => {
    let isFull = true;
    const runs = () => {
      if (isFull) throw new Error(FULL);
    };
    const { started, load, run } = workersOf((worker) => (worker === 0 ? { runs } : {}));
    const [one, two] = [await load(100), await load(100)];
    await expect(run(two)).rejects.toMatchObject({ name: "DeviceError", message: expect.stringContaining("memory is full") });
    expect(started[0]?.hasEnded).toBe(true);
    isFull = false;
    await run(one);
    await run(two);
    expect(started[1]?.kinds).toEqual(["load", "run", "load", "run"]);
  });

  it("pass other errors on", async () => {
    const { load } = workersOf(() => ({ refuses: () => "no such operator" }));
    await expect(load(1)).rejects.toThrow(new Error("no such operator"));
  });

  it("refuse a session that was released", async () => {
    const { load, run, release } = workersOf();
    const session = await load(1);
    await release(session);
    await release(session);
    await expect(run(session)).rejects.toThrow(`session ${session} was released`);
  });
});
