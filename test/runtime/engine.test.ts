import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Worker } from "node:worker_threads";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { DeviceError } from "../../src/errors.js";
import { Graph } from "../../src/graph/graph.js";
import { add } from "../../src/graph/ops/elementwise.js";
import { affine } from "../../src/graph/ops/products.js";
import { expand } from "../../src/graph/ops/shapes.js";
import { createEngine } from "../../src/platform/node/engine.js";
import { gpusInSight } from "../../src/platform/node/linux-gpu.js";
import { DEVICES, type Device } from "../../src/runtime/device.js";
import type { Engine } from "../../src/runtime/engine.js";
import type { LoadOptions, Session } from "../../src/runtime/session.js";
import { Tensor } from "../../src/tensor/tensor.js";

const workers = vi.hoisted((): Worker[] => []);
vi.mock("node:worker_threads", async (importOriginal) => {
  const threads = await importOriginal<typeof import("node:worker_threads")>();
  class WatchedWorker extends threads.Worker {
    constructor(...options: ConstructorParameters<typeof threads.Worker>) {
      super(...options);
      workers.push(this);
    }
  }
  return { ...threads, Worker: WatchedWorker };
});

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Runs a module's text in a process of its own, over the built package. */
async function inProcess(program: string): Promise<{ stdout: string; stderr: string }> {
  const imports = `import { createEngine } from "./dist/platform/node/engine.js"; import * as darkroom from "./dist/index.js";`;
  return promisify(execFile)(process.execPath, ["--input-type=module", "-e", `${imports}\n${program}`], { cwd: ROOT, timeout: 30_000 });
}

async function openEngine(): Promise<Engine> {
  const engine = await createEngine({ device: "cpu" });
  onTestFinished(() => engine.dispose());
  return engine;
}

/** A network that adds [1, 2] to its input. */
function adder(engine: Engine): Promise<Session> {
  const graph = new Graph();
  graph.output("sum", add(graph.input("x", "float32", [2]), graph.constant([1, 2])));
  return engine.load(graph.finish());
}

/** A run whose message is lost. If the thread died while the runtime works, the whole process would end. */
function lostRun(session: Session): ReturnType<Session["run"]> {
  const post = vi.spyOn(workers.at(-1) as Worker, "postMessage").mockImplementationOnce(() => {});
  const run = session.run({ x: Tensor.from([1, 2]) });
  post.mockRestore();
  return run;
}

const SIZE = 1024;
/** A network that takes about a second on two cores: 24 products of 1024 x 1024 matrices. */
function heavy(engine: Engine): Promise<Session> {
  const graph = new Graph();
  const weight = graph.input("weight", "float32", [SIZE, SIZE]);
  let x = graph.input("x", "float32", [SIZE, SIZE]);
  for (let i = 0; i < 24; i++) x = affine(x, weight);
  graph.output("y", x);
  return engine.load(graph.finish());
}
const heavyFeeds = () => ({ x: Tensor.full([SIZE, SIZE], 1), weight: Tensor.full([SIZE, SIZE], 1 / SIZE) });

