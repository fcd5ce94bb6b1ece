import type { Redis } from "ioredis";
import type { JobEvent } from "../job.js";
import type { Recorded } from "./job-store.js";

/** A reader that is so many events behind misses steps and previews. */
const MOST_UNREAD = 100;

interface Reader {
  readonly unread: JobEvent[];
  /** Messages may have been missed: what stands on record is read. */
  isStale: boolean;
  wake(): void;
}

/** What a queue does with other messages. */
export interface Listener {
  /** The queue moved. */
  onChanged(): void;
  /** There may be jobs to take. */
  onWork(): void;
  onCancel(id: string): void;
}

/**
 * Messages of the processes that share the queue. Redis keeps no message for who was away: after each connection readers begin with what
 * stands on record, and numbers tell what they had.
 */
export class EventHub {
  readonly #redis: Redis;
  readonly #prefix: string;
  readonly #readers = new Map<string, Set<Reader>>();
  #isClosed = false;

  private constructor(redis: Redis, prefix: string) {
    this.#redis = redis;
    this.#prefix = prefix;
  }

  /** @param redis a connection of its own */
  static async open(redis: Redis, prefix: string, listener: Listener): Promise<EventHub> {
    const hub = new EventHub(redis, prefix);
    redis.on("message", (channel: string, message: string) => {
      const name = channel.slice(prefix.length);
      if (name === "changed") listener.onChanged();
      else if (name === "work") listener.onWork();
      else if (name === "cancel") listener.onCancel(message);
      else hub.#receive(name.slice("events:".length), JSON.parse(message) as JobEvent);
    });
    redis.on("ready", () => {
      for (const readers of hub.#readers.values()) {
        for (const reader of readers) {
          reader.isStale = true;
          reader.wake();
        }
      }
      listener.onWork();
    });
    await redis.subscribe(`${prefix}changed`, `${prefix}work`, `${prefix}cancel`);
    return hub;
  }

  /** The jobs whose events are read here. */
  get read(): readonly string[] {
    return [...this.#readers.keys()];
  }

  /** @param recorded reads what stands on record */
  async *events(
    id: string,
    recorded: () => Promise<Recorded | undefined>,
    after: number,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<JobEvent, void, undefined> {
    let wake = () => {};
    const reader: Reader = { unread: [], isStale: true, wake: () => wake() };
    signal?.addEventListener("abort", reader.wake);
    try {
      await this.#add(id, reader);
      let last: number | undefined;
      while (!signal?.aborted && !this.#isClosed) {
        if (reader.isStale) {
          reader.isStale = false;
          const found = await recorded();
          if (found === undefined) return;
          // A number that was never given is another job's, or nonsense: nothing must be missed for it.
          last ??= after > found.event ? 0 : after;
          merge(reader.unread, found.standing);
          continue;
        }
        const event = reader.unread.shift();
        if (event === undefined) await new Promise<void>((resolve) => (wake = resolve));
        else if (event.id > (last ?? 0)) {
          last = event.id;
          yield event;
        }
        if (event !== undefined && isFinal(event)) return;
      }
    } finally {
      signal?.removeEventListener("abort", reader.wake);
      await this.#remove(id, reader);
    }
  }

  /** Its readers end. */
  close(): void {
    this.#isClosed = true;
    for (const readers of this.#readers.values()) for (const { wake } of readers) wake();
    this.#redis.disconnect();
  }

  async #add(id: string, reader: Reader): Promise<void> {
    const readers = this.#readers.get(id) ?? new Set();
    this.#readers.set(id, readers.add(reader));
    await this.#redis.subscribe(`${this.#prefix}events:${id}`);
  }

  async #remove(id: string, reader: Reader): Promise<void> {
    const readers = this.#readers.get(id);
    readers?.delete(reader);
    if (readers?.size !== 0) return;
    this.#readers.delete(id);
    if (!this.#isClosed) await this.#redis.unsubscribe(`${this.#prefix}events:${id}`);
  }

  #receive(id: string, event: JobEvent): void {
    for (const { unread, wake } of this.#readers.get(id) ?? []) {
      if (unread.length >= MOST_UNREAD) {
        const skipped = unread.findIndex(({ type }) => type === "step" || type === "preview" || type === "waiting");
        if (skipped >= 0) unread.splice(skipped, 1);
      }
      unread.push(event);
      wake();
    }
  }
}

function merge(unread: JobEvent[], standing: readonly JobEvent[]): void {
  unread.push(...standing);
  unread.sort((a, b) => a.id - b.id);
}

function isFinal({ type }: JobEvent): boolean {
  return type === "done" || type === "failed" || type === "cancelled";
}
