import type { ResolvedDevice } from "../../runtime/device.js";
import type { Engine } from "../../runtime/engine.js";
import type { EngineHost } from "../../runtime/engine-host.js";
import { type EngineOptions, startEngine } from "../../runtime/start-engine.js";
import { encodeMounted } from "../../runtime/wasm/mounted-model.js";
import { findAdapter } from "./gpu-adapter.js";
import { WorkerThread } from "./worker-thread.js";

/**
 * ONNX Runtime Web in a worker.
 * @throws DeviceError if `device` does not work in this browser; ArgumentError for an unknown precision.
 */
export async function createEngine(options: EngineOptions = {}): Promise<Engine> {
  const { device = "auto" } = options;
  const gpu = device === "auto" || device === "webgpu" ? await findAdapter() : undefined;
  const picksGpu = gpu?.problem === undefined && !gpu?.isSoftware;
  const host: EngineHost = {
    spins: true,
    // Each worker chooses for itself.
    threads: undefined,
    // Written out whole each time: bundlers look for exactly this.
    startThread: (device) =>
      new WorkerThread(() =>
        device === "webgpu"
          ? new Worker(new URL("./worker-webgpu.js", import.meta.url), { type: "module" })
          : new Worker(new URL("./worker-wasm.js", import.meta.url), { type: "module" }),
      ),
    buildFor: (device) => (device === "webgpu" ? "webgpu" : "wasm"),
    autoDevices: () => (picksGpu ? ["webgpu", "wasm"] : ["wasm"]),
    replacementNote: (device, reason) => `${reason}; device ${device} is used instead`,
    missingFor: (wanted) => (wanted === "wasm" ? undefined : wanted === "webgpu" ? gpu?.problem : "this is a browser"),
    needsOf: (wanted) => HINTS[wanted] ?? "in a browser, the devices are webgpu and wasm",
    computesInSoftware: () => gpu?.isSoftware ?? false,
    // The WebGPU builds lack some types of weights. On the processor, weights take less memory as they are in their files.
    encode: (model, device) => encodeMounted(model, { convertsWeights: device === "webgpu" }),
    scratchFile: () => ({ id: `scratch:${crypto.randomUUID()}` }),
  };
  return startEngine(host, options);
}

const HINTS: Partial<Record<ResolvedDevice, string>> = {
  webgpu: "WebGPU needs a browser that has it, a page from https or localhost, and a graphics driver; use device wasm otherwise",
  wasm: "use a browser with WebAssembly SIMD: Chrome 91, Firefox 89, Safari 16.4 or later",
};
