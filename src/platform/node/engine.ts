import type { ResolvedDevice } from "../../runtime/device.js";
import type { Engine } from "../../runtime/engine.js";
import type { EngineHost } from "../../runtime/engine-host.js";
import { type EngineOptions, startEngine } from "../../runtime/start-engine.js";
import { DEVICE_HINTS, missingFor } from "./device-needs.js";
import { encodeOnDisk } from "./disk-file.js";
import { gpusInSight, openGpuFiles } from "./linux-gpu.js";
import { scratchFile } from "./scratch-file.js";
import { WorkerThread } from "./worker-thread.js";

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
  startThread: () => new WorkerThread(),
  autoDevices,
  missingFor,
  needsOf: (device) => DEVICE_HINTS[device],
  computesInSoftware,
  encode: encodeOnDisk,
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
  if (process.platform !== "linux") return ["webgpu"];
  const gpus = gpusInSight();
  return [...(gpus.nvidia ? (["cuda"] as const) : []), ...(gpus.any ? (["webgpu"] as const) : [])];
}

function computesInSoftware(): boolean {
  return process.platform === "linux" && openGpuFiles() === 0;
}
