import { readFileSync } from "node:fs";
import { freemem, totalmem } from "node:os";
import { dirname, join } from "node:path/posix";

/** What this process can learn of the machine's memory. Tests replace it. */
export interface MemoryFacts {
  readonly platform: string;
  /** Bytes that the system can hand out, on Linux with what it can take back from its caches. */
  readonly free: number;
  readonly total: number;
  /** Bytes of memory that this process holds already. */
  readonly own: number;
  /** The contents of a file; undefined if it cannot be read. */
  read(path: string): string | undefined;
}

function facts(): MemoryFacts {
  return { platform: process.platform, free: freemem(), total: totalmem(), own: process.memoryUsage.rss(), read };
}

/**
 * Bytes that networks can take in this process, at most: what is free, what it holds already and can use again, and room to swap; within
 * the limits of its control groups, as containers have them. On systems that do not say what their caches would give back, all memory
 * counts. Undefined if the user wants no check.
 */
export function availableMemory({ platform, free, total, own, read }: MemoryFacts = facts()): number | undefined {
  if (process.env.DARKROOM_MEMORY_CHECK === "0") return undefined;
  if (platform !== "linux") return total;
  const swap = 1024 * Number(/^SwapFree:\s+(\d+) kB$/m.exec(read("/proc/meminfo") ?? "")?.[1] ?? 0);
  // Pages of mapped files are among what the system can take back: they would count twice.
  const anonymous = /^RssAnon:\s+(\d+) kB$/m.exec(read("/proc/self/status") ?? "")?.[1];
  const held = anonymous === undefined ? own : 1024 * Number(anonymous);
  return Math.min(free + swap, ...controlGroups(read).map((group) => leftIn(group, read) + swap)) + held;
}

/** A control group's files: its limit, its use, and the part of the use that the system can take back. */
interface ControlGroup {
  readonly folder: string;
  readonly limit: string;
  readonly use: string;
}

/** The process's control groups (version 2 and 1), and those around them. */
function controlGroups(read: MemoryFacts["read"]): ControlGroup[] {
  return (read("/proc/self/cgroup") ?? "").split("\n").flatMap((line) => {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (path === undefined) return [];
    // In a container, the path may be that of the machine outside; then the files lie at the top.
    const paths = [...new Set([...upwards(path), "/"])];
    if (controllers === "") {
      return paths.map((each) => ({ folder: join("/sys/fs/cgroup", each), limit: "memory.max", use: "memory.current" }));
    }
    if (!controllers?.split(",").includes("memory")) return [];
    const files = { limit: "memory.limit_in_bytes", use: "memory.usage_in_bytes" };
    return paths.map((each) => ({ folder: join("/sys/fs/cgroup/memory", each), ...files }));
  });
}

function upwards(path: string): string[] {
  return path === "/" ? [path] : [path, ...upwards(dirname(path))];
}

/** Bytes that a control group may still take; infinite without a limit. */
function leftIn({ folder, limit, use }: ControlGroup, read: MemoryFacts["read"]): number {
  const number = (file: string) => Number(/^\d+/.exec(read(join(folder, file)) ?? "")?.[0] ?? Number.NaN);
  const [most, used] = [number(limit), number(use)];
  if (Number.isNaN(most) || Number.isNaN(used)) return Number.POSITIVE_INFINITY;
  // Pages of files count as used. The system drops them when the group needs the room.
  const stat = read(join(folder, "memory.stat")) ?? "";
  const cached = (prefix: string) =>
    [...stat.matchAll(new RegExp(`^${prefix}(?:in)?active_file (\\d+)$`, "gm"))].map(([, bytes]) => Number(bytes));
  // Version 1 has lines for the group alone, too, and the use is that of all groups inside it.
  const all = cached("total_");
  return most - used + (all.length > 0 ? all : cached("")).reduce((sum, bytes) => sum + bytes, 0);
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
