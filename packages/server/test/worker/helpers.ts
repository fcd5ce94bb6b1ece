import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import { onTestFinished } from "vitest";
import { offerOf } from "../../src/models/offer.js";
import { createHandler, type HandlerOptions, type ModelHandler } from "../../src/worker/supervisor.js";
import { MemoryStore } from "../memory-store.js";

/** A handler on the CPU with quick backoff, and the log of its processes. */
export interface TestHandler {
  readonly handler: ModelHandler;
  readonly results: MemoryStore;
  readonly log: readonly string[];
}

/** A handler that the caller closes. */
export function createTestHandler(options: Partial<HandlerOptions> = {}): TestHandler {
  const results = new MemoryStore();
  const log: string[] = [];
  const offer = offerOf({ runtime: { device: "cpu" } });
  const backoff = { first: 1, longest: 4 };
  return { handler: createHandler({ offer, results, backoff, log: (text) => log.push(text), ...options }), results, log };
}

/** A handler that is closed after the test. */
export function handlerOf(options: Partial<HandlerOptions> = {}): TestHandler {
  const created = createTestHandler(options);
  onTestFinished(() => created.handler.close());
  return created;
}

/** What node needs to run the programs of `children`. */
export const LOADER = ["--import", pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href];

/** A program of `children`, instead of the real one. */
export function child(name: string): string {
  return fileURLToPath(new URL(`children/${name}.ts`, import.meta.url));
}

/** Whether a process exists. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Resolves when a process is gone. */
export async function gone(pid: number): Promise<void> {
  while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 10));
}
