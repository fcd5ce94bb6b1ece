import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ResultStore } from "../../src/index.js";

/** A place that a store keeps its files in. */
export interface Storage {
  /** Opens the store as a further process would. */
  open(): Promise<ResultStore>;
  /** The names of what is kept. */
  names(): Promise<readonly string[]>;
  /** Cuts off the end of what is kept. */
  truncate(hash: string): Promise<void>;
  /** How often something was written. */
  writes(): Promise<number>;
  dispose(): Promise<void>;
}

export const BYTES = new TextEncoder().encode("a picture");
export const HASH = createHash("sha256").update(BYTES).digest("hex");

/** What every implementation of `ResultStore` must do. */
export function testStore(name: string, makeStorage: () => Promise<Storage>): void {
  describe(name, () => {
    let storage: Storage;
    let store: ResultStore;
    beforeEach(async () => {
      storage = await makeStorage();
      store = await storage.open();
    });
    afterEach(async () => {
      await store.close();
      await storage.dispose();
    });

    const gives = async (hash: string, bytes: Uint8Array, from = store) => {
      const kept = await from.get(hash);
      return kept !== undefined && Buffer.from(bytes).equals(kept);
    };

    it("gives bytes back by their SHA-256, also to the next process", async () => {
      expect(await store.put(BYTES, "image/png")).toBe(HASH);
      expect(await gives(HASH, BYTES)).toBe(true);
      await store.close();
      expect(await gives(HASH, BYTES, await storage.open())).toBe(true);
    });

    it("keeps all bytes of a large picture, and a part of a larger buffer", async () => {
      const large = Uint8Array.from({ length: 3_000_001 }, (_, i) => (i * 7919) >> 3);
      const part = large.subarray(1000, 2000);
      for (const bytes of [large, part]) expect(await gives(await store.put(bytes, "image/png"), bytes)).toBe(true);
    });

    it("keeps a picture without a byte", async () => {
      const nothing = new Uint8Array(0);
      expect(await gives(await store.put(nothing, "image/png"), nothing)).toBe(true);
    });

    it("keeps the same bytes once, also when they come at the same time", async () => {
      const puts = Array.from({ length: 5 }, () => store.put(BYTES, "image/png"));
      expect(new Set(await Promise.all(puts))).toEqual(new Set([HASH]));
      expect(await storage.names()).toEqual([HASH]);
    });

    it("does not write what is there already", async () => {
      await store.put(BYTES, "image/png");
      const before = await storage.writes();
      await store.put(BYTES, "image/png");
      expect(await storage.writes()).toBe(before);
    });

    it("writes a picture again that was cut off", async () => {
      await store.put(BYTES, "image/png");
      await storage.truncate(HASH);
      expect(await gives(HASH, BYTES)).toBe(false);
      await store.put(BYTES, "image/png");
      expect(await gives(HASH, BYTES)).toBe(true);
    });

    it("has nothing for a hash that was never stored", async () => {
      expect(await store.get("0".repeat(64))).toBeUndefined();
    });

    it("deletes, and does not mind what is not there", async () => {
      await store.put(BYTES, "image/png");
      await store.delete(HASH);
      await store.delete(HASH);
      expect(await store.get(HASH)).toBeUndefined();
      expect(await storage.names()).toEqual([]);
    });

    it("knows no names but hashes", async () => {
      await store.put(BYTES, "image/png");
      const names = ["", "..", "../secret", HASH.toUpperCase(), `${HASH}/../secret`, `../${HASH.slice(3)}`, `${HASH}\n`, `x/../${HASH}`];
      for (const odd of names) {
        expect(await store.get(odd)).toBeUndefined();
        await store.delete(odd);
      }
      expect(await storage.names()).toEqual([HASH]);
    });
  });
}
