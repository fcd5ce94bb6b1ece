import { DarkroomError } from "../../errors.js";
import { probeGraph } from "../../runtime/capabilities.js";
import { DEVICES, type ResolvedDevice } from "../../runtime/device.js";
import { Tensor } from "../../tensor/tensor.js";
import { createEngine } from "./engine.js";
import { gpusInSight } from "./linux-gpu.js";

/** The result of trying a device on this machine. */
export interface DeviceReport {
  readonly device: ResolvedDevice;
  readonly works: boolean;
  /** Whether Darkroom's developers have tested this kind of device. */
  readonly tested: boolean;
  /** Why it does not work, or a remark. */
  readonly note?: string;
  /** What to do about it. */
  readonly hint?: string;
  /** The command that installs what is missing. */
  readonly command?: string;
}

/** Tries all devices, one after another. `auto` is the device that "auto" picks, or null if none works. */
export async function tryDevices(): Promise<{ readonly auto: ResolvedDevice | null; readonly devices: readonly DeviceReport[] }> {
  const devices: DeviceReport[] = [];
  for (const device of DEVICES) if (device !== "auto") devices.push(await tryDevice(device));
  const auto = await createEngine().then(
    async (engine) => {
      await engine.settle?.();
      await engine.dispose();
      return engine.device;
    },
    () => null,
  );
  return { auto: devices.find(({ device }) => device === auto)?.works ? auto : null, devices };
}

/** Tries a device: runs a small graph on it. */
export async function tryDevice(device: ResolvedDevice): Promise<DeviceReport> {
  const report = { device, tested: device === "cpu" || device === "webgpu" || device === "wasm" };
  try {
    const engine = await createEngine({ device });
    try {
      const session = await engine.load(probeGraph({ capabilities: { device } }).finish());
      const { y } = await session.run({ x: Tensor.from([3]) });
      if (y?.data[0] !== 6) return { ...report, works: false, note: `it computes wrong results: 2 * 3 is ${y?.data[0]}` };
      const note = device === "webgpu" && engine.capabilities.isSoftware ? softwareNote() : undefined;
      return { ...report, works: true, ...(note !== undefined && { note }) };
    } finally {
      await engine.dispose();
    }
  } catch (error) {
    if (!(error instanceof DarkroomError)) throw error;
    const { message, hint } = error;
    return {
      ...report,
      works: false,
      note: message.replace(`device ${device} is not available: `, ""),
      ...(hint !== undefined && { hint }),
      ...(device === "cuda" && process.platform === "linux" && process.arch === "x64" && { command: CUDA_COMMAND }),
    };
  }
}

const CUDA_COMMAND = "npx darkroom devices add cuda";

function softwareNote(): string {
  return gpusInSight().any
    ? "its driver computes in software, though there is a GPU"
    : "its driver computes in software, slower than the CPU";
}
