import { setTimeout as sleep } from "node:timers/promises";

/** How something that runs is closed. */
export interface CloseOptions {
  /** Seconds in which jobs that run can end; then they are handed back. 0 by default. */
  readonly grace?: number | undefined;
}

/** What was opened, to be closed in the other order. */
export class Opened {
  readonly #closers: (() => Promise<void>)[] = [];
  readonly #onError: (error: unknown) => void;

  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  add<Part extends { close(): Promise<void> }>(part: Part): Part {
    this.#closers.push(() => part.close());
    return part;
  }

  /** Closes everything, whatever fails. */
  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close().catch(this.#onError);
  }
}

/** Waits for work, but not longer than `grace` seconds. */
export async function waitFor(work: Promise<unknown>, grace: number): Promise<void> {
  const timer = new AbortController();
  await Promise.race([work, sleep(grace * 1000, undefined, { signal: timer.signal }).catch(() => undefined)]);
  timer.abort();
}
