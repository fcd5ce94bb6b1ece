import { setTimeout as sleep } from "node:timers/promises";
import type { Redis } from "ioredis";
import { QueueUnreachableError } from "../jobs.js";

/** Calls wait so long for a Redis that is away: a restart of it is over by then. */
const LONGEST_MS = 5_000;

/** How often it is looked at. */
const LOOK_MS = 50;

/** Bounds the calls of a connection that is made again for ever: a caller gets an answer in time. */
export class Reach {
  readonly #redis: Redis;
  readonly #longest: number;

  constructor(redis: Redis, longest = LONGEST_MS) {
    this.#redis = redis;
    this.#longest = longest;
  }

  /**
   * Does a call when there is a connection, and waits for both no longer than 5 seconds. Without a connection the call is not made at all:
   * it would be done later, when nobody waits for it.
   * @param patient false: fails at once where there is no connection
   * @param onLate told what a call gave that was answered too late
   * @throws QueueUnreachableError
   */
  async call<T>(work: () => Promise<T>, { patient = true, onLate }: { patient?: boolean; onLate?: (result: T) => void } = {}): Promise<T> {
    const until = performance.now() + this.#longest;
    while (this.#redis.status !== "ready") {
      if (!patient || performance.now() >= until) throw new QueueUnreachableError();
      await sleep(LOOK_MS);
    }
    const timer = new AbortController();
    const late = Symbol("late");
    const working = work();
    const time = sleep(Math.max(until - performance.now(), LOOK_MS), late, { signal: timer.signal }).catch(() => late);
    const first = await Promise.race([working, time]).finally(() => timer.abort());
    if (first !== late) return first as T;
    working.then(onLate, () => undefined);
    throw new QueueUnreachableError();
  }
}
