import { readdirSync, readFileSync } from "node:fs";

/** The peak of the resident memory of a process and its children, in MiB, by kind. Pages of mapped weight files are `file`. */
export interface PeakMemory {
  /** Everything. It can be less than the sum of the other two, because they have their peaks at different times. */
  readonly total: number;
  readonly anonymous: number;
  readonly file: number;
}

const INTERVAL = 50;

/**
 * Watches a process and its children, on Linux, until it ends. The returned function gives the peak. Memory that two processes share counts
 * for each. That is exact for one process, as in all measurements here. (Proportional shares would always be exact, but for them the kernel
 * walks all page tables, under a lock that the process itself needs.)
 */
export function watchMemory(pid: number): () => PeakMemory | undefined {
  let peak = { total: 0, anonymous: 0, file: 0 };
  const sample = () => {
    const all = tree(pid).map(readStatus);
    const sum = (field: string) => all.reduce((total, status) => total + (status.get(field) ?? 0), 0);
    peak = {
      // The kernel's own high-water mark includes peaks between two samples.
      total: Math.max(peak.total, sum("VmRSS"), ...all.map((status) => status.get("VmHWM") ?? 0)),
      anonymous: Math.max(peak.anonymous, sum("RssAnon")),
      file: Math.max(peak.file, sum("RssFile") + sum("RssShmem")),
    };
  };
  const timer = setInterval(sample, INTERVAL);
  return () => {
    clearInterval(timer);
    return peak.total > 0 ? peak : undefined;
  };
}

/** The process and all below it. */
function tree(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(tree)];
}

/** The processes that a process has started, on Linux. */
export function childrenOf(pid: number): number[] {
  const threads = quietly(() => readdirSync(`/proc/${pid}/task`)) ?? [];
  const children = threads.flatMap(
    (thread) => quietly(() => readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8"))?.match(/\d+/g) ?? [],
  );
  return children.map(Number);
}

/** Seconds of processor time that a process has used, in all its threads, on Linux. */
export function processorSeconds(pid: number): number {
  // The name of the program, in brackets, can have blanks. Then come the state (the third field) and others; 14 and 15 are clock ticks.
  const fields =
    quietly(() => readFileSync(`/proc/${pid}/stat`, "utf8"))
      ?.split(") ")
      .at(-1)
      ?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Whether a process runs, on Linux. One that has ended can still be in the list of processes. */
export function isRunning(pid: number): boolean {
  const status = quietly(() => readFileSync(`/proc/${pid}/status`, "utf8"));
  return status !== undefined && !/^State:\s+[ZX]/m.test(status);
}

/** Fields of /proc/PID/status in MiB; none of a process that has ended. */
export function readStatus(pid: number): ReadonlyMap<string, number> {
  const text = quietly(() => readFileSync(`/proc/${pid}/status`, "utf8")) ?? "";
  return new Map([...text.matchAll(/^(\w+):\s+(\d+) kB$/gm)].map(([, name = "", kilobytes]) => [name, Number(kilobytes) / 1024]));
}

/** Undefined if it fails: the process may end at any time. */
function quietly<Result>(work: () => Result): Result | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
