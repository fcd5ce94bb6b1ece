import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { describe, expect, it, vi } from "vitest";
import { withLock } from "../../bench/lock.js";
import { temporaryFolder } from "../helpers/temporary.js";

// flock comes with util-linux.
describe.runIf(process.platform === "linux")("the benchmark's lock", () => {
  it("is held by one at a time, also after one that failed", async () => {
    vi.stubEnv("BENCH_LOCK", join(temporaryFolder(), "lock"));
    const events: string[] = [];
    const work = (name: string) =>
      withLock(async () => {
        events.push(`${name} begins`);
        await setTimeout(50);
        events.push(`${name} ends`);
        if (name === "a") throw new Error("broken");
      });
    const [first] = await Promise.allSettled([work("a"), work("a"), work("a")]);
    vi.unstubAllEnvs();
    expect(first).toMatchObject({ status: "rejected", reason: { message: "broken" } });
    expect(events).toEqual(Array(3).fill(["a begins", "a ends"]).flat());
  });

  it("fails if the file cannot be locked", async () => {
    vi.stubEnv("BENCH_LOCK", "/nowhere/lock");
    await expect(withLock(async () => {})).rejects.toThrow("/nowhere/lock cannot be locked");
    vi.unstubAllEnvs();
  });
});
