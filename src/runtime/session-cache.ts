import { disposed } from "./disposed.js";
import type { Session } from "./session.js";

interface Entry {
  readonly session: Promise<Session>;
  /** Number of calls that use the session or wait for it. */
  users: number;
}

/**
 * Keeps the most recently used sessions, by key. A session in use is never released; so if all are in use, there may be more than `limit`.
 */
export class SessionCache {
  // In order of last use.
  private readonly entries = new Map<string, Entry>();
  private isDisposed = false;

  constructor(private readonly limit: number) {}

  /**
   * Does `work` with the session for `key`. If the cache has none, `load` makes it. At least `fewest` sessions are kept during the call,
   * whatever the limit.
   * @throws DeviceError after `dispose`
   */
  async use<Result>(key: string, load: () => Promise<Session>, work: (session: Session) => Promise<Result>, fewest = 1): Promise<Result> {
    const limit = Math.max(this.limit, fewest);
    if (this.isDisposed) throw disposed();
    const entry = this.entries.get(key) ?? this.add(key, load, limit);
    this.entries.delete(key);
    this.entries.set(key, entry);
    entry.users++;
    try {
      return await work(await entry.session);
    } finally {
      entry.users--;
      await this.shrink(limit);
    }
  }

  /** Releases the sessions that are not in use. They are loaded again when they are needed. */
  async clear(): Promise<void> {
    await this.shrink(0);
  }

  /** Releases all sessions. Calls that are running end first. */
  async dispose(): Promise<void> {
    this.isDisposed = true;
    const entries = [...this.entries.values()];
    this.entries.clear();
    const sessions = await Promise.allSettled(entries.map(({ session }) => session));
    await Promise.all(sessions.map((session) => (session.status === "fulfilled" ? session.value.release() : undefined)));
  }

  private add(key: string, load: () => Promise<Session>, limit: number): Entry {
    // Another session is released before this one is loaded, so that memory never holds more than the limit.
    const session = this.shrink(limit - 1).then(load);
    session.catch(() => this.entries.delete(key));
    return { session, users: 0 };
  }

  /** Releases sessions that are not in use, least recently used first, until at most `limit` are left. */
  private async shrink(limit: number): Promise<void> {
    const idle = [...this.entries].filter(([, { users }]) => users === 0);
    const surplus = idle.slice(0, Math.max(0, this.entries.size - limit));
    for (const [key] of surplus) this.entries.delete(key);
    await Promise.all(surplus.map(async ([, { session }]) => (await session).release()));
  }
}
