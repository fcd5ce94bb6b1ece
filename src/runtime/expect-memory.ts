import { MemoryError } from "../errors.js";
import type { FinishedGraph } from "../graph/finished-graph.js";
import type { Spelling, Wording } from "../wording.js";
import type { Engine } from "./engine.js";

/** What WebAssembly can address, in bytes. */
export const WASM_MEMORY = 2 ** 32;

/** What needs the memory, for messages. */
export interface MemoryUse {
  /** The network. */
  readonly network: string;
  /** Bytes of all its weights in their files. */
  readonly weightBytes: number;
  /** Whether `quantize` makes its weights smaller. */
  readonly isQuantisable?: boolean;
}

/**
 * Refuses a graph that cannot run in the memory of the engine's device. Only what certainly does not fit is refused: on the native CPU,
 * weights are mapped files, which the system reads again when it needs the room, so only the network's intermediate results count. In
 * WebAssembly weights count, too. The memory of GPUs is not known.
 * @throws MemoryError
 */
export function expectMemory(engine: Engine, { memory }: FinishedGraph, { network, isQuantisable = false }: MemoryUse): void {
  const available = engine.availableMemory?.();
  if (memory === undefined || available === undefined) return;
  const isWasm = engine.device === "wasm";
  const needed = memory.working + (isWasm ? memory.weights : 0);
  if (needed <= available) return;
  // Intermediate results grow with the pixels.
  const share = Math.max(0, available - (needed - memory.working)) / memory.working;
  const parts = isWasm ? ` (${gigabytes(memory.weights)} of weights, ${gigabytes(memory.working)} of intermediate results)` : "";
  throw new MemoryError(
    `${network} needs at least ${gigabytes(needed)} of memory for this request${parts}; there are ${gigabytes(available)}`,
    { needed, available, hint: (name) => waysOut(name, engine, { share, isQuantisable }) },
  );
}

/** What would fit: fewer pixels if the weights fit, and what saves memory. `share` is the part of the results that has room. */
function waysOut(
  name: Spelling,
  { lowMemory = false, device }: Engine,
  { share, isQuantisable }: { readonly share: number; readonly isQuantisable: boolean },
): string {
  const sides = Math.floor(20 * Math.sqrt(share)) * 5;
  const ways = [
    ...(sides > 0 ? [`pictures with at most ${sides} % of the sides, or fewer at once`] : []),
    ...(lowMemory ? [] : [name("lowMemory", { value: "true", code: "lowMemory: true" })]),
    ...(isQuantisable ? [name("quantize", { value: "q4" })] : []),
    ...(device === "wasm" ? ["smaller weights (quantised ones), or the native library, which maps them from their files"] : []),
  ];
  const anyway = device === "cpu" ? "; to try it all the same, set the environment variable DARKROOM_MEMORY_CHECK=0" : "";
  return `what may fit: ${ways.join("; ")}${anyway}`;
}

/** The warning that a network's weights are larger than the memory; undefined if they are not. */
export function largerThanMemory(engine: Engine, { network, weightBytes, isQuantisable = false }: MemoryUse): Wording | undefined {
  const available = engine.device === "cpu" ? engine.availableMemory?.() : undefined;
  if (available === undefined || weightBytes <= available) return undefined;
  const disk = "so every step reads weights from the disk, which takes long";
  const found = `${network} has ${gigabytes(weightBytes)} of weights and there are ${gigabytes(available)} of memory, ${disk}`;
  return (name) => (isQuantisable ? `${found}; ${name("quantize", { value: "q4" })} makes weights of 4.5 bits` : found);
}

/** Bytes as `3.4 GB`. */
function gigabytes(bytes: number): string {
  const value = bytes / 1e9;
  return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} GB`;
}
