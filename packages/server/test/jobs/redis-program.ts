// A worker on a shared queue. It runs the jobs by their prompts, prints what happens, and goes on until it is killed.
// node --import tsx redis-program.ts ADDRESS PREFIX

import { writeSync } from "node:fs";
import { openRedisJobs } from "../../src/jobs/redis/redis-jobs.js";
import { resultOf } from "./hand-work.js";
import { LEASE } from "./redis-storage.js";

const [address = "", prefix = ""] = process.argv.slice(2);

/** At once, so that what is printed was true before a kill. */
function print(...words: readonly string[]): void {
  writeSync(1, `${words.join(" ")}\n`);
}

const jobs = await openRedisJobs(address, { prefix, ...LEASE, onError: () => {} });
jobs.work(
  async (job, { signal, progress }) => {
    print("started", job.id, String(job.crashes));
    progress({ picture: 0, pictures: 1, step: 1, steps: 2 });
    const { prompt } = job.request;
    if (prompt === "poison") process.kill(process.pid, "SIGKILL");
    if (prompt === "long" || (prompt === "long at first" && job.crashes === 0)) {
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    }
    return resultOf();
  },
  { slots: 1 },
);
process.on("SIGTERM", async () => {
  await jobs.close();
  print("closed");
  process.exit();
});
print("open");
