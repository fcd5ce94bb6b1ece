import { spawn } from "node:child_process";
import { once } from "node:events";

/** Does `work` while it holds the lock of the file BENCH_LOCK, if there is one (util-linux's flock, for machines on which others measure, too). */
export async function withLock<Result>(work: () => Promise<Result>): Promise<Result> {
  const { BENCH_LOCK: file } = process.env;
  if (file === undefined) return work();
  // cat begins, and so answers, when the lock is had; it ends with its input, also when this process dies.
  const holder = spawn("flock", [file, "cat"], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(holder, "close");
  holder.stdin.write("held");
  await Promise.race([once(holder.stdout, "data"), ended]);
  if (holder.exitCode !== null) throw new Error(`flock ended with ${holder.exitCode}: ${file} cannot be locked`);
  try {
    return await work();
  } finally {
    holder.stdin.end();
    await ended;
  }
}
