import { describe, expect, it } from "vitest";
import { ResultCache } from "../../src/runtime/result-cache.js";
import { Tensor } from "../../src/tensor/tensor.js";

/** A cache, and how often it had to compute. */
function counted(limit: number) {
  const cache = new ResultCache(limit);
  let computed = 0;
  const recall = async (key: string, ...ids: number[]) => {
    const before = computed;
    const { sum } = await cache.recall(key, [Tensor.from(ids)], async () => {
      computed++;
      return { sum: Tensor.from([ids.reduce((total, each) => total + each, 0)]) };
    });
    return { sum: sum.data[0], isKept: computed === before };
  };
  return { cache, recall };
}

describe("a cache of results", () => {
  it("gives the results of equal keys and inputs again", async () => {
    const { recall } = counted(1000);
    expect(await recall("a", 1, 2)).toEqual({ sum: 3, isKept: false });
    expect(await recall("a", 1, 2)).toEqual({ sum: 3, isKept: true });
    expect(await recall("b", 1, 2)).toEqual({ sum: 3, isKept: false });
    expect(await recall("a", 2, 1)).toEqual({ sum: 3, isKept: false });
    expect(await recall("a", 1, 2, 0)).toEqual({ sum: 3, isKept: false });
    expect(await recall("a", 1, 2)).toEqual({ sum: 3, isKept: true });
  });

  it("forgets what was not used for longest when its bytes are full", async () => {
    const { recall } = counted(24);
    for (const key of ["a", "b"]) await recall(key, 1, 2);
    expect((await recall("a", 1, 2)).isKept).toBe(true);
    await recall("c", 1, 2);
    expect((await recall("a", 1, 2)).isKept).toBe(true);
    expect((await recall("b", 1, 2)).isKept).toBe(false);
  });

  it("does not keep results that are larger than all its bytes", async () => {
    const { recall } = counted(24);
    await recall("a", 1, 2);
    await recall("b", 1, 2, 3, 4, 5, 6);
    expect((await recall("b", 1, 2, 3, 4, 5, 6)).isKept).toBe(false);
    expect((await recall("a", 1, 2)).isKept).toBe(true);
  });

  it("does not keep errors", async () => {
    const { cache, recall } = counted(1000);
    await expect(cache.recall("a", [Tensor.from([1])], () => Promise.reject(new Error("no room")))).rejects.toThrow("no room");
    expect((await recall("a", 1)).isKept).toBe(false);
  });

  it("keeps nothing after it was disposed", async () => {
    const { cache, recall } = counted(1000);
    await recall("a", 1);
    cache.dispose();
    expect((await recall("a", 1)).isKept).toBe(false);
    expect((await recall("a", 1)).isKept).toBe(false);
  });
});