describe("a session", () => {
  it("runs a graph", async () => {
    const session = await adder(await openEngine());
    const { sum } = await session.run({ x: Tensor.from([10, 20]) });
    expect(sum?.toArray()).toEqual([11, 22]);
  });

  it("leaves its feeds as they were", async () => {
    const session = await adder(await openEngine());
    const x = Tensor.from([10, 20]);
    await session.run({ x });
    expect(x.toArray()).toEqual([10, 20]);
  });

  it("takes a view of a larger tensor", async () => {
    const session = await adder(await openEngine());
    const view = Tensor.from([0, 0, 5, 6, 0, 0], [3, 2]).slice(1, 2).reshape([2]);
    const { sum } = await session.run({ x: view });
    expect(sum?.toArray()).toEqual([6, 8]);
  });

  it("returns the feeds that were lent, which cannot be used during the run", async () => {
    const session = await adder(await openEngine());
    const x = Tensor.from([10, 20]);
    const { buffer } = x.data;
    const run = session.run({ x }, ["x"]);
    expect(buffer.byteLength).toBe(0);
    const results = await run;
    expect(results.sum?.toArray()).toEqual([11, 22]);
    expect(results.x?.toArray()).toEqual([10, 20]);
  });

  it("leaves a tensor as it was if only a view of it was lent", async () => {
    const session = await adder(await openEngine());
    const whole = Tensor.from([0, 0, 5, 6], [2, 2]);
    const { x } = await session.run({ x: whole.slice(1, 2).reshape([2]) }, ["x"]);
    expect(x?.toArray()).toEqual([5, 6]);
    expect(whole.toArray()).toEqual([0, 0, 5, 6]);
  });

  it("gives results that a later run does not change", async () => {
    const session = await adder(await openEngine());
    const first = await session.run({ x: Tensor.from([1, 1]) });
    await session.run({ x: Tensor.from([7, 7]) });
    expect(first.sum?.toArray()).toEqual([2, 3]);
  });

  it("takes two runs at once", async () => {
    const session = await adder(await openEngine());
    const results = await Promise.all([1, 2, 3].map((value) => session.run({ x: Tensor.full([2], value) })));
    expect(results.map(({ sum }) => sum?.toArray())).toEqual([
      [2, 3],
      [3, 4],
      [4, 5],
    ]);
  });

  it("completes a run that is in progress when it is released", async () => {
    const session = await adder(await openEngine());
    const run = session.run({ x: Tensor.from([1, 1]) });
    await session.release();
    expect((await run).sum?.toArray()).toEqual([2, 3]);
  });

  it("refuses to run after its release", async () => {
    const session = await adder(await openEngine());
    await session.release();
    await expect(session.run({ x: Tensor.from([1, 1]) })).rejects.toThrow(DeviceError);
  });

  it("names the device when the runtime refuses a run", async () => {
    const session = await adder(await openEngine());
    const failure = session.run({ x: Tensor.from([1, 2, 3]) });
    await expect(failure).rejects.toThrow(DeviceError);
    await expect(failure).rejects.toThrow(/^the network failed on cpu: /);
  });

  it("still runs after a run failed", async () => {
    const session = await adder(await openEngine());
    await session.run({}).catch(() => {});
    expect((await session.run({ x: Tensor.from([1, 1]) })).sum?.toArray()).toEqual([2, 3]);
  });

  it("leaves the event loop free while the network runs", async () => {
    const session = await heavy(await openEngine());
    let hasEnded = false;
    const run = session.run(heavyFeeds()).finally(() => {
      hasEnded = true;
    });
    // If the run blocked the loop, it would have ended before the next turn of the loop.
    await new Promise((resolve) => setTimeout(resolve));
    expect(hasEnded).toBe(false);
    await run;
  });
});

describe("a network with large intermediate results", () => {
  const numbers = 2 ** 26;
  /** A network that expands its input to 256 MiB before it adds all up. */
  function expander(engine: Engine, options?: LoadOptions): Promise<Session> {
    const graph = new Graph();
    const expanded = expand(graph.input("x", "float32", [1, 1]), [1, numbers]);
    graph.output("sum", graph.node("ReduceSum", [expanded, graph.integers([1])], { shape: [1, 1] }));
    return engine.load(graph.finish(), options);
  }

  it("frees their memory after each run", async () => {
    const session = await expander(await openEngine());
    const before = process.memoryUsage().rss;
    for (const x of [1, 2]) {
      const { sum } = await session.run({ x: Tensor.full([1, 1], x) });
      expect(sum?.toArray()).toEqual([x * numbers]);
      expect(process.memoryUsage().rss - before).toBeLessThan(2 ** 27);
    }
  });

  it("keeps their memory for the next run if it runs often", async () => {
    const session = await expander(await openEngine(), { keepsMemory: true });
    const before = process.memoryUsage().rss;
    await session.run({ x: Tensor.full([1, 1], 1) });
    expect(process.memoryUsage().rss - before).toBeGreaterThan(2 ** 27);
  });

  it("can be released after a run", async () => {
    const session = await expander(await openEngine());
    await session.run({ x: Tensor.full([1, 1], 1) });
    await session.release();
    await expect(session.run({ x: Tensor.full([1, 1], 1) })).rejects.toThrow(DeviceError);
  });

  it("runs after a run that failed", async () => {
    const session = await expander(await openEngine());
    await expect(session.run({})).rejects.toThrow(DeviceError);
    expect((await session.run({ x: Tensor.full([1, 1], 1) })).sum?.toArray()).toEqual([numbers]);
  });
});

