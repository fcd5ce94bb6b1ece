import { beforeEach, describe, expect, it, vi } from "vitest";
import { gpusInSight, openGpuFiles } from "../../src/platform/node/linux-gpu.js";

const machine = vi.hoisted(() => ({ folders: {} as Record<string, string[]>, links: {} as Record<string, string> }));
vi.mock("node:fs", async (importOriginal) => ({
  ...(await importOriginal<typeof import("node:fs")>()),
  readdirSync: (path: string) => {
    const names = machine.folders[path];
    if (!names) throw new Error(`ENOENT: ${path}`);
    return names;
  },
  readlinkSync: (path: string) => {
    const target = machine.links[path];
    if (!target) throw new Error(`ENOENT: ${path}`);
    return target;
  },
}));

beforeEach(() => {
  machine.folders = {};
  machine.links = {};
});

describe("GPUs in sight on Linux", () => {
  it.each([
    ["none without /dev", {}, { any: false, nvidia: false }],
    ["none for a screen without rendering", { "/dev": ["dri", "null"], "/dev/dri": ["card0"] }, { any: false, nvidia: false }],
    ["NVIDIA's by its own driver's files", { "/dev": ["nvidia0", "nvidiactl"] }, { any: true, nvidia: true }],
    ["none for NVIDIA's driver alone", { "/dev": ["nvidiactl", "nvidia-uvm"] }, { any: false, nvidia: false }],
    ["any by the kernel's files", { "/dev": ["dri"], "/dev/dri": ["card0", "renderD128"] }, { any: true, nvidia: false }],
    ["one of either kind in WSL", { "/dev": ["dxg"] }, { any: true, nvidia: true }],
  ])("are %s", (_, folders, expected) => {
    machine.folders = folders;
    expect(gpusInSight()).toEqual(expected);
  });
});

describe("open GPU files", () => {
  it("are counted among all open files of the process", () => {
    const targets = ["/dev/null", "/dev/nvidia0", "/dev/nvidiactl", "/dev/dri/renderD129", "socket:[1]", "/home/a/dev/nvidia0"];
    machine.folders = { "/proc/self/fd": targets.map((_, i) => String(i)) };
    machine.links = Object.fromEntries(targets.map((target, i) => [`/proc/self/fd/${i}`, target]));
    expect(openGpuFiles()).toBe(2);
  });

  it("may be closed while they are counted", () => {
    machine.folders = { "/proc/self/fd": ["0"] };
    expect(openGpuFiles()).toBe(0);
  });

  it("are none if there is no /proc", () => {
    expect(openGpuFiles()).toBe(0);
  });
});
