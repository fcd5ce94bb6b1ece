import { describe, expect, it } from "vitest";
import { DeviceError } from "../../src/errors.js";
import type { ResolvedDevice } from "../../src/runtime/device.js";
import type { EngineHost } from "../../src/runtime/engine-host.js";
import { type EngineOptions, startEngine } from "../../src/runtime/start-engine.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { collectWarnings } from "../helpers/warnings.js";
import { EMPTY_MODEL, type FakeAnswers, FakeThread, fakeHost } from "./fake-host.js";

/** An engine on a fake platform, and its thread. */
async function started(options: EngineOptions, host: Partial<EngineHost> = {}, answers: FakeAnswers = {}) {
  const thread = new FakeThread(answers);
  return { thread, engine: await startEngine(fakeHost(thread, host), options) };
}

const GPUS = { autoDevices: (): readonly ResolvedDevice[] => ["cuda", "webgpu", "cpu"] };

describe("device auto", () => {
  it("is the first device that works, in the platform's order", async () => {
    expect((await started({}, GPUS)).engine.device).toBe("cuda");
  });

  it("passes over a device that lacks something", async () => {
    const missingFor = (device: ResolvedDevice) => (device === "cuda" ? "no libraries" : undefined);
    expect((await started({}, { ...GPUS, missingFor })).engine.device).toBe("webgpu");
  });

  it("passes over a device that the runtime refuses", async () => {
    const refuses = (provider: string) => (provider === "cuda" ? "no driver" : undefined);
    expect((await started({}, GPUS, { refuses })).engine.device).toBe("webgpu");
  });

  it("is the CPU if all drivers compute in software", async () => {
    const { engine } = await started({}, { ...GPUS, computesInSoftware: () => true });
    expect(engine.device).toBe("cpu");
  });

  it("is the CPU without trying anything if there is no other device", async () => {
    const { engine, thread } = await started({});
    expect(engine.device).toBe("cpu");
    expect(thread.kinds).toEqual([]);
  });

  it("rejects if the thread has ended", async () => {
    await expect(started({}, GPUS, { endsAt: "load" })).rejects.toThrow(new DeviceError("the runtime's thread has ended"));
  });
});

describe("device auto without the native library", () => {
  /** A platform whose native thread ends at its first task, and whose other thread works. */
  function withoutNative(gpus: readonly ResolvedDevice[] = []) {
    const threads = { native: new FakeThread({ endsAt: "wait" }), wasm: new FakeThread() };
    const build = (device: ResolvedDevice) => (device === "wasm" ? "wasm" : "native");
    const host: Partial<EngineHost> = {
      autoDevices: () => [...gpus, "cpu", "wasm"],
      buildFor: build,
      startThread: (device) => threads[build(device)],
    };
    return { threads, host };
  }

  it("takes the next build's device before the first network is loaded, and says so once", async () => {
    const warnings = collectWarnings();
    const { threads, host } = withoutNative();
    const { engine } = await started({}, host);
    await Promise.all([engine.settle?.(), engine.settle?.()]);
    expect(engine.device).toBe("wasm");
    expect(engine.capabilities.device).toBe("wasm");
    expect(warnings).toEqual(["wasm is used: the runtime's thread has ended"]);
    await engine.load({ model: EMPTY_MODEL });
    expect(threads.wasm.loads.at(-1)?.options.executionProviders).toEqual(["wasm"]);
  });

  it("needs no call of settle", async () => {
    collectWarnings();
    const { host } = withoutNative();
    const { engine } = await started({}, host);
    await engine.load({ model: EMPTY_MODEL });
    expect(engine.device).toBe("wasm");
  });

  it("does not try further devices of the build that does not load", async () => {
    const warnings = collectWarnings();
    const { threads, host } = withoutNative(["cuda", "webgpu"]);
    threads.native = new FakeThread({ endsAt: "load" });
    const { engine } = await started({}, host);
    expect(engine.device).toBe("wasm");
    expect(threads.native.kinds).toEqual([]);
    expect(warnings).toHaveLength(1);
  });

  it("is an error with both reasons if no build loads", async () => {
    const { threads, host } = withoutNative();
    threads.wasm = new FakeThread({ endsAt: "wait" });
    const { engine } = await started({}, host);
    const ended = "the runtime's thread has ended";
    await expect(engine.settle?.()).rejects.toThrow(new DeviceError(`${ended}; ${ended}`));
  });

  it("does not start another build after dispose", async () => {
    const warnings = collectWarnings();
    const { threads, host } = withoutNative();
    const { engine } = await started({}, host);
    await engine.dispose();
    await expect(engine.settle?.()).rejects.toThrow(DeviceError);
    expect(threads.wasm.kinds).toEqual([]);
    expect(warnings).toEqual([]);
  });

  it("stays on the CPU if its library loads", async () => {
    const { threads, host } = withoutNative();
    threads.native = new FakeThread();
    const { engine } = await started({}, host);
    await engine.settle?.();
    expect(engine.device).toBe("cpu");
    expect([threads.native.kinds, threads.wasm.kinds]).toEqual([["wait"], []]);
  });
});