describe("an engine", () => {
  it("names the device when the runtime refuses a network", async () => {
    const engine = await openEngine();
    const failure = engine.load({
      model: { nodes: [], initializers: [], inputs: [], outputs: [{ name: "y", dtype: "float32", shape: [1] }] },
    });
    await expect(failure).rejects.toThrow(DeviceError);
    await expect(failure).rejects.toThrow(/^the network could not be loaded on cpu: /);
  });

  it("stops its thread on dispose", async () => {
    const engine = await createEngine({ device: "cpu" });
    const worker = workers.at(-1);
    const exited = new Promise((resolve) => worker?.once("exit", resolve));
    await adder(engine);
    await engine.dispose();
    await exited;
    expect(worker?.threadId).toBe(-1);
  });

  it("refuses work after dispose", async () => {
    const engine = await createEngine({ device: "cpu" });
    const session = await adder(engine);
    await engine.dispose();
    const disposed = new DeviceError("the pipeline or model was disposed");
    await expect(adder(engine)).rejects.toThrow(disposed);
    await expect(session.run({ x: Tensor.from([1, 2]) })).rejects.toThrow(disposed);
  });

  it("can be disposed twice", async () => {
    const engine = await createEngine({ device: "cpu" });
    await adder(engine);
    await Promise.all([engine.dispose(), engine.dispose()]);
    await engine.dispose();
  });

  it("rejects calls in progress when its thread dies, and can still be disposed", async () => {
    const engine = await createEngine({ device: "cpu" });
    const session = await adder(engine);
    const worker = workers.at(-1);
    const run = lostRun(session);
    const rejected = expect(run).rejects.toThrow(new DeviceError("the runtime's thread has ended"));
    await worker?.terminate();
    await rejected;
    await expect(session.run({ x: Tensor.from([1, 2]) })).rejects.toThrow(DeviceError);
    await session.release();
    await engine.dispose();
  });

  it("rejects calls in progress when its thread fails, with the reason", async () => {
    const engine = await openEngine();
    const session = await adder(engine);
    const run = lostRun(session);
    workers.at(-1)?.emit("error", new Error("out of memory"));
    await expect(run).rejects.toThrow(new DeviceError("the runtime's thread failed: out of memory"));
  });

  it("completes calls that were made before its dispose", async () => {
    const engine = await createEngine({ device: "cpu" });
    const session = await adder(engine);
    const run = session.run({ x: Tensor.from([1, 2]) });
    await engine.dispose();
    expect((await run).sum?.toArray()).toEqual([2, 4]);
  });

  it("can be disposed while its thread still starts", async () => {
    // In another process, because the runtime's addon would abort it on an error.
    const { stdout, stderr } = await inProcess(`
      for (const wait of [0, 20, 40, 60, 80]) {
        const engine = await createEngine({ device: "cpu" });
        await new Promise((resolve) => setTimeout(resolve, wait));
        await engine.dispose();
      }
      console.log("still here");
    `);
    expect([stdout, stderr]).toEqual(["still here\n", ""]);
  });

  it("lets process.exit in the middle of a run end the process with its code", async () => {
    const program = `
      const { Graph } = await import("./dist/graph/graph.js");
      const { affine } = await import("./dist/graph/ops/products.js");
      const graph = new Graph();
      const weight = graph.input("weight", "float32", [512, 512]);
      let x = weight;
      for (let i = 0; i < 24; i++) x = affine(x, weight);
      graph.output("y", x);
      const engine = await createEngine({ device: "cpu" });
      const session = await engine.load(graph.finish());
      session.run({ weight: darkroom.Tensor.zeros([512, 512]) }).catch(() => {});
      setTimeout(() => process.exit(7), 20);
    `;
    await expect(inProcess(program)).rejects.toMatchObject({ code: 7, stderr: "" });
  });

  it("lets the process end while it is idle, even without dispose", async () => {
    const { stdout } = await inProcess(`
      const model = await darkroom.CLIPTextModel.fromPretrained("test/checkpoints/sd1-mini", { subfolder: "text_encoder" });
      const { poolerOutput } = await model.forward(new darkroom.Tensor("int64", [1, 2], BigInt64Array.of(0n, 1n)));
      console.log(poolerOutput.shape.length);
    `);
    expect(stdout).toBe("2\n");
  });

  it("keeps the process alive while it works", async () => {
    const { stdout } = await inProcess(`
      const model = await darkroom.CLIPTextModel.fromPretrained("test/checkpoints/sd1-mini", { subfolder: "text_encoder" });
      model.forward(new darkroom.Tensor("int64", [1, 2], BigInt64Array.of(0n, 1n))).then(() => console.log("done"));
    `);
    expect(stdout).toBe("done\n");
  });
});

