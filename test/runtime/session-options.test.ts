import { describe, expect, it } from "vitest";
import type { FinishedGraph } from "../../src/graph/finished-graph.js";
import { loadTask, type SessionSettings } from "../../src/runtime/session-options.js";
import type { FileRef } from "../../src/tensor/stored-tensor.js";
import { EMPTY_MODEL, fakeEncode } from "./fake-host.js";

const CPU: SessionSettings = { device: "cpu", spins: true, encode: fakeEncode };
const GRAPH: FinishedGraph = { model: EMPTY_MODEL };
const LARGE = { ...GRAPH, largestValue: 2 ** 22 };

/** The entries of session options that ONNX Runtime has no field for. */
async function extra(...given: Parameters<typeof loadTask>): Promise<Readonly<Record<string, unknown>>> {
  return (await loadTask(...given)).options.extra.session as Readonly<Record<string, unknown>>;
}

describe("the CPU's session", () => {
  it("reads weights from the platform's files and copies none", async () => {
    expect(await loadTask(CPU, GRAPH)).toEqual({
      kind: "load",
      model: Uint8Array.of(1),
      endsAfterRun: false,
      preparations: [],
      options: {
        executionProviders: ["cpu"],
        graphOptimizationLevel: "extended",
        enableCpuMemArena: false,
        enableMemPattern: false,
        extra: {
          session: { weights: "here", disable_prepacking: "1", disable_quant_qdq: "1" },
          optimization: { disable_specified_optimizers: "ConstantFolding" },
        },
      },
    });
  });

  it("keeps its memory and is not optimized if it runs often", async () => {
    const { options, endsAfterRun } = await loadTask(CPU, LARGE, { keepsMemory: true });
    expect(options).toMatchObject({ enableCpuMemArena: true, graphOptimizationLevel: "disabled" });
    expect(endsAfterRun).toBe(false);
  });

  it("ends after each run if its intermediate results are large", async () => {
    const { options, endsAfterRun } = await loadTask(CPU, LARGE);
    expect(endsAfterRun).toBe(true);
    expect(options.enableCpuMemArena).toBe(true);
    expect((await loadTask(CPU, { ...GRAPH, largestValue: 2 ** 22 - 1 })).endsAfterRun).toBe(false);
    expect((await loadTask(CPU, { ...GRAPH, largestWidened: 2 ** 23 })).endsAfterRun).toBe(true);
    expect((await loadTask(CPU, { ...GRAPH, largestWidened: 2 ** 23 - 1 })).endsAfterRun).toBe(false);
  });

  it("stays for a profile of all its runs", async () => {
    const { options, endsAfterRun } = await loadTask({ ...CPU, profile: "here" }, LARGE);
    expect(endsAfterRun).toBe(false);
    expect(options).toMatchObject({ enableProfiling: true, profileFilePrefix: "here" });
  });

  it("computes with as many threads as it is told", async () => {
    expect((await loadTask({ ...CPU, threads: 3 }, GRAPH)).options.intraOpNumThreads).toBe(3);
    expect((await loadTask({ ...CPU, device: "webgpu", threads: 3 }, GRAPH)).options.intraOpNumThreads).toBeUndefined();
  });

  it("copies weights if that is asked for, or if some are converted into a file", async () => {
    const prepared = (file?: FileRef) => ({ ...GRAPH, preparations: [{ ...GRAPH, outputs: [], ...(file && { file }) }] });
    expect(await extra(CPU, GRAPH, { copiesWeights: true })).toMatchObject({ disable_prepacking: "0" });
    expect(await extra(CPU, prepared({ id: "scratch" }))).toMatchObject({ disable_prepacking: "0" });
    expect(await extra(CPU, prepared())).toMatchObject({ disable_prepacking: "1" });
  });

  it("copies weights of a file only if they leave half of the memory", async () => {
    const outputs = [{ name: "bytes", dtype: "int8", shape: [10, 10] }] as const;
    const graph = { ...GRAPH, preparations: [{ ...GRAPH, outputs, file: { id: "scratch" } }] };
    const copies = (available: number | undefined) => extra({ ...CPU, availableMemory: () => available }, graph);
    expect(await copies(undefined)).toMatchObject({ disable_prepacking: "0" });
    expect(await copies(200)).toMatchObject({ disable_prepacking: "0" });
    expect(await copies(199)).toMatchObject({ disable_prepacking: "1" });
  });

  it("has preparations that are never optimized", async () => {
    const { preparations } = await loadTask(CPU, { ...GRAPH, preparations: [{ ...GRAPH, outputs: [] }] }, { copiesWeights: true });
    expect(preparations[0]?.options).toMatchObject({ graphOptimizationLevel: "disabled", enableCpuMemArena: false });
  });

  it("waits without spinning if the platform says so", async () => {
    expect(await extra({ ...CPU, spins: false }, GRAPH)).toMatchObject({ intra_op: { allow_spinning: "0" } });
    expect(await extra(CPU, GRAPH)).not.toHaveProperty("intra_op");
  });

  it("has no number of a GPU", async () => {
    expect((await loadTask({ ...CPU, deviceId: 1 }, GRAPH)).options.executionProviders).toEqual(["cpu"]);
  });
});

describe("a GPU's session", () => {
  it("is optimized by the runtime, with the weights' places and nothing of the CPU's choices", async () => {
    const { options, endsAfterRun } = await loadTask({ ...CPU, device: "webgpu", spins: false }, LARGE, { keepsMemory: true });
    expect(endsAfterRun).toBe(false);
    expect(options).toEqual({
      executionProviders: ["webgpu"],
      graphOptimizationLevel: "extended",
      extra: { session: { weights: "here" } },
    });
  });
});
