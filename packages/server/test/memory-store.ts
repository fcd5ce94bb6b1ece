import { createHash } from "node:crypto";
import type { ResultStore } from "../src/results/result-store.js";

/** Results in memory. */
export class MemoryStore implements ResultStore {
  readonly files = new Map<string, Uint8Array<ArrayBuffer>>();

  async put(bytes: Uint8Array): Promise<string> {
    const hash = createHash("sha256").update(bytes).digest("hex");
    this.files.set(hash, Uint8Array.from(bytes));
    return hash;
  }

  async get(hash: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    return this.files.get(hash);
  }

  async delete(hash: string): Promise<void> {
    this.files.delete(hash);
  }

  async close(): Promise<void> {}
}
