import { describe, expect, it, vi } from "vitest";
import { DeviceError } from "../../src/errors.js";
import type { Graph } from "../../src/graph/graph.js";
import { createEngine } from "../../src/platform/node/engine.js";
import type { Capabilities } from "../../src/runtime/capabilities.js";
import { type ProbeOptions, probe } from "../../src/runtime/capabilities.js";
import type { ResolvedDevice } from "../../src/runtime/device.js";
import { areDiffusionOperatorsRight } from "../../src/runtime/diffusion-operators.js";
import type { EngineHost } from "../../src/runtime/engine-host.js";
import { withoutProviderOperators } from "../helpers/provider-operators.js";
import { type FakeAnswers, FakeThread, fakeEncode, fakeHost } from "./fake-host.js";

interface Given extends Partial<ProbeOptions> {
  readonly answers?: FakeAnswers;
  readonly host?: Partial<EngineHost>;
}

/** Probes a fake device; also gives the thread, to see what it was asked. */
async function probed(device: ResolvedDevice, { answers, host, precision = "fast", onlyHardware = false }: Given = {}) {
  const thread = new FakeThread(answers);
  const settings = { device, spins: true, encode: fakeEncode };
  return { thread, ...(await probe(thread, fakeHost(thread, host), settings, { precision, onlyHardware })) };
}

describe("a device that answers right", () => {
  it.each<[ResolvedDevice, Capabilities]>([
    ["cpu", { device: "cpu", halfPrecision: false, fusedAttention: true, byteRange: 127, isSoftware: false }],
    ["webgpu", { device: "webgpu", halfPrecision: true, fusedAttention: true, byteRange: undefined, isSoftware: false }],
    ["cuda", { device: "cuda", halfPrecision: true, fusedAttention: true, byteRange: undefined, isSoftware: false }],
    ["coreml", { device: "coreml", halfPrecision: false, fusedAttention: true, byteRange: undefined, isSoftware: false }],
  ])("%s has all that is known of its kind", async (device, expected) => {
    expect((await probed(device)).capabilities).toEqual(expected);
  });

  it.each(["cpu", "webgpu", "cuda", "dml"] as const)("%s keeps no session of the probe", async (device) => {
    expect((await probed(device)).thread.open).toBe(0);
  });

  it.each(["cpu", "webgpu"] as const)("%s has capabilities that cannot be changed", async (device) => {
    const { capabilities } = await probed(device);
    expect(Object.isFrozen(capabilities)).toBe(true);
  });
});

describe("the CPU", () => {
  it('is not tried for precision "exact"', async () => {
    const { thread, capabilities } = await probed("cpu", { precision: "exact" });
    expect(thread.kinds).toEqual([]);
    expect(capabilities?.byteRange).toBeUndefined();
  });

  it('is asked once for its sums of bytes, for precision "fast"', async () => {
    expect((await probed("cpu")).thread.kinds).toEqual(["load", "run", "release"]);
  });

  it("has weights of 7 bits if it clips sums of two products to 16 bits", async () => {
    const { capabilities } = await probed("cpu", { answers: { byteSum: () => 32 * 32767 } });
    expect(capabilities?.byteRange).toBe(63);
  });
});

describe("half precision", () => {
  it('is not tried for precision "exact"', async () => {
    const half = vi.fn(() => 2);
    const { capabilities } = await probed("webgpu", { answers: { half }, precision: "exact" });
    expect(half).not.toHaveBeenCalled();
    expect(capabilities?.halfPrecision).toBe(false);
  });

  it("is not there if its result is wrong", async () => {
    expect((await probed("webgpu", { answers: { half: () => 0 } })).capabilities?.halfPrecision).toBe(false);
  });

  it("is not there if the device refuses to run it", async () => {
    const half = () => {
      throw new Error("no shader-f16");
    };
    const { capabilities, thread } = await probed("cuda", { answers: { half } });
    expect(capabilities?.halfPrecision).toBe(false);
    expect(thread.open).toBe(0);
  });
});

