import type { ResolvedDevice } from "../../runtime/device.js";
import type { Engine } from "../../runtime/engine.js";
import type { EngineHost } from "../../runtime/engine-host.js";
import { type EngineOptions, startEngine } from "../../runtime/start-engine.js";
import { encodeMounted } from "../../runtime/wasm/mounted-model.js";
import { NetworkWorkers } from "../../runtime/wasm/network-workers.js";
import { DEVICE_HINTS, missingFor } from "./device-needs.js";
import { encodeOnDisk } from "./disk-file.js";
import { gpusInSight, openGpuFiles } from "./linux-gpu.js";
import { availableMemory } from "./memory.js";
import { scratchFile } from "./scratch-file.js";
import { WorkerThread } from "./worker-thread.js";

/** How much slower WebAssembly is than the native library; bench/NOTES.md has the measurements. */
const SLOWDOWN = 5;

/** Node, as an engine needs it. */
const NODE: EngineHost = {
  // DARKROOM_SPIN=0 is for machines that several processes share.
  get spins() {
    return process.env.DARKROOM_SPIN !== "0";
  },
  // DARKROOM_THREADS=4 is for several processes that share the cores.
  get threads() {
    const { DARKROOM_THREADS: given = "" } = process.env;
    return /^[1-9]\d{0,3}$/.test(given) ? Number(given) : undefined;
  },
  buildFor: (device) => (device === "wasm" ? "wasm" : "native"),
  startThread(device) {
    const { threads } = this;
    return device === "wasm" ? new NetworkWorkers(() => new WorkerThread("wasm", threads)) : new WorkerThread("native");
  },
  autoDevices,
  missingFor,
  needsOf: (device) => DEVICE_HINTS[device],
  computesInSoftware,
  replacementNote: (_, reason) =>
    `${reason}; networks run in WebAssembly instead, which is about ${SLOWDOWN} times slower (docs/install.md says what to do)`,
  encode: (model, device) => (device === "wasm" ? encodeMounted(model) : encodeOnDisk(model)),
  availableMemory: () => availableMemory(),
  scratchFile,
};

/**
 * ONNX Runtime in a worker thread.
 * @throws DeviceError if `device` does not work on this machine; ArgumentError for an unknown precision.
 */
export function createEngine(options: EngineOptions = {}): Promise<Engine> {
  return startEngine(NODE, options);
}

function autoDevices(): readonly ResolvedDevice[] {
  if (process.platform !== "linux") return ["webgpu", "cpu", "wasm"];
  const gpus = gpusInSight();
  return [...(gpus.nvidia ? (["cuda"] as const) : []), ...(gpus.any ? (["webgpu"] as const) : []), "cpu", "wasm"];
}

function computesInSoftware(): boolean {
  return process.platform === "linux" && openGpuFiles() === 0;
}
