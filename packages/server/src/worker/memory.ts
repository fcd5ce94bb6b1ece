import { totalmem } from "node:os";

/** Bytes of memory that this machine has, or that the container may use. */
export function availableMemory(): number {
  const limit = process.constrainedMemory?.() ?? 0;
  // Without a limit, some systems say 0 and some a number beyond all memory.
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}