describe("fused attention", () => {
  it("is not used on WebGPU if it is wrong", async () => {
    expect((await probed("webgpu", { answers: { fusedError: 0.05 } })).capabilities?.fusedAttention).toBe(false);
  });

  it("is used on WebGPU if it is within rounding", async () => {
    expect((await probed("webgpu", { answers: { fusedError: 1e-6 } })).capabilities?.fusedAttention).toBe(true);
  });
});

describe("operators for diffusion", () => {
  // The check itself, with the CPU in CUDA's place.
  const check = async (change: (graph: ReturnType<Graph["finish"]>) => ReturnType<Graph["finish"]>) => {
    const cpu = await createEngine({ device: "cpu" });
    try {
      return await areDiffusionOperatorsRight("cuda", async (graph, feeds) => (await cpu.load(change(graph.finish()))).run(feeds));
    } finally {
      await cpu.dispose();
    }
  };

  it("are used if they are right", async () => {
    expect(await check(withoutProviderOperators)).toBe(true);
  });

  it("are not used if they are wrong, or not there", async () => {
    const wrong = (attribute: string) =>
      check((graph) => {
        const nodes = graph.model.nodes.map((node) =>
          attribute in node.attributes
            ? { ...node, attributes: { ...node.attributes, [attribute]: attribute === "groups" ? 8 : 0 } }
            : node,
        );
        return withoutProviderOperators({ ...graph, model: { ...graph.model, nodes } });
      });
    expect(await wrong("groups")).toBe(false);
    expect(await wrong("activation")).toBe(false);
    expect(await check((graph) => graph)).toBe(false);
  });

  it("are looked for on CUDA in half precision only", async () => {
    expect((await probed("cuda", { precision: "exact" })).capabilities?.diffusionOperators).toBeUndefined();
    expect((await probed("webgpu")).capabilities?.diffusionOperators).toBeUndefined();
  });
});

describe("a device with a problem", () => {
  it("is not started if something is missing", async () => {
    const { problem, thread } = await probed("webgpu", { host: { missingFor: () => "libvulkan.so.1 is not installed" } });
    expect(problem).toBe("libvulkan.so.1 is not installed");
    expect(thread.kinds).toEqual([]);
  });

  it("has the runtime's message, without the place in its sources", async () => {
    const refuses = () => "/onnxruntime_src/core/session.cc:12 Init status.IsOK() was false. no adapter ";
    expect((await probed("webgpu", { answers: { refuses } })).problem).toBe("no adapter");
  });

  it("has the reason alone, of CUDA's errors that name places in several sources", async () => {
    const place =
      "/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_call.cc:154 std::conditional_t<THRW, void> onnxruntime::CudaCall(ERRTYPE) [with ERRTYPE = cudaError]";
    const refuses = () =>
      `${place} ${place} CUDA failure 100: no CUDA-capable device is detected ; GPU=-1 ; hostname=vm ; file=cuda_execution_provider.cc ; line=352 ; expr=cudaSetDevice(info_.device_id); \n\n`;
    expect((await probed("cuda", { answers: { refuses } })).problem).toBe("CUDA failure 100: no CUDA-capable device is detected");
  });

  it("rejects if the thread has ended: no other device works either", async () => {
    await expect(probed("webgpu", { answers: { endsAt: "load" } })).rejects.toThrow(new DeviceError("the runtime's thread has ended"));
  });
});

describe("a driver that computes in software", () => {
  const host = { computesInSoftware: () => true };

  it("is a problem if only hardware counts, and nothing more is tried", async () => {
    const { problem, thread } = await probed("webgpu", { host, onlyHardware: true });
    expect(problem).toBe("its driver computes in software");
    expect(thread.kinds).toEqual(["load", "release"]);
  });

  it("is a capability otherwise", async () => {
    expect((await probed("webgpu", { host })).capabilities?.isSoftware).toBe(true);
  });

  it("is looked for while a session on the device is open", async () => {
    const thread = new FakeThread();
    let open = 0;
    const watching = fakeHost(thread, {
      computesInSoftware: () => {
        open = thread.open;
        return false;
      },
    });
    await probe(thread, watching, { device: "webgpu", spins: true, encode: fakeEncode }, { precision: "exact", onlyHardware: true });
    expect(open).toBe(1);
  });
});
