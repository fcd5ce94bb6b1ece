import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

/** Cores that this process may use. Two threads of one core count once where that can be known: they share its arithmetic. */
export function cores(readText: (path: string) => string = (path) => readFileSync(path, "utf8")): number {
  const processors = availableParallelism();
  try {
    const siblings = new Set<string>();
    for (let i = 0; i < processors; i++) siblings.add(readText(`/sys/devices/system/cpu/cpu${i}/topology/thread_siblings_list`).trim());
    return siblings.size;
  } catch {
    // Only Linux has these files.
    return processors;
  }
}
