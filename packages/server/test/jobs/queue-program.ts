// A process that has a queue: it submits jobs, runs them, cancels some, and prints each promise that the queue gave. It goes on until it is
// killed. node --import tsx queue-program.ts FILE OWNER

import { randomUUID } from "node:crypto";
import { writeSync } from "node:fs";
import { openEmbeddedJobs } from "../../src/jobs/embedded/embedded-jobs.js";
import { NEW_JOB, resultOf, storedPicture } from "./hand-work.js";

const [path = "", owner = ""] = process.argv.slice(2);

/** At once, so that what is printed was true before a kill. A line without the full stop was cut off by it. */
function print(...words: readonly string[]): void {
  let rest = Buffer.from(`${words.join(" ")}.\n`);
  while (rest.length > 0) rest = rest.subarray(written(rest));
}

/** The pipe is full while the test's own process is busy. */
function written(bytes: Buffer): number {
  try {
    return writeSync(1, bytes);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EAGAIN")) throw error;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    return 0;
  }
}

try {
  const jobs = await openEmbeddedJobs(path, { keepJobs: Number.MAX_SAFE_INTEGER });
  print("open");
  jobs.work(
    async (job) => {
      for (let turns = Math.random() * 20; turns > 0; turns--) await new Promise(setImmediate);
      // Each run has another result.
      return resultOf(storedPicture(`${job.id} ${randomUUID()}`));
    },
    { slots: 2 },
  );

  const follow = async (id: string) => {
    for await (const event of jobs.events(id)) {
      if (event.type === "done") print("done", id, event.result.pictures[0]?.id ?? "");
      else if (event.type === "failed" || event.type === "cancelled") print(event.type, id);
    }
  };
  for (const { id } of await jobs.list({ states: ["waiting"] })) void follow(id);

  for (let count = 0; ; count++) {
    const { waiting } = await jobs.count();
    if (waiting < 10) {
      const { id } = await jobs.submit(NEW_JOB, { owner, key: count % 3 === 0 ? randomUUID() : undefined });
      print("accepted", id);
      void follow(id);
      if (count % 7 === 0) await jobs.cancel(id);
    }
    await new Promise(setImmediate);
  }
} catch (error) {
  print("refused", String(error));
}
