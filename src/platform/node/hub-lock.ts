import { open, readFile, rm, stat, utimes } from "node:fs/promises";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

const POLL = 100;
const HEARTBEAT = 5_000;
/** A lock that has not been touched while we watched for so long has no owner any more. */
const ABANDONED = 30_000;

/**
 * Does `work` while no other process does any under the same lock, and removes the lock when it ends. Locks spare two downloads of one file; nothing
 * breaks if one fails to hold, for files take their places whole and checked. (Python's `.lock` files, which it leaves behind, are flock'ed, which
 * Node cannot do, so ours have names of their own.)
 * @throws the signal's reason once it aborts.
 */
export async function withLock<Result>(path: string, signal: AbortSignal | undefined, work: () => Promise<Result>): Promise<Result> {
  await acquire(path, signal);
  const heart = setInterval(() => void touch(path), HEARTBEAT);
  heart.unref();
  try {
    return await work();
  } finally {
    clearInterval(heart);
    await rm(path, { force: true }).catch(() => undefined);
  }
}

/** Whether a process holds the lock, as far as can be told without waiting for it to be touched. */
export async function isHeld(path: string): Promise<boolean> {
  const found = await look(path);
  return found !== undefined && !found.isOwnerGone;
}

async function acquire(path: string, signal: AbortSignal | undefined): Promise<void> {
  let seen = { touched: Number.NaN, at: 0 };
  for (;;) {
    signal?.throwIfAborted();
    if (await create(path)) return;
    const found = await look(path);
    if (!found) continue;
    if (found.touched !== seen.touched) seen = { touched: found.touched, at: performance.now() };
    if (found.isOwnerGone || performance.now() - seen.at > ABANDONED) await rm(path, { force: true });
    else await sleep(POLL, undefined, { signal }).catch(() => undefined);
  }
}

async function create(path: string): Promise<boolean> {
  try {
    const file = await open(path, "wx");
    await file.writeFile(`${process.pid} ${hostname()}`);
    await file.close();
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}

/** When the lock was last touched, and whether its owner was a process of this machine that is no more. */
async function look(path: string): Promise<{ touched: number; isOwnerGone: boolean } | undefined> {
  try {
    const [{ mtimeMs }, text] = await Promise.all([stat(path), readFile(path, "utf8")]);
    const [pid = "", host] = text.split(" ");
    return { touched: mtimeMs, isOwnerGone: host === hostname() && /^\d+$/.test(pid) && !isRunning(Number(pid)) };
  } catch {
    return undefined;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

async function touch(path: string): Promise<void> {
  const now = new Date();
  await utimes(path, now, now).catch(() => undefined);
}
