import { disposed } from "./disposed.js";
import type { Session } from "./engine.js";

interface Entry {
  readonly session: Promise<Session>;
  /** Calls that are using it or waiting for it. */
  users: number;
}

/** Keeps the sessions used last, by key. One in use is never released under its user's hands: while all are, there may be more than `limit`. */
export class SessionCache {
  // In the order of their last use.
  private readonly entries = new Map<string, Entry>();
  private isDisposed = false;

  constructor(private readonly limit: number) {}

  /**
   * Does `work` with the session of `key`, which `load` makes where it is not kept. At least `fewest` are kept for now, whatever the limit.
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

  /** Releases the sessions that are not in use; they are loaded again when asked for. */
  async clear(): Promise<void> {
    await this.shrink(0);
  }

  /** Releases every session. Calls that have begun to run end first. */
  async dispose(): Promise<void> {
    this.isDisposed = true;
    const entries = [...this.entries.values()];
    this.entries.clear();
    const sessions = await Promise.allSettled(entries.map(({ session }) => session));
    await Promise.all(sessions.map((session) => (session.status === "fulfilled" ? session.value.release() : undefined)));
  }

  private add(key: string, load: () => Promise<Session>, limit: number): Entry {
    // Room is made first, so that memory never holds a session more than the limit.
    const session = this.shrink(limit - 1).then(load);
    session.catch(() => this.entries.delete(key));
    return { session, users: 0 };
  }

  /** Releases sessions that are not in use, those used longest ago first, until at most `limit` are left. */
  private async shrink(limit: number): Promise<void> {
    const idle = [...this.entries].filter(([, { users }]) => users === 0);
    const surplus = idle.slice(0, Math.max(0, this.entries.size - limit));
    for (const [key] of surplus) this.entries.delete(key);
    await Promise.all(surplus.map(async ([, { session }]) => (await session).release()));
  }
}