describe("a device by name", () => {
  it("may have a driver that computes in software", async () => {
    expect((await started({ device: "webgpu" }, { computesInSoftware: () => true })).engine.device).toBe("webgpu");
  });

  it("that does not work is an error with what it needs, and the thread is stopped", async () => {
    const thread = new FakeThread({ refuses: () => "no adapter" });
    const starting = startEngine(fakeHost(thread), { device: "webgpu" });
    await expect(starting).rejects.toMatchObject({
      name: "DeviceError",
      message: "device webgpu is not available: no adapter",
      hint: "what webgpu needs",
    });
    expect(thread.hasEnded).toBe(true);
  });
});

describe("an engine's precision", () => {
  it.each(["cpu", "webgpu", "cuda"] as const)("is fast on %s if the caller wants that", async (device) => {
    expect((await started({ device, precision: "fast" })).engine.precision).toBe("fast");
  });

  it("is refused if it is unknown, before a thread is started", async () => {
    const startThread = () => {
      throw new Error("a thread was started");
    };
    await expect(started({ precision: "quick" as "fast" }, { startThread })).rejects.toMatchObject({
      name: "ArgumentError",
      message: 'precision is "quick"; expected one of exact, fast',
    });
  });

  it("is exact on a GPU without half precision, with one warning that says why", async () => {
    const warnings = collectWarnings();
    const halfProblem = () => "its adapter lacks shader-f16";
    const { engine } = await started({ device: "webgpu", precision: "fast" }, { halfProblem }, { half: () => 0 });
    expect(engine.precision).toBe("exact");
    expect(warnings).toEqual([
      'device webgpu cannot compute with precision "fast": its adapter lacks shader-f16; networks compute exactly',
    ]);
    await started({ device: "webgpu" }, { halfProblem }, { half: () => 0 });
    await started({ device: "webgpu", precision: "fast" }, { halfProblem });
    expect(warnings).toHaveLength(1);
    await started({ device: "coreml", precision: "fast" });
    expect(warnings.at(-1)).toMatch(/device coreml cannot compute with precision "fast": it does not compute in half precision/);
  });

  it.each(["cpu", "webgpu"] as const)("is exact on %s by default", async (device) => {
    expect((await started({ device })).engine.precision).toBe("exact");
  });
});

describe("a session", () => {
  const graph = { model: EMPTY_MODEL };

  it("is loaded on the engine's GPU", async () => {
    const { engine, thread } = await started({ device: "cuda", deviceId: 1 });
    await engine.load(graph);
    expect(thread.loads.at(-1)?.options.executionProviders).toEqual([{ name: "cuda", deviceId: 1 }]);
  });

  it("that the runtime refuses is an error that names the device, with the runtime's message", async () => {
    const { engine } = await started({ device: "cpu" }, {}, { refuses: () => "no such operator" });
    await expect(engine.load(graph)).rejects.toThrow(new DeviceError("the network could not be loaded on cpu: no such operator"));
  });

  it("sends whole buffers: a view is cut out of its buffer", async () => {
    const { engine, thread } = await started({ device: "cpu" });
    const session = await engine.load(graph);
    await session.run({ x: Tensor.from([1, 2, 3, 4], [2, 2]).slice(1, 2) });
    const task = thread.tasks.at(-1);
    expect(task?.kind === "run" && task.feeds.x?.data.buffer.byteLength).toBe(8);
  });

  it("is released once", async () => {
    const { engine, thread } = await started({ device: "cpu" });
    const session = await engine.load(graph);
    await session.release();
    await session.release();
    await engine.dispose();
    expect(thread.kinds).toEqual(["load", "release"]);
  });

  it("is released when its engine is disposed of", async () => {
    const { engine, thread } = await started({ device: "cpu" });
    await engine.load(graph);
    await engine.dispose();
    expect(thread.open).toBe(0);
  });
});
