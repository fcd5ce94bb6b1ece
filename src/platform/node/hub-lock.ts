import { open, readFile, rm, stat, utimes } from "node:fs/promises";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { errorCode } from "./error-code.js";

const POLL = 100;
const HEARTBEAT = 5_000;
/** A lock that is not touched for this many milliseconds has no owner any more. */
const ABANDONED = 30_000;

/**
 * Does `work` while no other process holds the same lock. The lock avoids downloading one file twice. Nothing breaks if it fails: files are
 * moved to their places when they are complete and checked. huggingface_hub locks its `.lock` files with flock, which Node lacks. Therefore
 * our locks have other names.
 * @throws the signal's reason when it aborts.
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

/** Whether a process holds the lock. A lock of another machine counts as held: only waiting would show that its owner is gone. */
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
    if (errorCode(error) === "EEXIST") return false;
    throw error;
  }
}

/** When the lock was last touched, and whether its owner was a process of this machine that has ended. */
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
    return errorCode(error) === "EPERM";
  }
}

async function touch(path: string): Promise<void> {
  const now = new Date();
  await utimes(path, now, now).catch(() => undefined);
}
