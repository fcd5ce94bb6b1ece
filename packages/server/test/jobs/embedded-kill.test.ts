import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EmbeddedStorage } from "./embedded-storage.js";
import { HandWork } from "./hand-work.js";
import { startQueueProcess } from "./queue-process.js";

const ROUNDS = 5;

describe("kill -9 of the process that has the embedded queue", () => {
  let storage: EmbeddedStorage;
  beforeEach(async () => {
    storage = await EmbeddedStorage.make();
  });
  afterEach(() => storage.dispose());

  it("loses no accepted job, and ends none twice, at any moment", async () => {
    /** Jobs that were accepted, and the ends that were told. */
    const accepted = new Set<string>();
    const ends = new Map<string, Set<string>>();
    for (let round = 0; round < ROUNDS; round++) {
      const process = startQueueProcess(storage.path);
      const moment = 1 + Math.floor(Math.random() * 200);
      await process.until(() => process.lines.length > moment);
      await process.kill();
      for (const line of process.lines) {
        const [word, id = ""] = line.split(" ");
        if (word === "accepted") accepted.add(id);
        else if (word !== "open") ends.set(id, (ends.get(id) ?? new Set()).add(line));
      }
    }
    for (const [id, told] of ends) expect([id, ...told]).toHaveLength(2);

    const jobs = await storage.open({ keepJobs: Number.MAX_SAFE_INTEGER });
    const work = new HandWork();
    jobs.work(work.handler, { slots: 1 });
    for (let { waiting, running } = await jobs.count(); waiting + running > 0; { waiting, running } = await jobs.count()) {
      (await work.next()).finish();
      await new Promise(setImmediate);
    }
    expect(accepted.size).toBeGreaterThan(ROUNDS);
    for (const id of accepted) {
      const job = await jobs.get(id);
      expect(["done", "failed", "cancelled"]).toContain(job?.state);
      if (job?.state === "failed") expect(job).toMatchObject({ crashes: 2, error: { kind: "crashed" } });
      const [told] = ends.get(id) ?? [];
      // What a client was told stays.
      if (told !== undefined) expect([job?.state, id, job?.result?.pictures[0]?.id].filter(Boolean).join(" ")).toBe(told);
    }
  });
});
