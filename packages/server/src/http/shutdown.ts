/** How a server goes down: it takes no more jobs and lets those that run end, and then it ends all replies. */
export class Shutdown {
  readonly #draining = new AbortController();
  readonly #closing = new AbortController();
  readonly #waiting = new Set<Promise<unknown>>();

  /** Aborts first: no job is taken any more, and clients whose jobs do not run yet are asked to come again. */
  get draining(): AbortSignal {
    return this.#draining.signal;
  }

  /** Aborts last: replies end, and all clients that still wait are asked to come again. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** Takes note of work that a client waits for. */
  follow<Result>(work: Promise<Result>): Promise<Result> {
    this.#waiting.add(work);
    const forget = () => this.#waiting.delete(work);
    work.then(forget, forget);
    return work;
  }

  /** Resolves when no client waits any more. */
  async drain(): Promise<void> {
    this.#draining.abort();
    while (this.#waiting.size > 0) await Promise.allSettled(this.#waiting);
  }

  close(): void {
    this.#draining.abort();
    this.#closing.abort();
  }
}
