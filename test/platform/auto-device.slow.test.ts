import { existsSync } from "node:fs";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { createEngine } from "../../src/platform/node/engine.js";
import type { Device } from "../../src/runtime/device.js";

const machine = vi.hoisted(() => ({ gpus: { any: false, nvidia: false }, open: 0, looks: 0 }));
vi.mock("../../src/platform/node/linux-gpu.js", () => ({
  gpusInSight: () => {
    machine.looks++;
    return machine.gpus;
  },
  openGpuFiles: () => machine.open,
}));

const softwareDriver = "/usr/lib/chromium/vk_swiftshader_icd.json";
if (existsSync(softwareDriver)) process.env.VK_ICD_FILENAMES ??= softwareDriver;

async function resolved(device: Device): Promise<Device> {
  const engine = await createEngine({ device });
  await engine.dispose();
  return engine.device;
}

const hasWebGpu = (await createEngine({ device: "webgpu" }).then(
  (engine) => engine.dispose().then(() => true),
  () => false,
)) as boolean;

describe.runIf(process.platform === "linux")("device auto on Linux", () => {
  beforeEach(() => {
    Object.assign(machine, { gpus: { any: false, nvidia: false }, open: 0 });
  });

  it("is the CPU if there is no GPU, whatever drivers are installed", async () => {
    expect(await resolved("auto")).toBe("cpu");
    expect(machine.looks).toBe(1);
  });

  it("is the CPU if neither CUDA nor WebGPU works on the NVIDIA GPU", async () => {
    machine.gpus = { any: true, nvidia: true };
    // A WebGPU driver works, but not on the GPU.
    expect(await resolved("auto")).toBe("cpu");
  });

  it.runIf(hasWebGpu)("is WebGPU if its driver works on a GPU", async () => {
    machine.gpus = { any: true, nvidia: false };
    machine.open = 1;
    expect(await resolved("auto")).toBe("webgpu");
  });

  it.runIf(hasWebGpu)("is not considered if webgpu is named: its driver may compute in software", async () => {
    expect(await resolved("webgpu")).toBe("webgpu");
  });
});