describe("devices", () => {
  interface Found {
    readonly device: Device;
    readonly resolved?: Device;
    readonly name?: string;
    readonly message?: string;
    readonly hint?: string;
  }
  let found: Found[] = [];
  let stderr = "";

  beforeAll(async () => {
    const look = (devices: readonly string[]) =>
      inProcess(`
      const found = [];
      for (const device of ${JSON.stringify(devices)}) {
        try {
          const engine = await createEngine({ device });
          found.push({ device, resolved: engine.device });
          await engine.dispose();
        } catch ({ name, message, hint }) {
          found.push({ device, name, message, hint });
        }
      }
      console.log(JSON.stringify(found));
    `);
    // A Vulkan driver may print on the terminal. "auto" starts none if there is no sign of a GPU.
    const talkative = gpusInSight().any || process.platform !== "linux" ? ["auto", "webgpu"] : ["webgpu"];
    const run = await look(DEVICES.filter((device) => !talkative.includes(device)));
    stderr = run.stderr;
    found = [...JSON.parse(run.stdout), ...JSON.parse((await look(talkative)).stdout)];
  });

  it.each(["cuda", "webgpu", "coreml", "dml"] as const)("%s works, or an error names it and says what to do", (device) => {
    const { resolved, name, message, hint } = found.find((each) => each.device === device) ?? {};
    if (resolved) expect(resolved).toBe(device);
    else {
      expect(name).toBe("DeviceError");
      expect(message).toMatch(new RegExp(`^device ${device} is not available: .`));
      expect(message).not.toContain("onnxruntime_src");
      expect(hint).toContain("use device cpu otherwise");
    }
  });

  it("auto and cpu always work", () => {
    expect(found.find(({ device }) => device === "auto")?.resolved).toBeDefined();
    expect(found.find(({ device }) => device === "cpu")?.resolved).toBe("cpu");
  });

  it("are tried without output on the terminal", () => {
    expect(stderr).toBe("");
  });

  it("that do not exist are refused by name", async () => {
    const threads = workers.length;
    const failure = createEngine({ device: "tpu" as Device });
    await expect(failure).rejects.toThrow(new DeviceError('device is "tpu"; expected one of auto, cpu, webgpu, cuda, coreml, dml, wasm'));
    expect(workers.length).toBe(threads);
  });
});

afterAll(() => {
  expect(workers.filter(({ threadId }) => threadId !== -1)).toEqual([]);
});
