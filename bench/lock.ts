import { spawn } from "node:child_process";
import { once } from "node:events";

/**
 * Does `work` while it holds the lock of the file BENCH_LOCK, if it is set (util-linux's flock, for machines that others measure on, too).
 */
export async function withLock<Result>(work: () => Promise<Result>): Promise<Result> {
  const { BENCH_LOCK: file } = process.env;
  if (file === undefined) return work();
  // The shell starts, and writes its answer, when it has the lock. cat ends with its input, also when this process dies.
  const holder = spawn("flock", [file, "sh", "-c", "echo held; exec cat"], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(holder, "close");
  await Promise.race([once(holder.stdout, "data"), ended]);
  if (holder.exitCode !== null) throw new Error(`flock ended with ${holder.exitCode}: ${file} cannot be locked`);
  try {
    return await work();
  } finally {
    holder.stdin.end();
    await ended;
  }
}
