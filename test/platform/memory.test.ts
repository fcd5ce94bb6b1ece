import { afterEach, describe, expect, it, vi } from "vitest";
import { availableMemory, type MemoryFacts } from "../../src/platform/node/memory.js";

const GB = 1e9;

/** A Linux machine with these files; numbers of bytes in GB. */
function machine(files: Readonly<Record<string, string>> = {}, rest: Partial<MemoryFacts> = {}): MemoryFacts {
  return { platform: "linux", free: 10 * GB, total: 16 * GB, own: 1 * GB, read: (path) => files[path], ...rest };
}

afterEach(() => vi.unstubAllEnvs());

describe("the memory that networks can take", () => {
  it("is what is free, and what the process holds already", () => {
    expect(availableMemory(machine())).toBe(11 * GB);
  });

  it("includes room to swap", () => {
    expect(availableMemory(machine({ "/proc/meminfo": "MemTotal: 16 kB\nSwapFree:        2000000 kB\n" }))).toBe(11 * GB + 2_048_000_000);
  });

  it("is limited by a container's group, whose cached files do not count as used", () => {
    const files = {
      "/proc/self/cgroup": "0::/\n",
      "/sys/fs/cgroup/memory.max": `${4 * GB}\n`,
      "/sys/fs/cgroup/memory.current": `${3 * GB}\n`,
      "/sys/fs/cgroup/memory.stat": `anon 1\ninactive_file ${1 * GB}\nactive_file ${0.5 * GB}\n`,
    };
    expect(availableMemory(machine(files))).toBe(3.5 * GB);
  });

  it("is limited by the groups around the process's own", () => {
    const files = {
      "/proc/self/cgroup": "0::/user.slice/job\n",
      "/sys/fs/cgroup/user.slice/job/memory.max": "max\n",
      "/sys/fs/cgroup/user.slice/job/memory.current": "5\n",
      "/sys/fs/cgroup/user.slice/memory.max": `${2 * GB}`,
      "/sys/fs/cgroup/user.slice/memory.current": `${1 * GB}`,
    };
    expect(availableMemory(machine(files))).toBe(2 * GB);
  });

  it("counts pages of mapped files once", () => {
    expect(availableMemory(machine({ "/proc/self/status": "VmRSS: 1000000 kB\nRssAnon:\t  200000 kB\nRssFile: 800000 kB\n" }))).toBe(
      10 * GB + 204_800_000,
    );
  });

  it("is limited by groups of version 1", () => {
    const files = {
      "/proc/self/cgroup": "11:cpu,cpuacct:/docker/a\n5:memory:/docker/a\n",
      "/sys/fs/cgroup/memory/memory.limit_in_bytes": `${6 * GB}`,
      "/sys/fs/cgroup/memory/memory.usage_in_bytes": `${4 * GB}`,
      "/sys/fs/cgroup/memory/memory.stat": `inactive_file ${1 * GB}\nactive_file 7\ntotal_inactive_file ${2 * GB}\ntotal_active_file 0\n`,
    };
    expect(availableMemory(machine(files))).toBe(5 * GB);
  });

  it("is all memory on systems that do not say what their caches give back", () => {
    expect(availableMemory(machine({}, { platform: "darwin", free: 0.1 * GB }))).toBe(16 * GB);
  });

  it("is not known if the user wants no check", () => {
    vi.stubEnv("DARKROOM_MEMORY_CHECK", "0");
    expect(availableMemory(machine())).toBeUndefined();
  });

  it("is some gigabytes here", () => {
    expect(availableMemory()).toBeGreaterThan(1e8);
  });
});
