import type { Job, JobEvent, JobEventBody } from "../job.js";

/** A reader that is so many events behind misses steps and previews. */
const MOST_UNREAD = 100;

interface Reader {
  readonly unread: JobEvent[];
  wake(): void;
}

/** The events of one job: the last ones that tell its state, for readers who come late, and its readers. */
export class Feed {
  #last: number;
  /** The last event of each type that still holds, in order. */
  readonly #standing = new Map<JobEvent["type"], JobEvent>();
  readonly #readers = new Set<Reader>();
  #isClosed = false;

  /** @param event the number of the last change on record */
  constructor(job: Job, event: number) {
    this.#last = event;
    this.#keep({ id: event, ...stateEvent(job) });
  }

  /** The number of the next event. */
  get next(): number {
    return this.#last + 1;
  }

  get isRead(): boolean {
    return this.#readers.size > 0;
  }

  get isFinal(): boolean {
    return this.#standing.has("done") || this.#standing.has("failed") || this.#standing.has("cancelled");
  }

  /** The event of a type, if it still holds. */
  standing<Type extends JobEvent["type"]>(type: Type): Extract<JobEvent, { readonly type: Type }> | undefined {
    return this.#standing.get(type) as Extract<JobEvent, { readonly type: Type }> | undefined;
  }

  publish(body: JobEventBody): void {
    this.#last++;
    const event: JobEvent = { id: this.#last, ...body };
    this.#keep(event);
    for (const { unread, wake } of this.#readers) {
      if (unread.length >= MOST_UNREAD) {
        const skipped = unread.findIndex(({ type }) => type === "step" || type === "preview" || type === "waiting");
        if (skipped >= 0) unread.splice(skipped, 1);
      }
      unread.push(event);
      wake();
    }
  }

  /** Events from `after` + 1 on, until the final one. */
  async *read(after: number, signal: AbortSignal | undefined): AsyncGenerator<JobEvent, void, undefined> {
    // A number that was never given is another job's, or nonsense: nothing must be missed for it.
    const from = after > this.#last ? 0 : after;
    const unread = [...this.#standing.values()].filter(({ id }) => id > from);
    if (this.isFinal) {
      yield* unread;
      return;
    }
    let wake = () => {};
    const reader: Reader = { unread, wake: () => wake() };
    this.#readers.add(reader);
    signal?.addEventListener("abort", reader.wake);
    try {
      while (!signal?.aborted) {
        const event = unread.shift();
        if (event !== undefined) {
          yield event;
          if (isFinal(event)) return;
        } else if (this.#isClosed) return;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      this.#readers.delete(reader);
      signal?.removeEventListener("abort", reader.wake);
    }
  }

  /** Its readers end when they have read what there is. */
  close(): void {
    this.#isClosed = true;
    for (const { wake } of this.#readers) wake();
  }

  #keep(event: JobEvent): void {
    if (event.type !== "step" && event.type !== "preview") this.#standing.clear();
    this.#standing.delete(event.type);
    this.#standing.set(event.type, event);
  }
}

function isFinal({ type }: JobEvent): boolean {
  return type === "done" || type === "failed" || type === "cancelled";
}

/** The event that brought a job to its state. */
export function stateEvent({ state, position, result, error }: Job): JobEventBody {
  if (state === "waiting") return { type: state, position: position ?? 1 };
  if (state === "done" && result !== undefined) return { type: state, result };
  if (state === "failed" && error !== undefined) return { type: state, error };
  return state === "running" ? { type: state } : { type: "cancelled" };
}
