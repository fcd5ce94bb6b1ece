import type { ResolvedDevice } from "../../runtime/device.js";
import type { Engine } from "../../runtime/engine.js";
import type { EngineHost } from "../../runtime/engine-host.js";
import { runtimeFiles } from "../../runtime/runtime-files.js";
import { type EngineOptions, startEngine } from "../../runtime/start-engine.js";
import { encodeMounted } from "../../runtime/wasm/mounted-model.js";
import { NetworkWorkers } from "../../runtime/wasm/network-workers.js";
import { warn } from "../../warnings.js";
import { findAdapter } from "./gpu-adapter.js";
import { WASM_FOLDER } from "./worker-name.js";
import { WorkerThread } from "./worker-thread.js";

/**
 * ONNX Runtime Web in workers. "auto" takes WebGPU if an adapter answers that computes on a GPU, else WebAssembly; then a warning says why.
 * "cpu" is WebAssembly, too.
 * @throws DeviceError if `device` does not work in this browser; ArgumentError for an unknown precision.
 */
export async function createEngine(options: EngineOptions = {}): Promise<Engine> {
  const { device = "auto" } = options;
  const gpu = device === "auto" || device === "webgpu" ? await findAdapter() : undefined;
  const problem = gpu?.problem ?? (gpu?.isSoftware ? "its driver computes in software" : undefined);
  const host: EngineHost = {
    spins: true,
    // Each worker chooses for itself.
    threads: undefined,
    startThread: (device) => new NetworkWorkers(() => new WorkerThread(device === "webgpu" ? startWebGpu : startWasm)),
    buildFor: (device) => (device === "webgpu" ? "webgpu" : "wasm"),
    autoDevices: () => (problem === undefined ? ["webgpu", "wasm"] : ["wasm"]),
    replacementNote: (device, reason) => `${reason}; device ${device} is used instead`,
    missingFor: (wanted) => (wanted === "wasm" ? undefined : wanted === "webgpu" ? gpu?.problem : "this is a browser"),
    needsOf: (wanted) => HINTS[wanted] ?? "in a browser, the devices are webgpu and wasm",
    halfProblem: () => (gpu?.hasHalf ? undefined : "its adapter lacks shader-f16"),
    computesInSoftware: () => gpu?.isSoftware ?? false,
    // The WebGPU builds lack some types of weights. On the processor, weights take less memory as they are in their files.
    encode: (model, device) => encodeMounted(model, { convertsWeights: device === "webgpu" }),
    scratchFile: () => ({ id: `scratch:${crypto.randomUUID()}` }),
  };
  const engine = await startEngine(host, { ...options, device: device === "cpu" ? "wasm" : device });
  if (device === "auto" && problem !== undefined) sayWhy(problem);
  return engine;
}

// Written out whole each time: bundlers look for exactly this.
const startWasm = () =>
  startNamed(runtimeFiles().wasmWorker) ?? new Worker(new URL("./worker-wasm.js", import.meta.url), { type: "module" });
const startWebGpu = () =>
  startNamed(runtimeFiles().webgpuWorker) ?? new Worker(new URL("./worker-webgpu.js", import.meta.url), { type: "module" });

/** A worker at an address of the page's program. Its name says where ONNX Runtime's files are. */
function startNamed(address: string | URL | undefined): Worker | undefined {
  if (address === undefined) return undefined;
  const { wasmFolder } = runtimeFiles();
  const name = wasmFolder === undefined ? undefined : WASM_FOLDER + new URL(wasmFolder, document.baseURI).href.replace(/\/*$/, "/");
  return new Worker(address, { type: "module", name });
}

let hasSaid = false;

/** Says once why networks do not run on a GPU. */
function sayWhy(problem: string): void {
  if (hasSaid) return;
  hasSaid = true;
  const threads = globalThis.crossOriginIsolated ? "" : ", with one thread, because the page is not cross-origin isolated";
  warn(`networks run on the processor (device wasm)${threads}; WebGPU cannot be used: ${problem}`);
}

const HINTS: Partial<Record<ResolvedDevice, string>> = {
  webgpu: "WebGPU needs a browser that has it, a page from https or localhost, and a graphics driver; use device wasm otherwise",
  wasm: "use a browser with WebAssembly SIMD: Chrome 91, Firefox 89, Safari 16.4 or later",
};
