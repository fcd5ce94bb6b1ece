import { beforeEach, describe, expect, it } from "vitest";
import type { OnnxRuntime } from "../../src/runtime/onnx-runtime.js";
import { ThreadSessions } from "../../src/runtime/thread-sessions.js";
import type { LoadTask, NamedData, PreparationTask, SessionOptions } from "../../src/runtime/transport.js";
import { Tensor } from "../../src/tensor/tensor.js";

const OPTIONS: SessionOptions = { executionProviders: ["cpu"], graphOptimizationLevel: "extended", extra: {} };

/** Models by their only byte. */
const NETWORK = 1;
const PREPARATION = 2;
const BROKEN = 3;

/** What the runtime was asked, in order. */
let log: string[];
/** Whether files can be removed. */
let removes: boolean;

/** A runtime whose sessions return their feeds, and fill places with 7. */
const runtime: OnnxRuntime = {
  createSession: async ([model]) => {
    if (model === BROKEN) throw new Error("no such operator");
    log.push(`create ${model}`);
    return {
      run: async (feeds, places) => {
        log.push(`run ${model}`);
        for (const { data } of Object.values(places ?? {})) (data as Float32Array).fill(7);
        return places ?? feeds;
      },
      release: async () => {
        log.push(`release ${model}`);
      },
    };
  },
  scratch: {
    write: ({ id }, ports) => log.push(`write ${ports.map(({ name }) => name)} to ${id}`),
    remove: ({ id }) => {
      log.push(`remove ${id}`);
      return removes;
    },
    removeStale: ({ id }) => log.push(`remove old files beside ${id}`),
  },
};

const load = (model: number, given: Partial<LoadTask> = {}): LoadTask => ({
  kind: "load",
  model: Uint8Array.of(model),
  options: OPTIONS,
  preparations: [],
  endsAfterRun: false,
  ...given,
});
const preparation = (given: Partial<PreparationTask> = {}): PreparationTask => ({
  model: Uint8Array.of(PREPARATION),
  options: OPTIONS,
  outputs: [{ name: "w", dtype: "float32", shape: [2] }],
  ...given,
});
const run = (session: number, feeds: NamedData = {}, lent: readonly string[] = []) => ({ kind: "run", session, feeds, lent }) as const;

let sessions: ThreadSessions;
beforeEach(() => {
  log = [];
  removes = true;
  sessions = new ThreadSessions(runtime);
});

async function loaded(task: LoadTask): Promise<number> {
  return (await sessions.answer(task)).session as number;
}

describe("a session in the thread", () => {
  it("runs until it is released", async () => {
    const session = await loaded(load(NETWORK));
    const { outputs } = await sessions.answer(run(session, { x: Tensor.from([1, 2]) }));
    expect(outputs?.x?.data).toEqual(Float32Array.of(1, 2));
    await sessions.answer({ kind: "release", session });
    await expect(sessions.answer(run(session))).rejects.toThrow(`session ${session} was released`);
    expect(log).toEqual(["create 1", "run 1", "release 1"]);
  });

  it("returns whole buffers", async () => {
    const session = await loaded(load(NETWORK));
    const { outputs } = await sessions.answer(run(session, { x: Tensor.from([1, 2, 3, 4], [2, 2]).slice(1, 2) }));
    expect(outputs?.x?.data.buffer.byteLength).toBe(8);
  });

  it("returns what was lent", async () => {
    const session = await loaded(load(NETWORK));
    const x = Tensor.from([1, 2]);
    expect((await sessions.answer(run(session, { x }, ["x"]))).outputs?.x).toBe(x);
  });

  it("that ends after each run is created again for the next", async () => {
    const session = await loaded(load(NETWORK, { endsAfterRun: true }));
    await sessions.answer(run(session));
    await sessions.answer(run(session));
    expect(log).toEqual(["create 1", "run 1", "release 1", "create 1", "run 1", "release 1"]);
  });
});

describe("prepared weights", () => {
  const task = load(NETWORK, { preparations: [preparation()] });

  it("are fed to every run", async () => {
    const { outputs } = await sessions.answer(run(await loaded(task)));
    expect(outputs?.w?.data).toEqual(Float32Array.of(7, 7));
  });

  it("are made once for all sessions that need the same", async () => {
    await loaded(task);
    await loaded(task);
    expect(log.filter((entry) => entry === "run 2")).toHaveLength(1);
  });

  it("are kept until the last of these sessions is released", async () => {
    const [first, second] = [await loaded(task), await loaded(task)];
    await sessions.answer({ kind: "release", session: first });
    await sessions.answer({ kind: "release", session: await loaded(task) });
    expect(log.filter((entry) => entry === "run 2")).toHaveLength(1);
    await sessions.answer({ kind: "release", session: second });
    await loaded(task);
    expect(log.filter((entry) => entry === "run 2")).toHaveLength(2);
  });

  it("are not kept for a model that the runtime refuses", async () => {
    await expect(loaded({ ...task, model: Uint8Array.of(BROKEN) })).rejects.toThrow("no such operator");
    await loaded(task);
    expect(log.filter((entry) => entry === "run 2")).toHaveLength(2);
  });
});

describe("weights that are converted into a file", () => {
  const file = { id: "scratch" };
  const task = load(NETWORK, { preparations: [preparation({ file })] });

  it("are written before the model is loaded, and their file is removed after that", async () => {
    await loaded(task);
    expect(log).toEqual([
      "remove old files beside scratch",
      "create 2",
      "run 2",
      "release 2",
      "write w to scratch",
      "create 1",
      "remove scratch",
    ]);
  });

  it("are not fed to runs", async () => {
    expect((await sessions.answer(run(await loaded(task)))).outputs).toEqual({});
  });

  it("have their file removed at release if it could not be removed before", async () => {
    removes = false;
    const session = await loaded(task);
    log = [];
    await sessions.answer({ kind: "release", session });
    expect(log).toEqual(["release 1", "remove scratch"]);
  });

  it("have their file removed if the model is refused", async () => {
    await expect(loaded({ ...task, model: Uint8Array.of(BROKEN) })).rejects.toThrow("no such operator");
    expect(log.at(-1)).toBe("remove scratch");
  });
});
